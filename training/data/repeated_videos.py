"""Finds videos that are listed more than once, and differences between their labels."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .labels import distinct


def plain_paths(paths: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Paths in one spelling, to compare them: `./a//b.mp4` becomes `a/b.mp4`."""
    if any(pc.any(pc.match_substring(paths, part)).as_py() for part in ("./", "//")):
        paths = pc.replace_substring_regex(paths, r"/(\.?/)+", "/")
        paths = pc.replace_substring_regex(paths, r"^(\./)+", "")
    return paths


def repeated_rows(paths: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows that list a video again, by its `plain_paths`.

    Returns:
        These rows, and for each the first row with its video: both int64 (repeated,).
    """
    _, first_rows, numbers = distinct(plain_paths(paths))
    firsts = first_rows[numbers]
    rows = np.flatnonzero(firsts != np.arange(len(firsts)))
    return rows, firsts[rows]


def differing_rows(labels: pa.Array | pa.ChunkedArray, rows: np.ndarray, firsts: np.ndarray) -> tuple[int, int] | None:
    """Find the first of `repeated_rows` that has another label than the first row with its video.

    Returns:
        The numbers of both rows; None if all labels agree.
    """
    pairs = zip(labels.take(rows).to_pylist(), labels.take(firsts).to_pylist(), strict=True)
    number = next((number for number, (label, first) in enumerate(pairs) if label != first), None)
    return None if number is None else (rows[number].item(), firsts[number].item())
