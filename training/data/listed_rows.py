"""The rows of a list of videos as they are written, for commands that predict and do not train."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .annotation_files import read_annotation_file, without_comments
from .annotation_tables import UNNAMED_COLUMNS, VIDEO_COLUMNS, table_columns, table_header, table_rows
from .annotations import expanded_paths, located_paths
from .labels import AnnotationError
from .list_text import Annotations, read_lines, refuse_first, refuse_pipe, shown
from .tasks import Wanted


PARQUET_SUFFIX = ".parquet"


def read_listed_rows(source: str | os.PathLike, data_root: str | os.PathLike | None = None) -> pa.Table:
    """Read a list of videos with all its columns.

    Args:
        source: A list in a file, as `load_videos` reads it, or a Parquet file with one of the columns `VIDEO_COLUMNS`.
        data_root: Folder of relative paths, by default the folder of the list.

    Returns:
        A table with the column `video`, string: the paths as `load_videos` gives them. The other columns follow as
        they are: of text files string, of plain lists only `label` if there is one. Columns without a name are left
        out. A repeated name gets a number.

    Raises:
        AnnotationError: If the file cannot be read or lists no video, or a line is wrong or ambiguous.
    """
    source = Path(source)
    is_parquet = source.suffix.lower() == PARQUET_SUFFIX
    annotations, names, columns = (_read_parquet if is_parquet else _read_text)(source)
    data_root = source.parent if data_root is None else data_root
    paths = located_paths(expanded_paths(annotations, data_root), data_root)
    named = {"video": paths}
    for name, column in zip(names, columns, strict=True):
        if name not in UNNAMED_COLUMNS:
            named[_free(name, named)] = column
    return pa.table(named)


def _free(name: str, taken: dict) -> str:
    """`name`, with a number if it is taken."""
    return next(free for free in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if free not in taken)


def _read_text(source: Path) -> tuple[Annotations, list[str], list]:
    wanted = Wanted(may_be_columns=False)
    lines = without_comments(read_lines(source))
    header = table_header(lines, wanted)
    if header is None:
        annotations = read_annotation_file(source, wanted)
        return annotations, *(([], []) if annotations.labels is None else (["label"], [annotations.labels]))
    rows = table_rows(lines.below_first(), header)
    others = [index for index in range(len(header.names)) if index != header.video]
    paths, *columns = table_columns(rows, header, [header.video, *others])
    if len(paths) == 0:
        raise AnnotationError(f"'{source}' lists no video below its header.")
    rows.refuse(pc.equal(paths, ""), ": the path is missing.")
    return Annotations(paths, None, rows.place), [header.titles[index] for index in others], columns


def _read_parquet(source: Path) -> tuple[Annotations, list[str], list]:
    try:
        refuse_pipe(source)
        table = pq.read_table(source)
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"'{source}' cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    videos = [name for name in table.column_names if name.lower() in VIDEO_COLUMNS]
    if len(videos) != 1:
        found = f"several columns of videos ({', '.join(videos)})" if videos else "no column of videos"
        raise AnnotationError(
            f"'{source}' has {found}, only {shown(', '.join(table.column_names))}. Call one column "
            f"{' or '.join(VIDEO_COLUMNS)}."
        )
    paths = table[videos[0]]
    kind = paths.type.value_type if pa.types.is_dictionary(paths.type) else paths.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise AnnotationError(
            f"'{source}': the column '{videos[0]}' is of type {paths.type}, but should have the paths of videos."
        )
    paths = paths.cast(pa.string())
    if len(paths) == 0:
        raise AnnotationError(f"'{source}' lists no video.")
    place = f"'{source}', row {{}}".format
    refuse_first(pc.fill_null(pc.equal(paths, ""), True), paths.fill_null(""), place, ": the path is missing.")
    others = table.drop_columns(videos)
    return Annotations(paths, None, place), others.column_names, others.columns
