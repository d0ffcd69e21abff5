"""Names of classes with line breaks or control characters are refused in lists, folders, shards and models."""

import pytest
from datasets import ClassLabel, Dataset
from transformers import VideoMAEConfig

from lgi_former import LGIFormerConfig
from lgi_former.hub.answer_kind import AnswerKind
from lgi_former.training.data.annotations import load_annotations, load_videos
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.shard_index import INDEX_FILE, Shard, ShardIndex
from lgi_former.training.data.sharded_videos import ShardedVideos


NAMES = ["a\nb", "a\rb", "\x1b[31ma", "a\tb", "a\x7f", "a\x9b", "a\u2028b", "a\x00"]


@pytest.mark.parametrize("name", NAMES)
def test_of_a_list_whose_classes_are_given(name, tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.mp4,0\nb.mp4,1\n")
    with pytest.raises(AnnotationError, match="has a line break or control character in its name"):
        load_annotations(tmp_path / "list.csv", label_names=["happy", name])


@pytest.mark.parametrize("name", ["a\nb", "a\x1b", "a\u2028b"])
def test_of_columns_folders_data_sets_and_shards(name, tmp_path):
    (tmp_path / "list.csv").write_text(f'path,"{name}",b\na.mp4,0.5,1.5\nb.mp4,0.1,2.5\n', newline="")
    (tmp_path / "folders" / name).mkdir(parents=True)
    (tmp_path / "folders" / name / "a.mp4").touch()
    labelled = Dataset.from_dict({"video": ["a.mp4"], "label": [0]}).cast_column(
        "label", ClassLabel(names=["x", name])
    )
    for source in (tmp_path / "list.csv", tmp_path / "folders", labelled):
        with pytest.raises(AnnotationError) as error:
            load_videos(source)
        assert name not in str(error.value)
    ShardIndex([Shard("a.tar", 1, 1, "0" * 64, "0" * 64)], ["x", name]).write(tmp_path)
    with pytest.raises(AnnotationError, match="has a line break or control character in its name"):
        ShardedVideos(str(tmp_path / INDEX_FILE))


@pytest.mark.parametrize("name", NAMES)
def test_of_a_model(name):
    with pytest.raises(ValueError, match="in id2label or label_units has a line break or control character"):
        LGIFormerConfig(id2label={0: "happy", 1: name})
    with pytest.raises(ValueError, match="in id2label or label_units has a line break or control character"):
        LGIFormerConfig(problem_type="regression", id2label={0: "a"}, label_units=[name])
    with pytest.raises(ValueError, match="of the model has a line break or control character"):
        AnswerKind.of(VideoMAEConfig(id2label={0: "happy", 1: name}))
