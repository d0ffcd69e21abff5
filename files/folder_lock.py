"""One process at a time writes to a folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def only_writer(folder: Path, lock_file: str) -> Iterator[None]:
    """Hold the lock of a folder, which is made if needed, within a `with` block.

    Raises:
        ValueError: If another process holds it, or it is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"'{folder}' cannot be a folder to write to: there is a file of that name.") from error
    lock = FileLock(folder / lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"Another process is writing to '{folder}'; wait for it or choose another.") from error
    try:
        yield
    finally:
        lock.release()
