"""A list that is written is read again with the same videos and labels."""

import os

import pytest

from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.groups import groups_of
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
