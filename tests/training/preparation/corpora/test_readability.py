"""The list of VoxCeleb2, and the record of its unreadable videos."""

import contextlib
import json
from pathlib import Path

import pytest
from filelock import FileLock

from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.preparation.corpora import readability
from lgi_former.training.preparation.corpora.descriptions import CORPORA
from lgi_former.training.preparation.corpora.preparation import PreparationOptions, prepare_unlabelled


FIRST, SECOND = "dev/mp4/id00012/5r0dWxy17C8", "dev/mp4/id00012/_xy 1"


@pytest.fixture(scope="module")
def rough_corpus(load_module):
    return load_module(Path(__file__).parents[2] / "rough_corpus.py")


@pytest.fixture
def root(root, rough_corpus):
    """Two folders of videos. One video of the first folder is truncated."""
    for folder, name in ((FIRST, "00001.mp4"), (FIRST, "00002.mp4"), (SECOND, "00001.mp4")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        rough_corpus.write_clip(root / folder / name)
    truncate(root / FIRST / "00002.mp4")
    return root


@pytest.fixture
def read_files(monkeypatch):
    """Names of the videos that this process reads."""
    read, find_unreadable = [], readability.find_unreadable

    def find(videos):
        read.extend("/".join(Path(video).parts[-2:]) for video in videos)
        return find_unreadable(videos)

    monkeypatch.setattr(readability, "find_unreadable", find)
    return read


def truncate(video):
    video.write_bytes(video.read_bytes()[:-100])


def no_processes(num_workers, preload):
    """Read in this process, which starts faster."""
    return contextlib.nullcontext()


def prepare_here(root, output, **options):
    """Prepare in this process, with any number of unreadable videos."""
    options = PreparationOptions(root, output, max_missing_fraction=1, **options)
    return prepare_unlabelled(CORPORA["voxceleb2"], options)


def listed(output):
    return (output / "train.csv").read_text().splitlines()


def test_unreadable_videos_are_skipped(root, output):
    found = prepare_here(root, output)
    assert listed(output) == [f"{FIRST}/00001.mp4", f"{SECOND}/00001.mp4"]
    [(path, reason)] = found.missing.items()
    assert path == f"{FIRST}/00002.mp4"
    assert reason.startswith("cannot be decoded as a video")
    assert path in (output / "missing.csv").read_text()


def test_a_second_run_reads_nothing(root, output, read_files):
    prepare_here(root, output)
    assert read_files == ["5r0dWxy17C8/00001.mp4", "5r0dWxy17C8/00002.mp4", "_xy 1/00001.mp4"]
    del read_files[:]
    assert prepare_here(root, output).num_missing == 1
    assert read_files == []


def test_a_stopped_run_is_resumed(root, output, read_files, monkeypatch):
    counting = readability.find_unreadable

    def stop_at_the_second(videos):
        if "_xy 1" in videos[0]:
            raise KeyboardInterrupt
        return counting(videos)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(readability, "find_unreadable", stop_at_the_second)
        prepare_here(root, output)
    assert not (output / "train.csv").exists()
    with (output / readability.RECORD_FILE).open("a") as file:
        file.write('{"folder": "id00012/_x')  # the last line of a killed process
    del read_files[:]
    prepare_here(root, output)
    assert read_files == ["_xy 1/00001.mp4"]
    assert len(listed(output)) == 2
    del read_files[:]
    prepare_here(root, output)
    assert read_files == []


def test_a_changed_folder_is_read_again(root, output, read_files, rough_corpus):
    prepare_here(root, output)
    rough_corpus.write_clip(root / FIRST / "00002.mp4", count=9)
    truncate(root / SECOND / "00001.mp4")
    del read_files[:]
    found = prepare_here(root, output, overwrite=True)
    assert len(read_files) == 3
    assert list(found.missing) == [f"{SECOND}/00001.mp4"]
    assert listed(output) == [f"{FIRST}/00001.mp4", f"{FIRST}/00002.mp4"]


def test_other_lists_do_not_change_and_missing_clips_are_reported(root, output, prepare, monkeypatch, capsys):
    monkeypatch.setattr(readability, "worker_processes", no_processes)
    prepare_here(root, output)
    written = [(output / name).read_text() for name in ("train.csv", "missing.csv")]
    truncate(root / SECOND / "00001.mp4")
    assert prepare("voxceleb2", "--max_missing_fraction", "0.9") == 2
    assert [(output / name).read_text() for name in ("train.csv", "missing.csv")] == written
    missing, others = capsys.readouterr().err.split("lgi-former: ")
    assert f"2 of 3 clips are missing or cannot be read:\n  {root / FIRST / '00002.mp4'} cannot be" in missing
    assert str(root / SECOND / "00001.mp4") in missing and "missing.csv" not in missing
    assert "train.csv' exists already with other content" in others


def test_a_dry_run_uses_the_record_and_reads_no_video(root, output, read_files):
    assert prepare_here(root, output, dry_run=True).num_found == 3
    assert not output.exists()
    prepare_here(root, output)
    del read_files[:]
    assert prepare_here(root, output, dry_run=True).num_found == 2
    assert read_files == []


def test_the_command_reads_in_parallel(root, output, prepare, capsys):
    assert prepare("voxceleb2", "--num_workers", "2", "--max_missing_fraction", "0.5") == 1
    assert listed(output) == [f"{FIRST}/00001.mp4", f"{SECOND}/00001.mp4"]
    lines = [json.loads(line) for line in (output / readability.RECORD_FILE).read_text().splitlines()]
    assert {line["folder"]: list(line["unreadable"]) for line in lines} == {
        "id00012/5r0dWxy17C8": ["00002.mp4"],
        "id00012/_xy 1": [],
    }
    texts = capsys.readouterr()
    assert "VoxCeleb2: 2 clips, 1 more cannot be read." in texts.out
    assert texts.out.splitlines()[-1].split() == [
        *("lgi-former", "pretrain", "pretrain_voxceleb2", "--train_data", str(output / "train.csv")),
        *("--data_root", str(root)),
    ]
    assert "\r" not in texts.err  # no progress bar without a terminal


def test_a_process_that_dies_is_an_error(root, prepare, capsys, worker_code, monkeypatch):
    monkeypatch.setattr(readability, "find_unreadable", worker_code.die)
    assert prepare("voxceleb2", "--num_workers", "1") == 2
    assert "A process died while it read the videos in one of these folders: id00012/" in capsys.readouterr().err


def test_too_many_unreadable_videos_are_an_error(root, output, prepare, monkeypatch):
    monkeypatch.setattr(readability, "worker_processes", no_processes)
    assert prepare("voxceleb2") == 2
    assert (output / "missing.csv").exists()
    assert not (output / "train.csv").exists()


def test_without_reading_only_empty_videos_are_skipped(tmp_path, output, replicas, prepare):
    root = tmp_path / "root"
    replicas.write_voxceleb2(root)
    (root / "dev/mp4/id00001/5r0dWxy17C8/00002.mp4").write_bytes(b"")
    assert prepare("voxceleb2", "--no_check", "--max_missing_fraction", "0.2") == 1
    videos = load_annotations(output / "train.csv", data_root=root)
    assert len(videos) == 5
    assert videos.column_names == ["video"]
    assert all(Path(video).is_file() for video in videos["video"])
    assert not (output / readability.RECORD_FILE).exists()


@pytest.mark.parametrize("clip", ["two\nlines.mp4", "frames of a clip/1.jpg"])
def test_a_name_that_a_list_cannot_hold_is_an_error(clip, tmp_path, output, replicas, prepare, capsys):
    replicas.write(tmp_path / "root" / FIRST / clip)
    assert prepare("voxceleb2", "--no_check") == 2
    assert f"{clip.partition('/')[0]!r}"[1:-1] + "' cannot be a line of a list" in capsys.readouterr().err
    assert not (output / "train.csv").exists()


def test_a_dry_run_without_clips_is_an_error(tmp_path, prepare, capsys):
    (tmp_path / "root" / "dev" / "mp4").mkdir(parents=True)
    assert prepare("voxceleb2", "--dry_run") == 2
    assert "There is no readable clip" in capsys.readouterr().err


def test_another_file_is_not_a_record(root, output, prepare, capsys):
    output.mkdir()
    (output / readability.RECORD_FILE).write_text('{"mine": 1}\n')
    assert prepare("voxceleb2") == 2
    assert f"'{output / readability.RECORD_FILE}', line 1, is not a record" in capsys.readouterr().err


def test_two_preparations_do_not_write_at_once(root, output, prepare, capsys):
    output.mkdir()
    with FileLock(output / ".preparation.lock"):
        assert prepare("voxceleb2", "--no_check") == 2
    assert f"Another process is writing to '{output}'" in capsys.readouterr().err
