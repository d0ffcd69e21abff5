"""Locks a folder, so that only one process writes to it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_writer(folder: Path, lock_file: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder in a `with` block. The folder is created if needed.

    Args:
        seconds: How long to wait for another process. Forks of a killed process may hold its lock for a moment.

    Raises:
        ValueError: If another process holds the lock, or a file has the name of the folder.
    """
    from filelock import FileLock, Timeout  # takes a fifth of the time of `lgi-former --help`

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"'{folder}' cannot be a folder to write to: there is a file of that name.") from error
    lock = FileLock(folder / lock_file, timeout=seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"Another process is writing to '{folder}'. Wait for it, or choose another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()
