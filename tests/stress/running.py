"""Runs functions and commands in forks of this process, which has imported everything, and watches them."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


FORK = multiprocessing.get_context("fork")
HANG = 300.0  # seconds; only a run that hangs takes so long, also on a slow and busy machine
SECONDS_TO_END = 120.0  # for the workers of a process that has ended


class Stop(NamedTuple):
    """A signal to send to a run.

    Attributes:
        number: The signal.
        after: Seconds from the start of the run.
        to_group: Whether the workers get it, too, as from a terminal.
    """

    number: signal.Signals
    after: float
    to_group: bool = False


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        status: The exit status, negative for a signal; None for a run that hung.
        text: What it printed on stdout and stderr.
        seconds: How long it took.
        was_stopped: Whether the signal was sent. It is not sent to a run that has ended.
        left: Number of processes of the run that were left.
    """

    status: int | None
    text: str
    seconds: float
    was_stopped: bool
    left: int

    @property
    def problem(self) -> str | None:
        """What is wrong in any case: the run hung, left processes, or crashed on its own."""
        if self.status is None:
            return f"it hung for {HANG:.0f} seconds"
        if self.left:
            return f"{self.left} processes were left"
        if self.status < 0 and not self.was_stopped:
            return f"it died of {signal.Signals(-self.status).name}"
        return None


def run_command(argv: list, log: Path, stop: Stop | None = None, setup: Callable | None = None) -> Outcome:
    """Run `lgi-former` with `argv` in a fork. `setup` is called in the fork before it."""
    return run(_command, (list(map(str, argv)), setup), log, stop)


def run(function: Callable, arguments: tuple, log: Path, stop: Stop | None = None) -> Outcome:
    """Run a function in a fork with its own session. `log` gets what it prints. Its result is the exit status."""
    begin, was_stopped = time.monotonic(), False
    process = start(function, arguments, log)
    try:
        if stop is not None:
            process.join(stop.after)
            was_stopped = process.is_alive()
            if was_stopped:
                _send(process.pid, stop)
        process.join(HANG)
        seconds = time.monotonic() - begin
        left = _processes_left(process.pid)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return Outcome(process.exitcode, text, seconds, was_stopped, left)
    finally:
        kill_session(process.pid)
        process.join()


def start(function: Callable, arguments: tuple, log: Path):
    """Start a function as `run` does, and return its process. End it with `kill_session`."""
    process = FORK.Process(target=_in_fork, args=(function, arguments, log))
    process.start()
    return process


def kill_session(leader: int):
    """Kill all processes of a run."""
    for pid in session(leader):
        os.kill(pid, signal.SIGKILL)


def session(leader: int) -> list[int]:
    """The living processes of a run."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and _is_alive_in(leader, int(entry))]


def _is_alive_in(leader: int, pid: int) -> bool:
    try:
        state, _, _, its_session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):  # it ended while it was looked at
        return False
    return int(its_session) == leader and state != "Z"


def _processes_left(leader: int) -> int:
    deadline = time.monotonic() + SECONDS_TO_END
    while (left := len(session(leader))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _send(pid: int, stop: Stop):
    try:
        (os.killpg if stop.to_group else os.kill)(pid, stop.number)
    except ProcessLookupError:  # it has no group yet
        os.kill(pid, stop.number)


def _in_fork(function: Callable, arguments: tuple, log: Path):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(target, stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))
    sys.exit(function(*arguments))


def _command(argv: list[str], setup: Callable | None) -> int:
    from lgi_former.commands.cli import main

    sys.argv = ["lgi-former", *argv]
    if setup is not None:
        setup()
    return main(argv)
