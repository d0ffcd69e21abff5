"""Tables: CSV, and the same with tabs, semicolons or bars between the columns."""

import csv
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from transformers.utils import logging

from ...image_processing.decoding.frame_folders import IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError
from .list_text import Annotations, Lines, shown


logger = logging.get_logger(__name__)

VIDEO_COLUMNS = ("video", "path", "video_name", "file_name")
"""Names of the column of videos in lower case. DFEW's lists have `video_name`."""
LABEL_COLUMN = "label"

DELIMITERS = (",", "\t", ";", "|")

# Words in headers. They are neither videos nor classes.
VIDEO_WORDS = (*VIDEO_COLUMNS, "file", "filename", "filepath", "file_path", "video_path", "clip", "name", "image")
LABEL_WORDS = (LABEL_COLUMN, "labels", "class", "category", "emotion", "expression", "target")

VIDEO_SUFFIX = f"({'|'.join(map(re.escape, (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)))})"
ENDS_AS_VIDEO = f"(?i){VIDEO_SUFFIX}$"
_VIDEO_AND_LABEL = rf"(?i){VIDEO_SUFFIX}\s+[^\s,;|]+\s*$"

BLOCK_SIZE = 2**24  # bytes that are parsed at once; the longest line fits
ROWS_AT_ONCE = 2**18  # limits the memory: the text of so many rows is in memory twice


@dataclass
class Header:
    """The columns of a table."""

    delimiter: str
    names: list[str]  # of all columns, in lower case
    used: list[str]  # names of the column of videos and, if there is one, of the column of labels


def table_header(lines: Lines) -> Header | None:
    """The header of a table; None if the lines are a plain list. Ambiguous headers are refused."""
    headers = [(delimiter, _column_names(lines.first, delimiter)) for delimiter in DELIMITERS]
    # Most columns first. A header such as "\tvideo" is one column by commas, because spaces around names do not count.
    for delimiter, names in sorted(headers, key=lambda header: -len(header[1])):
        videos = [name for name in names if name in VIDEO_COLUMNS]
        labels = [name for name in names if name == LABEL_COLUMN]
        if len(videos) > 1 or len(labels) > 1:
            raise AnnotationError(
                f"{lines.place(0)}: the header {shown(lines.first)} names several columns of videos or of labels. "
                "Keep one of each."
            )
        if videos:
            if not labels:
                _check_columns_without_label(names, lines.place(0))
            return Header(delimiter, names, videos + labels)
    has_columns = any(len(names) > 1 for delimiter, names in headers if delimiter != "\t")
    is_table = lines.file.suffix.lower() == ".csv" and has_columns and not re.search(_VIDEO_AND_LABEL, lines.first)
    if is_table or any(is_header_like(names) for _, names in headers):
        raise AnnotationError(
            f"{lines.place(0)}: the header {shown(lines.first.strip())} names no column of videos. Call it "
            f"{' or '.join(VIDEO_COLUMNS)}, and the column of labels, if any, {LABEL_COLUMN}."
        )
    return None


def _column_names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error:  # for example a quotation mark in a path: the line is not a header
        return []


def _check_columns_without_label(names: list[str], place: str):
    """Refuse a first line that may be a row, such as `video,0`, and warn that no column holds labels."""
    if any(name.isdecimal() or re.search(ENDS_AS_VIDEO, name) for name in names):
        raise AnnotationError(
            f"{place}: {shown(', '.join(names))} may be a header or a video. Begin the path with './', or call the "
            "columns path and label."
        )
    if other := [name for name in names if name not in ("", *VIDEO_COLUMNS)]:
        logger.warning(
            f"{place}: no column is called {LABEL_COLUMN}, so the videos have no labels. If another column has them, "
            f"rename it. Not read: {shown(', '.join(other))}."
        )


def is_header_like(names: list[str]) -> bool:
    return any(name in VIDEO_WORDS for name in names) and any(name in LABEL_WORDS for name in names)


def read_rows(lines: Lines, header: Header) -> Annotations:
    """Read the lines below the header. Each line is a row: no value holds a line end, even in quotation marks."""
    delimiter = re.escape(header.delimiter)
    rows = lines.select(pc.invert(pc.match_substring_regex(lines.text, rf"^[\s{delimiter}]*$")))
    value = rf'(?:[^"{delimiter}]*|"(?:[^"]|"")*")'
    # Arrow's reader would join lines between stray quotation marks.
    rows.refuse(
        pc.invert(pc.match_substring_regex(rows.text, rf"^{value}(?:{delimiter}{value})*$")),
        ": there is a stray quotation mark in {}. Quotation marks enclose a whole value, in one line, and are doubled "
        "inside it.",
    )
    columns = [pc.utf8_trim_whitespace(column) for column in _parse(rows, header).columns]
    for name, column in zip(("path", "label"), columns, strict=False):
        rows.refuse(pc.equal(column, ""), f": the {name} is missing.")
    return Annotations(columns[0], columns[1] if len(columns) > 1 else None, rows.place)


def _parse(rows: Lines, header: Header) -> pa.Table:
    """The columns that are used. Each line is known to be a row."""
    names = [f"column {index}" for index in range(len(header.names))]  # the header may repeat names of other columns
    used = [names[header.names.index(name)] for name in header.used]
    schema = pa.schema([(name, pa.string()) for name in used])
    misfits = []

    def note(row: arrow_csv.InvalidRow) -> str:
        misfits.append(row)
        return "skip"

    tables = [schema.empty_table()]
    for start in range(0, len(rows.text), ROWS_AT_ONCE):
        text = rows.text.slice(start, ROWS_AT_ONCE).combine_chunks()
        content = pc.binary_join(pa.ListArray.from_arrays([0, len(text)], text), "\n")[0].as_buffer()
        tables.append(
            arrow_csv.read_csv(
                pa.BufferReader(content),
                # Without threads, because row numbers are not counted with them.
                arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_SIZE, column_names=names),
                arrow_csv.ParseOptions(delimiter=header.delimiter, invalid_row_handler=note, ignore_empty_lines=False),
                arrow_csv.ConvertOptions(include_columns=used, column_types=schema),
            )
        )
        if misfits:
            raise AnnotationError(
                f"{rows.place(start + misfits[0].number - 1)}: {misfits[0].actual_columns} values under a header of "
                f"{len(names)}. {_what_to_do(misfits[0].actual_columns - len(names))}"
            )
    return pa.concat_tables(tables)


def _what_to_do(num_too_many: int) -> str:
    if num_too_many < 0:
        return "Add what is missing."
    row_names = " A column of row names needs a name in the header, too." if num_too_many == 1 else ""
    return f"Put a value that holds the separator in quotation marks.{row_names}"
