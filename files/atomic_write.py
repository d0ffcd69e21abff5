"""Files that have their names only when they are whole, so that no reader takes a part for all.

Standard library alone.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def unfinished(path: Path) -> Path:
    """Where a file is written until it is whole: beside its place, hidden, and with its ending, which may tell a
    library the format to write."""
    return path.with_name(f".{path.stem}.unfinished{path.suffix}")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes its place, and that of an earlier one, at the end of the `with` block.

    If the block is left by an exception, nothing has changed. What a killed process has left is written over.
    """
    written = unfinished(path)
    try:
        yield written
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
