"""The hidden folder of an export: nothing of it stays, however the export ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from filelock import FileLock

from lgi_former.export import staging
from lgi_former.export.program import write_torch
from lgi_former.export.staging import LOCK, staging_folder


def write_in(out, raised=None):
    with staging_folder(out) as folder:
        (folder / "model.onnx").touch()
        assert folder.parent.parent == out.parent and folder.parent.name.startswith(f".{out.name}.")
        if raised is not None:
            raise raised
        folder.rename(out)


def test_the_folder_becomes_out(tmp_path):
    write_in(tmp_path / "new" / "out")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_stays_after_an_error(error, tmp_path):
    with pytest.raises(error):
        write_in(tmp_path / "out", error())
    assert not list(tmp_path.iterdir())


SCRIPT = """
import signal, sys, time, types
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
folder = Path(sys.argv[1]).parent
for name, path in {"lgi_former": folder.parent, "lgi_former.export": folder}.items():
    sys.modules[name] = types.ModuleType(name)  # without what the package imports, such as torch
    sys.modules[name].__path__ = [str(path)]
from lgi_former.export.staging import staging_folder
with staging_folder(Path(sys.argv[2])):
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize(("number", "stays"), [("SIGTERM", 0), ("SIGINT", 0), ("SIGKILL", 1)])
def test_a_signal(number, stays, tmp_path, monkeypatch):
    """What SIGKILL leaves behind is deleted by the next export."""
    out = tmp_path / "out"
    done = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, staging.__file__, str(out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert done.stdout.readline() == b"writing\n"
    done.send_signal(getattr(signal, number))
    assert done.wait() != 0
    done.stdout.close()
    assert len(list(tmp_path.iterdir())) == stays
    write_in(out)
    assert len(list(tmp_path.iterdir())) == stays + 1, "it is too young"
    monkeypatch.setattr(staging, "SECONDS_TO_LOCK", 0)
    write_in(tmp_path / "other")
    assert len(list(tmp_path.iterdir())) == stays + 2, "it is of another export"
    (out / "model.onnx").unlink()
    out.rmdir()
    write_in(out)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "other"}


def test_folders_of_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "SECONDS_TO_LOCK", -1)
    for name in (".out.abc", ".out.locked"):
        (tmp_path / name).mkdir()
    (tmp_path / ".out.abc" / "notes.txt").touch()
    with FileLock(tmp_path / ".out.locked" / LOCK):
        write_in(tmp_path / "out")
        assert {path.name for path in tmp_path.iterdir()} == {".out.abc", ".out.locked", "out"}


def test_the_handler_of_a_program_stays(tmp_path):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with staging_folder(tmp_path / "out"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [1]
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with staging_folder(tmp_path / "out"):
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_folder_that_cannot_be_written(error, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(staging.tempfile, "mkdtemp", refuse)
    with pytest.raises(
        type(error), match=rf"'.*out' cannot be written, because '.*' takes no new folder \({error.args[1]}"
    ):
        write_in(tmp_path / "out")


def test_a_full_disk_is_an_error_and_does_not_abort_the_process(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    program = torch.export.export(torch.nn.Linear(100, 100), (torch.ones(1, 100),))

    def write():
        for size in (100, 20_000, 44_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(OSError, match="too large"):
                write_torch(program, tmp_path)

    process = multiprocessing.get_context("fork").Process(target=write)
    process.start()
    process.join()
    assert process.exitcode == 0
