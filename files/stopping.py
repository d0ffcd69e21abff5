"""Lets SIGTERM end a process as Ctrl-C does, so that it deletes half-written files.

Imports only the standard library.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def exit_at_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit in a `with` block. A handler that the program has set already stays.

    A fork of this process, such as a worker that reads videos, ends at once. So does a process of a distributed run:
    while it waits for another one, it could not run the handler.
    """
    is_main = threading.current_thread() is threading.main_thread()
    is_distributed = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not is_main or is_distributed or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None):
        if os.getpid() != owner:
            os._exit(128 + number)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
