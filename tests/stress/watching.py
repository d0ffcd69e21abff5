"""Watches many trials in one fork: each may raise, crash, hang or take too much memory."""

import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from running import FORK, HANG, kill_session, start


SECONDS = 20.0  # of processor time for a trial
MEGABYTES = 2048  # for a trial


class Trials:
    """The trials of a fork. Its pipe reports when each begins and ends."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._before = _peak()

    @contextlib.contextmanager
    def trial(self, kind: str, *inputs: Path) -> Iterator[None]:
        """A trial. The block raises an exception if the outcome is wrong. `inputs` are saved then."""
        self._pipe.send(("begin", kind, inputs))
        problem = None
        try:
            yield
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:1000]
        if problem is None and _peak() - self._before > MEGABYTES:
            problem = f"it took {_peak() - self._before:.0f} MB"
        self._before = max(self._before, _peak())
        self._pipe.send(("end", problem))
        if problem is not None:
            self._pipe.recv()  # until the inputs are saved, because the next trial may change them


def watch(function: Callable, arguments: tuple, log: Path, count: Callable, seconds: float = SECONDS):
    """Run `function(trials, *arguments)` in a fork. Each trial is counted by `count(kind, problem, inputs)`.

    A trial may take so many seconds of processor time.
    """
    here, there = FORK.Pipe()
    process = start(_with_trials, (function, here, there, arguments), log)
    there.close()
    current = None
    try:
        while (message := _next_message(here, process, seconds if current else HANG)) is not None:
            if message[0] == "begin":
                current = message[1:]
            else:
                count(current[0], message[1], current[1] if message[1] else ())
                current = None
                if message[1] is not None:
                    here.send("saved")
        process.join(2 if current else HANG)
        if current is not None:
            count(current[0], _how_it_ended(process), current[1])
        elif process.exitcode != 0:
            raise RuntimeError(f"The trials ended with {process.exitcode}:\n{log.read_text(errors='replace')[-3000:]}")
    finally:
        kill_session(process.pid)
        process.join()


def _with_trials(function: Callable, other_end, pipe, arguments: tuple):
    other_end.close()  # so that the trials end if the tool is killed
    function(Trials(pipe), *arguments)


def _next_message(pipe, process, most_work: float):
    """The next message; None if the process ended, or takes too long."""
    begin, begin_of_work = time.monotonic(), _processor_seconds(process.pid)
    while not pipe.poll(1):
        seconds, work = time.monotonic() - begin, _processor_seconds(process.pid) - begin_of_work
        if work > most_work or seconds > HANG:
            return None
    try:
        return pipe.recv()
    except EOFError:
        return None


def _how_it_ended(process) -> str:
    code = process.exitcode
    return "it takes too long" if code is None else f"the process died with exit status {code}"


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _peak() -> float:
    """Most megabytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
