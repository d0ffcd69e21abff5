"""Runs one function for many tasks at once, in processes or threads."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar


MOST_PROCESSES_ON_WINDOWS = 61  # a limit of `ProcessPoolExecutor`

Key, Argument, Result = TypeVar("Key"), TypeVar("Argument"), TypeVar("Result")


class WorkerDiedError(RuntimeError):
    """A process of the pool died. `keys` are those of its possible tasks, in the order of submission."""

    def __init__(self, keys: list):
        super().__init__("A worker process died.")
        self.keys = keys


def map_unordered(
    pool: Executor | None,
    function: Callable[[Argument], Result],
    tasks: Iterable[tuple[Key, Argument]],
    tasks_ahead: int,
) -> Iterator[tuple[Key, Result]]:
    """Call a function for each task, and yield its key and result as soon as it is finished.

    Args:
        pool: Runs the function. Without a pool, it runs in this thread.
        function: Must be picklable if the pool has processes.
        tasks: A key and an argument each. They are taken from the iterable when they are needed.
        tasks_ahead: How many tasks may be submitted and unfinished.

    Raises:
        WorkerDiedError: If a process of the pool died.
        Exception: If the function raises one. Results that were not yielded yet are lost.
    """
    if pool is None:
        for key, argument in tasks:
            yield key, function(argument)
        return
    waiting: dict[Future, Key] = {}
    try:
        for key, argument in tasks:
            waiting[pool.submit(function, argument)] = key
            if len(waiting) >= tasks_ahead:
                yield from _finished(waiting)
        while waiting:
            yield from _finished(waiting)
    except BrokenProcessPool as error:
        raise WorkerDiedError(list(waiting.values())) from error


def _finished(waiting: dict[Future, Key]) -> Iterator[tuple[Key, Result]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        result = future.result()
        yield waiting.pop(future), result


@contextlib.contextmanager
def worker_processes(num_workers: int, preload: str) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of processes. They end at once when the block raises, or when this process is killed.

    Args:
        num_workers: Number of processes, on Windows at most 61. With 0, there is no pool.
        preload: Name of a module. A fork server imports it once for all processes.
    """
    if num_workers == 0:
        yield None
        return
    if sys.platform == "win32":
        num_workers = min(num_workers, MOST_PROCESSES_ON_WINDOWS)
    context = _process_context(preload)
    until_closed, closing = context.Pipe(duplex=False)
    with (
        until_closed,
        closing,
        ProcessPoolExecutor(num_workers, context, initializer=_end_with, initargs=(until_closed,)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            closing.close()
            raise


def _process_context(preload: str) -> multiprocessing.context.BaseContext:
    # Some decoders fail in forks of a process that has used them. A fork server has not used any.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__.removesuffix("parallel") + "server_signals", preload])
    _start_server_without_interruptions()
    return context


def _start_server_without_interruptions():
    """Start the fork server with SIGINT blocked. Ctrl-C reaches all processes, and would print its traceback."""
    from multiprocessing import forkserver, resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(pipe: Connection):
    """Prepare a worker: it ends when the other end of the pipe is closed, or the main process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends its workers
    # Otherwise workers would wait forever after the main process was killed.
    threading.Thread(target=_exit_when_closed, args=(pipe,), daemon=True).start()


def _exit_when_closed(pipe: Connection):
    multiprocessing.connection.wait([pipe, multiprocessing.parent_process().sentinel])
    os._exit(1)
