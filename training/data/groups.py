"""The group of each video, such as the person in it, from a column of a table."""

import os
from collections.abc import Sequence
from pathlib import Path

from ...messages import nearest
from .annotation_files import without_comments
from .annotation_tables import GROUP_COLUMNS, table_columns, table_header, table_rows
from .labels import AnnotationError
from .list_text import read_lines
from .tasks import Wanted


NO_GROUPS = "none"


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
    lines = None if os.path.isdir(source) else without_comments(read_lines(Path(source)))
    header = None if lines is None else table_header(lines, Wanted("single_label"))
    names, titles = ([], []) if header is None else (header.names, header.titles)
    if column is not None and column.lower() not in names:
        kind = f"has the columns {', '.join(titles)}" if titles else "has no columns"
        raise AnnotationError(
            f"'{source}' {kind}, but group_column is {column!r}{nearest(column, titles) or '.'} Name the column of "
            "persons in a CSV file with a header, such as path,label,person."
        )
    found = next((name for name in ([column.lower()] if column else GROUP_COLUMNS) if name in names), None)
    if found is None:
        return None, None
    title = titles[names.index(found)]
    rows = table_rows(lines.below_first(), header)
    columns = table_columns(rows, header, [header.video, names.index(found)])
    paths, groups = (values.to_pylist() for values in columns)
    group_of_path = {}
    for row, (path, group) in enumerate(zip(paths, groups, strict=True)):
        if not group:
            raise AnnotationError(f"{rows.place(row)}: the column '{title}' is empty. Fill it in.")
        if group_of_path.setdefault(path, group) != group:
            raise AnnotationError(
                f"{rows.place(row)}: '{path}' is of {group!r}, but an earlier line says {group_of_path[path]!r}. "
                f"Correct the column '{title}'."
            )
    if len(paths) != len(videos):  # the list has a row for each frame of a video
        paths = list(group_of_path)
    if [os.path.basename(name) for name in paths] != [os.path.basename(video) for video in videos]:
        raise AnnotationError(f"The rows of '{source}' cannot be matched to its videos, so they cannot be grouped.")
    return title, [group_of_path[name] for name in paths]
