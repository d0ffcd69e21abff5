"""The classes of a run: their names, and whether the videos fit them."""

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from lgi_former.training.data.classes import check_classes_to_train, names_of_classes, warn_of_empty_classes
from lgi_former.training.data.shard_index import Shard, ShardIndex
from lgi_former.training.data.sharded_videos import ShardedVideos
from lgi_former.training.preparation.shards.packing import pack_shards


def labelled(labels, names=None):
    feature = Value("int64") if names is None else ClassLabel(names=names)
    features = Features({"video": Value("string"), "label": feature})
    return Dataset.from_dict({"video": [f"{row}.mp4" for row in range(len(labels))], "label": labels}, features)


def test_indices_become_names():
    assert names_of_classes("list", labelled([2, 0, 0])) == ["0", "1", "2"]
    assert names_of_classes("list", labelled([1, 1], ["x", "y"])) == ["x", "y"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 3, 2], r"the labels 1 to 3, but classes count from 0\. Subtract 1 .* --labels 1 2 3\."),
        ([7, 5], r"the labels 5, 7, .* Subtract 5 .* --labels 5 7\."),
        ([1], r"--labels 1\."),
    ],
)
def test_labels_that_count_from_one_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        names_of_classes("list", labelled(labels))


def test_almost_as_many_classes_as_videos_are_refused():
    with pytest.raises(ValueError, match="2001 classes for 3 videos"):
        names_of_classes("list", labelled([0, 1, 2000]))
    with pytest.raises(ValueError, match="1001 classes for 1001 videos"):
        names_of_classes("list", labelled([*range(1001)], [f"a man says {row}" for row in range(1001)]))
    assert len(names_of_classes("list", labelled([*range(1500)] * 2))) == 1500


@pytest.mark.parametrize("names", [["train", "test"], ["Train", "Val", "dev"]])
def test_parts_of_a_data_set_are_not_classes(names):
    with pytest.raises(ValueError, match=rf"classes {', '.join(names)}, which are names for parts of a data set"):
        names_of_classes("list", labelled([0, 1, 0], names))
    assert names_of_classes("list", labelled([0, 1], ["test", "rest"])) == ["test", "rest"]


def test_a_class_that_may_be_misspelt_is_reported(caplog):
    names_of_classes("list", labelled([0, 0, 1, 2, 3], ["happy", "hapy", "sad", "fear"]))
    assert caplog.text.count("\n") == 1
    assert "list has one video only of the class 'hapy'. Correct its label if it should be 'happy'." in caplog.text


@pytest.mark.parametrize("labels", [[0, 0], [1, 1, 1]])
def test_training_on_one_class_is_refused(labels):
    with pytest.raises(ValueError, match=f"one class only, {'xy'[labels[0]]!r}"):
        check_classes_to_train("list", labelled(labels, ["x", "y"]), ["x", "y"])
    with pytest.raises(ValueError, match="one class only, 'x'"):
        check_classes_to_train("list", labelled([0, 0], ["x"]), ["x"])
    with pytest.raises(ValueError, match="repeat a name"):
        check_classes_to_train("list", labelled([0, 0]), ["x", "x"])


def test_classes_without_a_video_are_reported(caplog):
    check_classes_to_train("list", labelled([0, 2, 0]), ["x", "y", "z", "w"])
    assert "list has no video of 2 of 4 classes: y, w." in caplog.text
    caplog.clear()
    check_classes_to_train("list", labelled([0, 1]), ["x", "y"])
    assert not caplog.text


@pytest.mark.parametrize(
    ("classes", "message"),
    [(["x", "z"], "shards has no video of 1 of 3 classes: y."), (["z", "y", "x"], "the classes in another order")],
)
def test_shards_are_compared_by_their_index(classes, message, tmp_path, caplog):
    ShardIndex([Shard("shard-000000.tar", 2, 0, "", "")], classes).write(tmp_path)
    warn_of_empty_classes("shards", ShardedVideos(str(tmp_path / "index.json"), ["x", "y", "z"]), ["x", "y", "z"])
    assert message in caplog.text and len(caplog.records) == 1


def test_training_on_shards_of_one_class_is_refused(tmp_path):
    ShardIndex([Shard("shard-000000.tar", 2, 0, "", "")], ["x"]).write(tmp_path)
    with pytest.raises(ValueError, match="one class only, 'x'"):
        check_classes_to_train("shards", ShardedVideos(str(tmp_path / "index.json")), ["x"])


def test_labels_that_count_from_one_are_not_packed(tmp_path):
    for name in ("0.mp4", "1.mp4"):
        (tmp_path / name).write_bytes(b"x")
    videos = Dataset.from_dict({"video": [str(tmp_path / "0.mp4"), str(tmp_path / "1.mp4")], "label": [1, 2]})
    with pytest.raises(ValueError, match="classes count from 0"):
        pack_shards(videos, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()
