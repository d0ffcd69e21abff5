"""Launchers that start fewer processes than they were asked for, or processes that would each train alone."""

from types import SimpleNamespace

import pytest
from accelerate.commands import launch

from lgi_former.training import finetune
from lgi_former.training.run.entry_point import warn_of_missing_processes
from lgi_former.training.trainer.lone_processes import check_processes


class Launched(Exception):
    """The launcher would start a process."""


@pytest.fixture
def launch_with(monkeypatch):
    """Function that gives this process the variables that `accelerate launch` sets for a process with some options."""

    def start(command, env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        raise Launched

    def run(*options):
        arguments = launch.launch_command_parser().parse_args([*options, "-m", "lgi_former.training.finetune"])
        with pytest.raises(Launched):
            launch.launch_command(arguments)

    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.setattr(launch, "default_config_file", "no such file")
    monkeypatch.setattr(launch.subprocess, "Popen", start)
    return run


WARNING = "accelerate launch has started 1 process, although --num_processes asks for more"


@pytest.mark.parametrize("options", [("--cpu", "--num_processes", "2"), ("--cpu", "--num_processes", "8")])
def test_one_process_of_several(options, launch_with, caplog):
    launch_with(*options)
    assert finetune.main(["--output_dir", "out"]) == 2  # it says that train_data is missing
    assert WARNING in caplog.text and "--multi_gpu" in caplog.text


@pytest.mark.parametrize("options", [("--cpu",), ("--cpu", "--num_processes", "1")])
def test_one_process_that_was_asked_for(options, launch_with, caplog):
    launch_with(*options)
    assert finetune.main(["--output_dir", "out"]) == 2
    assert WARNING not in caplog.text


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "PMI_SIZE"])
def test_each_of_two_processes(variable, launch_with, caplog, monkeypatch):
    launch_with("--cpu", "--num_processes", "2")
    monkeypatch.setenv(variable, "2")  # as torch or mpirun sets it
    warn_of_missing_processes()
    assert WARNING not in caplog.text


def test_without_the_launcher(caplog, monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "29500")  # as a script of SLURM may set it
    assert finetune.main(["--output_dir", "out"]) == 2
    assert WARNING not in caplog.text


def test_processes_that_would_train_alone_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_processes(SimpleNamespace(world_size=1))  # a variable of a batch system, without a launcher
    monkeypatch.setenv("LOCAL_RANK", "1")
    check_processes(SimpleNamespace(world_size=2))
    with pytest.raises(ValueError, match=r"2 processes were started, but each would train alone.*use_cpu=True"):
        check_processes(SimpleNamespace(world_size=1))
