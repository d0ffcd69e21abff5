import csv
import multiprocessing

import pytest

from lgi_former.training.data.skipped_videos import SkippedVideos, TooManySkippedVideosError


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_every_video_is_listed_once(tmp_path):
    skipped = SkippedVideos(tmp_path / "run", total=1000)
    assert skipped.listed() == {} and not skipped.path.exists()
    for video in ("a, b.mp4", "c.mp4", "a, b.mp4"):
        skipped.skip(video, "it is\n broken")
    SkippedVideos(tmp_path / "run", total=1000).skip("c.mp4", "met by another process, or after resuming")
    expected = [["path", "reason"], ["a, b.mp4", "it is broken"], ["c.mp4", "it is broken"]]
    assert rows_of(tmp_path / "run" / "skipped_videos.csv") == expected
    assert skipped.listed() == dict(expected[1:])


def test_lists_are_written_atomically(tmp_path, monkeypatch):
    """An empty file from an earlier version gets a header, and a failed write does not change the list."""
    skipped = SkippedVideos(tmp_path, total=1000)
    skipped.path.touch()
    skipped.skip("a.mp4", "broken")
    before = rows_of(skipped.path)
    assert before == [["path", "reason"], ["a.mp4", "broken"]]

    def stop(path, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        SkippedVideos(tmp_path, total=1000).skip("b.mp4", "broken")
    assert rows_of(skipped.path) == before


@pytest.mark.parametrize(
    ("total", "max_fraction", "allowed"),
    [(1000, 0.01, 10), (10, 0.01, 1), (10, 0, 0), (10, 0.35, 3), (3, 1, 3), (20, 0.01, 2), (200, 0.01, 5)],
)
def test_limit(total, max_fraction, allowed, tmp_path):
    skipped = SkippedVideos(tmp_path, total, max_fraction)
    assert skipped.allowed == allowed
    for number in range(allowed):
        skipped.skip(f"{number}.mp4", "broken")
    skipped.check()
    with pytest.raises(TooManySkippedVideosError):
        skipped.skip("one too many.mp4", "broken")


def test_message_says_how_many_and_which(tmp_path):
    skipped = SkippedVideos(tmp_path, total=1200, max_fraction=0.01)
    for number in range(12):
        skipped.skip(f"{number}.mp4", "broken")
    with pytest.raises(TooManySkippedVideosError) as caught:
        skipped.skip("12.mp4", "broken")
    assert str(caught.value) == (
        "13 of 1200 videos cannot be read, where max_skipped_fraction=0.01 allows 12: 0.mp4, 1.mp4, 2.mp4, 3.mp4, "
        f"4.mp4, 5.mp4, 6.mp4, 7.mp4, 8.mp4, 9.mp4 and 3 more; see why in {tmp_path / 'skipped_videos.csv'}, then "
        "repair them, leave them out or raise max_skipped_fraction."
    )


def skip_all(output_dir, names, barrier):
    skipped = SkippedVideos(output_dir, total=100, max_fraction=1)
    for name in names:
        barrier.wait()
        skipped.skip(name, "broken")


def test_concurrent_processes_list_a_video_once(tmp_path):
    names = [f"{number}.mp4" for number in range(20)]
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3, timeout=60)
    processes = [context.Process(target=skip_all, args=(tmp_path, names, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert rows_of(tmp_path / "skipped_videos.csv") == [["path", "reason"], *([name, "broken"] for name in names)]


def test_clear_deletes_the_list(tmp_path):
    skipped = SkippedVideos(tmp_path, total=10)
    skipped.clear()
    skipped.skip("a.mp4", "broken")
    skipped.clear()
    assert skipped.listed() == {}
    skipped.skip("a.mp4", "still broken")
    assert skipped.listed() == {"a.mp4": "still broken"}


@pytest.mark.parametrize(("total", "max_fraction"), [(10, 1.5), (10, -0.1), (0, 0.01)])
def test_numbers_out_of_range(total, max_fraction, tmp_path):
    with pytest.raises(ValueError, match=r"must be a share|at least one video"):
        SkippedVideos(tmp_path, total, max_fraction)
