"""The group of each video, such as the person in it, from a column of a table."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...messages import nearest
from .annotation_tables import DELIMITERS, GROUP_COLUMNS, VIDEO_COLUMNS
from .labels import AnnotationError
from .list_text import read_lines


NO_GROUPS = "none"
_NO_ROW = r"\s*(#+(\s|$)|\"?sep=.?\"?\s*$)"  # comments, and a line that Excel adds


def groups_of(
    source: str | os.PathLike, videos: Sequence[str], column: str | None = None
) -> tuple[str | None, list[str] | None]:
    """Read the group of each video.

    Args:
        source: The list that `load_annotations` has read, or a folder of class folders.
        videos: The paths that it returned.
        column: Name of the column; None: the first of `GROUP_COLUMNS` that the list has; `"none"`: no groups.

    Returns:
        The name of the column and the group of each video. Both are None if there is no such column.

    Raises:
        AnnotationError: If the list has no column of this name, or a video has no group or two.
    """
    if column == NO_GROUPS:
        return None, None
    header, rows = ([], []) if os.path.isdir(source) else _table(Path(source))
    names = [name.lower() for name in header]
    if column is not None and column.lower() not in names:
        kind = f"has the columns {', '.join(header)}" if header else "has no columns"
        raise AnnotationError(
            f"'{source}' {kind}, but group_column is {column!r}{nearest(column, header) or '.'} Name the column of "
            "persons in a CSV file with a header, such as path,label,person."
        )
    found = next((name for name in ([column.lower()] if column else GROUP_COLUMNS) if name in names), None)
    if found is None:
        return None, None
    path, group = next(names.index(name) for name in VIDEO_COLUMNS if name in names), names.index(found)
    group_of_path = {}
    for number, row in rows:
        if not row[group]:
            raise AnnotationError(f"'{source}', line {number}: the column '{header[group]}' is empty. Fill it in.")
        if group_of_path.setdefault(row[path], row[group]) != row[group]:
            raise AnnotationError(
                f"'{source}', line {number}: '{row[path]}' is of {row[group]!r}, but an earlier line says "
                f"{group_of_path[row[path]]!r}. Correct the column '{header[group]}'."
            )
    # A list may have a row for each frame of a video.
    paths = [row[path] for _, row in rows] if len(rows) == len(videos) else list(group_of_path)
    if [os.path.basename(name) for name in paths] != [os.path.basename(video) for video in videos]:
        raise AnnotationError(f"The rows of '{source}' cannot be matched to its videos, so they cannot be grouped.")
    return header[group], [group_of_path[name] for name in paths]


def _table(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the numbered rows of a table that `load_annotations` accepts. Both are empty for a plain list."""
    lines = read_lines(file)
    texts = [(int(number), text) for number, text in zip(lines.numbers, lines.text.to_pylist(), strict=True)]
    texts = [(number, text) for number, text in texts if not re.match(_NO_ROW, text)]
    for delimiter in DELIMITERS:
        header = _cells(texts[0][1], delimiter) if texts else []
        if len(header) > 1 and any(name.lower() in VIDEO_COLUMNS for name in header):
            rows = [(number, _cells(text, delimiter)) for number, text in texts[1:]]
            return header, [(number, row) for number, row in rows if any(row)]
    return [], []


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
