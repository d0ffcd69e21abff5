"""Only one process writes to a place, and the death of that process frees the place."""

import errno
import logging
import os
import signal
import time
from pathlib import Path

import filelock
import pytest

from lgi_former.commands.cli import main
from lgi_former.files import LOCK_FILE, only_writer, only_writer_of, whole_file
from lgi_former.training.quickstart.run import quickstart
from lgi_former.training.run.arguments import RecipeTrainingArguments
from lgi_former.training.run.lifecycle import only_run_in


def hold(lock):
    with lock:
        pass


def test_the_second_writer_is_refused(tmp_path):
    folder = tmp_path / "new" / "out"
    with only_writer(folder):
        with pytest.raises(ValueError, match=rf"writing to '{folder}': process {os.getpid()} on \S+\. Wait for it"):
            hold(only_writer(folder))
        (folder / "result").touch()
    with only_writer_of(folder / "model.csv"):
        hold(only_writer_of(folder / "other.csv"))
        with pytest.raises(ValueError, match=rf"writing to '{folder / 'model.csv'}': process"):
            hold(only_writer_of(folder / "model.csv"))
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_second_training_is_refused_and_not_asked_to_resume(tmp_path):
    training = RecipeTrainingArguments(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none")
    with only_run_in(training):
        (tmp_path / "checkpoint-10").mkdir()
        with pytest.raises(ValueError, match=f"writing to '{tmp_path}': process {os.getpid()} on"):
            hold(only_run_in(training))
    with pytest.raises(ValueError, match="is not empty"):
        hold(only_run_in(training))


def test_all_names_of_a_folder_have_one_lock(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    for name in (Path(), Path("../out"), tmp_path / "link"):
        with only_writer_of(name), pytest.raises(ValueError, match=f"writing to '{folder}': process"):
            hold(only_writer_of(folder))
    assert not list(folder.iterdir()) and len(list(tmp_path.iterdir())) == 2


def test_a_block_that_writes_nothing_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), only_writer(tmp_path / "new" / "out"):
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_death_releases_the_lock(tmp_path):
    """A worker of the killed process may still live: its fork does not hold the lock."""
    read, write = os.pipe()
    killed = os.fork()
    if not killed:
        with only_writer(tmp_path):
            worker = os.fork()
            if not worker:
                os.close(write)
                os.read(read, 1)  # until the test ends
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(killed, 0)
    assert (tmp_path / LOCK_FILE).exists()
    try:
        hold(only_writer(tmp_path, seconds=5.0))  # a fork that has just begun closes the lock in a moment
        assert not (tmp_path / LOCK_FILE).exists()
    finally:
        os.close(write)
        os.close(read)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_deletes_its_half_file(tmp_path, number):
    stopped = os.fork()
    if not stopped:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = 99
        try:
            with only_writer(tmp_path / "out"), whole_file(tmp_path / "out" / "table.csv") as file:
                file.write_text("half")
                os.kill(os.getpid(), number)
                time.sleep(5)
        except SystemExit as error:
            status = error.code
        except KeyboardInterrupt:
            status = 130
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(stopped, 0)[1]) == 128 + number
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError()])
def test_file_systems_without_locks(tmp_path, monkeypatch, caplog, error):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with caplog.at_level(logging.WARNING), only_writer(tmp_path):
        (tmp_path / "result").touch()
    assert f"The file system of '{tmp_path}' has no locks." in caplog.text


@pytest.mark.parametrize(
    "command",
    [
        ("finetune", "--train_data", "list.csv", "--output_dir"),
        ("finetune", "--train_data", "list.csv", "--resume_from_checkpoint", "true", "--output_dir"),
        ("pretrain", "--train_data", "list.csv", "--output_dir"),
        ("evaluate", "--model", "model", "--data", "list.csv", "--output_dir"),
        ("convert", "weights.pth"),
        ("quickstart", "--output"),
        ("quickstart", "--resume", "--output"),
        ("predict", "video.mp4", "--model", "model", "--output"),
    ],
)
def test_commands_do_not_share_a_folder(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video.mp4").touch()
    with only_writer(tmp_path / "out"):
        assert main([*command, "out"]) == 2
        assert f"Another process is writing to 'out': process {os.getpid()} on" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK_FILE]


@pytest.mark.parametrize(
    "command",
    [
        ("export", "model", "out"),
        ("embed", "video.mp4", "--model", "model", "--output", "out.npy"),
        ("reconstruct", "video.mp4", "--model", "model", "--output", "out.png"),
        ("predict", "video.mp4", "--model", "model", "--timeline", "out.png"),
        ("predict", "video.mp4", "--model", "model", "--annotate", "out.mp4"),
        ("visualize", "losses", "runs", "--output", "out.png"),
    ],
)
def test_commands_do_not_share_a_file(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video.mp4").touch()
    with only_writer_of(tmp_path / command[-1]):
        assert main(list(command)) == 2
        assert f"process {os.getpid()} on" in capsys.readouterr().err


def test_the_lock_file_is_no_content_of_a_new_quickstart(tmp_path, monkeypatch):
    def stop(outcome, output_dir):
        raise KeyboardInterrupt

    monkeypatch.setattr("lgi_former.training.quickstart.run.run_stages", stop)
    monkeypatch.setattr("lgi_former.training.quickstart.run.measure_speed", lambda: 1.0)
    monkeypatch.setattr("lgi_former.training.quickstart.run.seconds_needed", lambda plan, speed: 1.0)
    (tmp_path / LOCK_FILE).write_text("left by a killed run")
    with pytest.raises(KeyboardInterrupt):
        quickstart(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]
