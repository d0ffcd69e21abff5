"""Locks a folder or a file, so that only one process writes to it."""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .stopping import exit_at_sigterm
from .write_errors import explained_write_errors


LOCK_FILE = ".lgi_former.lock"
"""The lock of a folder that belongs to one run."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""Codes of file systems without locks, for example NFS without its lock service."""


@contextlib.contextmanager
def only_writer(folder: Path, lock_file: str = LOCK_FILE, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder in a `with` block. The folder is created if needed.

    The system releases the lock when this process ends, however it ends. A lock file without a living process has no
    effect. The end of the block deletes the lock file, and a folder that the block created and left empty. SIGTERM
    ends the block, as Ctrl-C does, so that half-written files are deleted.

    Args:
        seconds: How long to wait for another process.

    Raises:
        ValueError: If another process holds the lock, or a file has the name of the folder.
        NotWrittenError: If something in the block cannot be written. It is an `OSError`.
    """
    with (
        exit_at_sigterm(),
        explained_write_errors(folder),
        _created(folder),
        _held(folder / lock_file, folder, seconds),
    ):
        yield


@contextlib.contextmanager
def only_writer_of(file: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, or of a folder that does not exist yet. Otherwise as `only_writer`.

    The lock file is beside it.
    """
    path = Path(os.path.abspath(file))  # "." has no name
    lock = path.with_name(f".{path.name}.lock")
    with exit_at_sigterm(), explained_write_errors(file), _created(file.parent), _held(lock, file, seconds):
        yield


@contextlib.contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create a folder. Delete the created folders that are empty at the end."""
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"'{folder}' cannot be a folder to write to: there is a file of that name.") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty, or deleted in the block
            for parent in new:
                parent.rmdir()


@contextlib.contextmanager
def _held(path: Path, place: Path, seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout  # takes a fifth of the time of `lgi-former --help`

    lock = FileLock(path, timeout=seconds, fallback_to_soft=False)  # a soft lock survives its process
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"Another process is writing to '{place}'{_holder(path)}. Wait for it, or choose another place."
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise OSError(error.errno, error.strerror, str(place)) from error
        logging.getLogger(__name__).warning(
            f"The file system of '{place}' has no locks. Take care that no other process writes there."
        )
        yield
        return
    try:
        _write_holder(path)
        yield
    finally:
        # Deleted before the release, because another process may hold it afterwards. On Windows, `release` deletes it.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


def _write_holder(path: Path):
    """Write which process holds the lock. The first byte stays empty, because Windows locks it."""
    with contextlib.suppress(OSError), path.open("r+b", buffering=0) as file:
        file.seek(1)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        file.truncate()


def _holder(path: Path) -> str:
    """Which process holds the lock, as the end of a clause. Empty if it is not known."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(1)
            text = file.read(300).decode(errors="replace").strip("\0 \n")
    except OSError:
        return ""
    return f": {text}" if text else ""
