"""Tasks in processes and threads: results, errors, and the end of processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lgi_former.training.preparation import parallel
from lgi_former.training.preparation.parallel import WorkerDiedError, map_unordered, worker_processes


MAIN = """
import sys
from parallel import map_unordered, worker_processes  # without the package, whose import takes seconds
from worker_code import sleep

if __name__ == "__main__":
    with worker_processes(1, preload="math") as pool:
        list(map_unordered(pool, sleep, [(0, sys.argv[1])], 1))
"""


def square_after_a_while(number):
    time.sleep(0.02 * (number % 3))
    return number**2


def counted(taken, numbers):
    for number in numbers:
        taken.append(number)
        yield f"key {number}", number


@pytest.mark.parametrize("make_pool", [contextlib.nullcontext, lambda: ThreadPoolExecutor(3)])
def test_every_task_has_its_result(make_pool):
    with make_pool() as pool:
        results = map_unordered(pool, square_after_a_while, counted([], range(20)), 5)
        assert sorted(results) == sorted((f"key {number}", number**2) for number in range(20))


def test_tasks_are_taken_when_they_are_needed():
    taken = []
    with ThreadPoolExecutor(2) as pool:
        results = map_unordered(pool, square_after_a_while, counted(taken, range(1000)), 4)
        next(results)
        assert len(taken) == 4


def test_an_error_of_a_task_is_raised():
    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        list(map_unordered(pool, lambda number: 1 / number, counted([], [1, 0, 2]), 4))


def test_a_process_that_dies_is_an_error_with_its_tasks(worker_code):
    with worker_processes(1, preload=parallel.__name__) as pool, pytest.raises(WorkerDiedError) as caught:
        list(map_unordered(pool, worker_code.die, counted([], [7]), 4))
    assert caught.value.keys == ["key 7"]


def test_without_processes_there_is_no_pool():
    with worker_processes(0, preload=parallel.__name__) as pool:
        assert pool is None


def pid_in(file):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(file.read_text())


def has_ended(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_an_interruption_does_not_wait_for_tasks(worker_code, tmp_path):
    file = tmp_path / "pid"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), worker_processes(1, preload=parallel.__name__) as pool:
        pool.submit(worker_code.sleep, str(file))
        pid = pid_in(file)
        raise KeyboardInterrupt
    assert has_ended(pid)
    assert time.monotonic() - start < 120  # the task takes 300 seconds


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_with_a_main_process_that_is_killed(worker_code, tmp_path):
    file = tmp_path / "pid"
    (tmp_path / "main.py").write_text(MAIN)
    paths = os.pathsep.join([str(Path(parallel.__file__).parent), *sys.path])
    main = subprocess.Popen([sys.executable, tmp_path / "main.py", file], env=os.environ | {"PYTHONPATH": paths})
    pid = pid_in(file)
    main.send_signal(signal.SIGKILL)
    main.wait()
    assert has_ended(pid)


SLOW_IMPORT = """
import os, pathlib, time
pathlib.Path(os.environ["IMPORTS"]).write_text(str(os.getpid()))
time.sleep(1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_during_the_imports_of_workers_prints_nothing(worker_code, tmp_path):
    file = tmp_path / "pid"
    (tmp_path / "slow_import.py").write_text(SLOW_IMPORT)
    quiet = MAIN.replace("    with", "    import contextlib\n    with contextlib.suppress(KeyboardInterrupt),", 1)
    (tmp_path / "main.py").write_text(quiet.replace('"math"', '"slow_import"'))
    paths = os.pathsep.join([str(tmp_path), str(Path(parallel.__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths, "IMPORTS": str(file)}
    command = [sys.executable, tmp_path / "main.py", tmp_path / "task"]
    main = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True, text=True)
    server = pid_in(file)
    os.killpg(main.pid, signal.SIGINT)
    assert main.communicate(timeout=60)[1] == ""  # the end of all processes that can write
    assert has_ended(server)
