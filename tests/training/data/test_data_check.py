import csv

import pytest
from datasets import Dataset

from lgi_former.training.data import data_check
from lgi_former.training.data.data_check import check_data


@pytest.mark.parametrize("num_workers", [0, 2])
def test_broken_videos_are_listed_in_order(num_workers, rough_corpus, tmp_path, capsys, corpus):
    paths = rough_corpus.paths([*corpus.GOOD, *corpus.BROKEN, *corpus.BROKEN])
    broken = check_data([Dataset.from_dict({"video": paths})], tmp_path / "new" / "bad.csv", num_workers)
    assert list(broken) == rough_corpus.paths(corpus.BROKEN)
    assert all(reason in problem for problem, reason in zip(broken.values(), corpus.BROKEN.values(), strict=True))
    with (tmp_path / "new" / "bad.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == list(broken)
    assert capsys.readouterr().err == ""  # no progress bar without a terminal


def test_good_videos_leave_no_list(rough_corpus, tmp_path, corpus):
    (tmp_path / "bad.csv").write_text("path,reason\nrepaired.mp4,was broken\n")
    videos = Dataset.from_dict({"video": rough_corpus.paths(corpus.GOOD)})
    assert check_data([videos], tmp_path / "bad.csv") == {}
    assert not (tmp_path / "bad.csv").exists()


def test_long_videos_are_read_in_parts(rough_corpus, tmp_path, monkeypatch):
    asked = []
    read_video = data_check.read_video

    def read(video, sample_indices_fn):
        frames, metadata = read_video(video, sample_indices_fn)
        asked.append(metadata.frames_indices.tolist())
        return frames, metadata

    monkeypatch.setattr(data_check, "read_video", read)
    monkeypatch.setattr(data_check, "BYTES_READ_AT_ONCE", 3 * 32 * 64 * 3)
    check_data([Dataset.from_dict({"video": rough_corpus.paths(["good 0.mp4"])})], tmp_path / "bad.csv")
    assert asked == [[0], [0, 1, 2], [3, 4, 5], [6, 7]]
