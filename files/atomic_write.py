"""Writes files atomically. Imports only the standard library."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def unfinished(path: Path) -> Path:
    """The temporary name of a file: hidden, in the same folder, with the same suffix, which may decide the format."""
    return path.with_name(f".{path.stem}.unfinished{path.suffix}")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write to the yielded path. The end of the block renames the file to `path`, and replaces an existing file.

    If the block raises an exception, nothing changes. The file of a killed process is overwritten by the next one.
    """
    written = unfinished(path)
    try:
        yield written
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
