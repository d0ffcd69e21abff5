"""The hidden folder where an export is written before it becomes OUT."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..files import exit_at_sigterm


LOCK = "export.lock"
"""An export holds the lock of this file while it writes. The system releases it if the process is killed."""

SECONDS_TO_LOCK = 60
"""A hidden folder is younger than this while its export has not locked it yet."""


@contextlib.contextmanager
def staging_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, in the same file system. It is deleted at the end, also after SIGTERM.

    Folders that killed exports to the same `out` left behind are deleted first.

    Raises:
        OSError: If there cannot be a folder beside `out`.
    """
    prefix = f".{out.name}."
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _delete_left_behind(out.parent, prefix)
        staging = tempfile.TemporaryDirectory(prefix=prefix, dir=out.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise type(error)(
            f"'{out}' cannot be written, because '{out.parent}' takes no new folder ({error.strerror or error}). "
            "Choose another folder, or change its permissions."
        ) from error
    with exit_at_sigterm(), staging as name:
        folder = Path(name, out.name)
        folder.mkdir()
        with FileLock(Path(name, LOCK), timeout=0):
            yield folder


def _delete_left_behind(parent: Path, prefix: str):
    """Delete the staging folders that no living process has locked."""
    for folder in parent.iterdir():
        lock = folder / LOCK
        if not folder.name.startswith(prefix) or not lock.is_file():
            continue
        if time.time() - lock.stat().st_mtime < SECONDS_TO_LOCK:
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
