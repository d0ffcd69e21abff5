"""Writes files atomically. Imports only the standard library."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .durable import sync_file, sync_folder, sync_tree
from .write_errors import explained_write_errors


STAGING_FOLDER = ".unfinished"
"""The folder of files that are not complete yet. A killed process leaves it."""


def unfinished(path: Path) -> Path:
    """The temporary name of a file: hidden, in the same folder, with the same suffix, which may decide the format."""
    return path.with_name(f".{path.stem}.unfinished{path.suffix}")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write to the yielded path. The end of the block renames the file to `path`, and replaces an existing file.

    If the block raises an exception, nothing changes. The file of a killed process is overwritten by the next one.
    After the block, the file survives a power cut.

    Raises:
        NotWrittenError: If the file cannot be written, for example to a full disk. It is an `OSError`.
    """
    written = unfinished(path)
    with explained_write_errors(path):
        try:
            yield written
            put_in_place(written, path)
        finally:
            written.unlink(missing_ok=True)


def put_in_place(written: Path, path: Path):
    """Rename a finished file to `path`, so that a power cut leaves the old file or the new one."""
    sync_file(written)
    written.replace(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def whole_files(folder: Path) -> Iterator[Path]:
    """Write files to the yielded empty folder. The end of the block moves them to `folder`.

    They replace existing files of these names. If the block raises an exception, nothing changes. After the block, the
    files survive a power cut.

    Raises:
        NotWrittenError: If a file cannot be written, for example to a full disk. It is an `OSError`.
    """
    staging, is_new = folder / STAGING_FOLDER, not folder.exists()
    with explained_write_errors(folder):
        shutil.rmtree(staging, ignore_errors=True)  # left by a killed process
        staging.mkdir(parents=True)
        try:
            yield staging
            sync_tree(staging)
            for written in sorted(path for path in staging.rglob("*") if not path.is_dir()):
                path = folder / written.relative_to(staging)
                path.parent.mkdir(parents=True, exist_ok=True)
                written.replace(path)
            sync_folder(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            if is_new:
                with contextlib.suppress(OSError):  # it has the files
                    folder.rmdir()
