"""A list that is written is read again with the same videos and labels."""

import os

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from lgi_former.training.data.annotations import load_annotations, load_videos
from lgi_former.training.data.groups import groups_of
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.read_labels import task_of_videos
from lgi_former.training.data.written_lists import list_text


LISTS = {
    "names": "path,label\na.mp4,happy\nb c.mp4,very sad\n",
    "indices": "a.mp4 0\nb.mp4 2\n",
    "addresses": "path,label\ns3://bucket/a.mp4,happy\n/there/b.mp4,sad\n",
    "several": "path,label\na.mp4,happy;sad\nb.mp4,sad\nc.mp4,happy\n",
    "numbers": "path,valence,arousal\na.mp4,0.35,-0.2\nb.mp4,-1,0.123456789\n",
    "votes": "path,happy,sad\na.mp4,0.25,0.75\nb.mp4,1,0\n",
    "frames": "path,frame,label\na.mp4,0,happy\na.mp4,1,sad\nb.mp4,0,sad\n",
    "numbers of frames": "path,frame,valence\na.mp4,0,0.5\na.mp4,1,-0.5\nb.mp4,0,0.25\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_written_list_is_read_again(name, tmp_path):
    (tmp_path / "lists").mkdir()
    source, written = tmp_path / "list.csv", tmp_path / "lists" / "written.csv"
    source.write_text(LISTS[name])
    videos = load_annotations(source)
    groups = [f"P{index}" for index in range(len(videos))]
    for column in ("Person", "who"):
        written.write_text(list_text(videos, task_of_videos(videos), column, groups))
        again = load_annotations(written)
        assert [os.path.abspath(path) if "://" not in path else path for path in videos["video"]] == again["video"][:]
        assert again["label"][:] == videos["label"][:] and again.features["label"] == videos.features["label"]
        assert task_of_videos(again) == task_of_videos(videos)
        assert groups_of(written, list(again["video"]))[1] == groups


def test_a_column_of_persons_is_no_label(tmp_path):
    (tmp_path / "list.csv").write_text("path,valence,Speaker,arousal\na.mp4,0.1,Ann,0.2\nb.mp4,-0.3,Bo,0.4\n")
    assert list(load_annotations(tmp_path / "list.csv").features["label"]) == ["valence", "arousal"]


@pytest.mark.parametrize("name", ["a\rb.mp4", "a\nb.mp4"])
def test_a_path_with_a_line_break_is_refused(name):
    videos = load_videos(Dataset.from_dict({"video": [name, "c.mp4"], "label": [0, 1]}))
    with pytest.raises(AnnotationError, match=r"b.mp4' has a line break, so it cannot be in a list"):
        list_text(videos, "single_label")


@pytest.mark.parametrize("name", ["=1+1.mp4", "@a.mp4", "-b.mp4"])
def test_a_list_has_names_as_they_are_because_other_programs_read_it(name, tmp_path):
    features = Features({"video": Value("string"), "label": ClassLabel(names=["=x", "+y"])})
    videos = load_videos(Dataset.from_dict({"video": [f"/{name}", "/c.mp4"], "label": [0, 1]}, features))
    (tmp_path / "list.csv").write_text(list_text(videos, "single_label"))
    read = load_videos(tmp_path / "list.csv")
    assert read["video"][:] == [f"/{name}", "/c.mp4"]
    assert {row["video"]: read.features["label"].int2str(row["label"]) for row in read}[f"/{name}"] == "=x"
