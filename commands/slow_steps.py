"""Messages about steps that take long, and whether progress is shown."""

import contextlib
import sys
import threading
from collections.abc import Iterator


SILENCE = 2.0  # seconds


@contextlib.contextmanager
def announce_if_slow(message: str, seconds: float = SILENCE) -> Iterator[None]:
    """Print a message on stderr if the `with` block takes longer than `seconds`."""
    timer = threading.Timer(seconds, print, args=(message,), kwargs={"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def shows_progress() -> bool:
    """Whether progress bars are shown: only if stdout and stderr are terminals, because logs need plain text."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))
