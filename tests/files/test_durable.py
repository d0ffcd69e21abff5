"""Files that are announced survive a power cut: they are on the disk before they get their names."""

import os
from pathlib import Path

import pytest

from lgi_former.files import Journal, journal, whole_file, whole_files
from lgi_former.training.trainer.whole_checkpoints import SEAL, seal_checkpoint


@pytest.fixture
def calls(monkeypatch):
    """The calls of `os.fsync`, by name of the file or folder, and of `os.replace`, by new name, in their order."""
    recorded, names, fsync, replace, open_file = [], {}, os.fsync, Path.replace, os.open

    def record_open(path, *args, **kwargs):
        file = open_file(path, *args, **kwargs)
        names[file] = Path(path).name
        return file

    def record_fsync(file):
        recorded.append(("fsync", names[file]))
        fsync(file)

    def record_replace(path, target):
        recorded.append(("replace", Path(target).name))
        return replace(path, target)

    monkeypatch.setattr(os, "open", record_open)
    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    return recorded


def test_a_whole_file_is_synced_before_and_after_its_renaming(tmp_path, calls):
    with whole_file(tmp_path / "table.csv") as file:
        file.write_text("a")
    assert calls == [("fsync", ".table.unfinished.csv"), ("replace", "table.csv"), ("fsync", tmp_path.name)]


def test_whole_files_are_synced_before_and_after_their_renaming(tmp_path, calls):
    with whole_files(tmp_path / "model") as folder:
        (folder / "inner").mkdir()
        for name in ("a", "inner/b"):
            (folder / name).write_text(name)
    first = calls.index(("replace", "a"))
    assert {("fsync", "a"), ("fsync", "b"), ("fsync", "inner")} <= set(calls[:first])
    assert ("replace", "b") in calls[first:] and calls[-1] == ("fsync", "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["a", "inner"]


def test_a_checkpoint_is_synced_before_its_seal(tmp_path, calls):
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    for name in ("model.safetensors", "optimizer.pt"):
        (folder / name).write_bytes(b"0123456789")
    seal_checkpoint(folder)
    sealed = calls.index(("replace", SEAL))
    assert {("fsync", "model.safetensors"), ("fsync", "optimizer.pt"), ("fsync", "checkpoint-1")} <= set(
        calls[:sealed]
    )
    assert calls[sealed + 1 :] == [("fsync", "checkpoint-1"), ("fsync", tmp_path.name)]


def test_a_journal_is_synced_once_a_second(tmp_path, calls, monkeypatch):
    items = Journal(tmp_path / "run.journal", {})
    start = items._synced
    for seconds in (0.5, 1.5, 2.0, 2.6):
        monkeypatch.setattr(journal.time, "monotonic", lambda seconds=seconds: start + seconds)
        items.append(str(seconds), 1)
    assert calls.count(("fsync", "run.journal")) == 2
    items.close()
