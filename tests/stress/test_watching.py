"""The stress tools notice what they look for: crashes, hangs, errors, processes and files that are left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def tools(monkeypatch):
    """The modules of the tools, which import each other as files of one folder."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import kill
    import media
    import running
    import watching

    yield {"kill": kill, "media": media, "running": running, "watching": watching}
    for name in ("kill", "media", "running", "watching", "workplace"):
        sys.modules.pop(name, None)


def good_and_bad_trials(trials, folder, end):
    with trials.trial("good"):
        pass
    (folder / "input").write_text("bad")
    with trials.trial("bad", folder / "input"):
        raise ValueError("no sentence")
    (folder / "input").write_text("good")
    with trials.trial("last"):
        end()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    while True:
        time.sleep(1e-6)


@pytest.mark.parametrize(("end", "problem"), [(die, "died with exit status -9"), (hang, "takes too long")])
def test_wrong_trials_are_counted(tools, tmp_path, end, problem):
    counted = []

    def count(kind, problem, inputs):
        time.sleep(0.1)
        counted.append((kind, problem, [path.read_text() for path in inputs]))

    tools["watching"].watch(good_and_bad_trials, (tmp_path, end), tmp_path / "log", count, seconds=0.5)
    assert counted[:2] == [("good", None, []), ("bad", "ValueError: no sentence", ["bad"])]
    assert len(counted) == 3 and problem in counted[2][1]


def leave_a_process():
    subprocess.Popen(["sleep", "60"])
    return 0


def test_left_processes_are_found_and_ended(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(tools["running"], "SECONDS_TO_END", 0.2)
    outcome = tools["running"].run(leave_a_process, (), tmp_path / "log")
    assert (outcome.status, outcome.left, outcome.problem) == (0, 1, "1 processes were left")


def test_left_and_changed_files_are_found(tools, tmp_path):
    for folder in ("expected", "found"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "weights.safetensors").write_bytes(b"same")
    reference = tools["kill"].Reference(tmp_path / "expected", 0, 1.0, set())
    assert tools["kill"].differences(reference, tmp_path / "found") is None
    (tmp_path / "found" / "weights.safetensors").write_bytes(b"other")
    assert "weights.safetensors" in tools["kill"].differences(reference, tmp_path / "found")
    (tmp_path / "found" / ".weights.unfinished").touch()
    assert "left: .weights.unfinished" in tools["kill"].differences(reference, tmp_path / "found")


def test_a_seed_repeats_the_damage(tools):
    files = {"a.mp4": bytes(range(256)) * 8, "b.mkv": b"other content"}
    damaged = [tools["media"].damaged_file(files, seed) for seed in range(20)]
    assert damaged == [tools["media"].damaged_file(files, seed) for seed in range(20)]
    assert len({content for _, content in damaged}) > 10
