"""Locks a folder, so that only one process writes to it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_writer(folder: Path, lock_file: str) -> Iterator[None]:
    """Hold the lock of a folder in a `with` block. The folder is created if needed.

    Raises:
        ValueError: If another process holds the lock, or a file has the name of the folder.
    """
    from filelock import FileLock, Timeout  # takes a fifth of the time of `lgi-former --help`

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"'{folder}' cannot be a folder to write to: there is a file of that name.") from error
    lock = FileLock(folder / lock_file, timeout=0)
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
