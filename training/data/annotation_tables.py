"""Tables of videos with a header: CSV, and the same with tabs, semicolons or bars between the columns."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from .labels import AnnotationError
from .list_text import WrittenLines, shown


BLOCK_SIZE = 2**24  # bytes that are parsed at once; the longest line fits
ROWS_AT_ONCE = 2**18  # of which the text is in memory twice


@dataclass
class Header:
    """How a table is read.

    Attributes:
        delimiter: The character between columns.
        names: The names of all columns, in lower case.
        video: The name of the column of videos.
        label: The name of the column of labels; None if there is none.
    """

    delimiter: str
    names: list[str]
    video: str
    label: str | None

    @property
    def used(self) -> list[str]:
        """The names of the columns that are read."""
        return [self.video] if self.label is None else [self.video, self.label]


def read_rows(
    lines: WrittenLines, header: Header, file: Path
) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None, np.ndarray]:
    """Read the lines below the header. Each is a row: no value holds a line end, even in quotation marks.

    Returns:
        Paths, string (rows,); labels, string (rows,), or None if there are none; line numbers, int64 (rows,).

    Raises:
        AnnotationError: If a line has more or fewer values than the header, a stray quotation mark, or no path or
            label. Arrow's reader would join lines between stray quotation marks.
    """
    delimiter = re.escape(header.delimiter)
    rows = lines.select(pc.invert(pc.match_substring_regex(lines.text, rf"^[\s{delimiter}]*$")))
    value = rf'(?:[^"{delimiter}]*|"(?:[^"]|"")*")'
    is_whole = pc.match_substring_regex(rows.text, rf"^{value}(?:{delimiter}{value})*$")
    if (row := pc.index(is_whole, False).as_py()) >= 0:
        raise AnnotationError(
            f"'{file}', line {rows.numbers[row]}: there is a stray quotation mark in {shown(rows.text[row].as_py())}. "
            "Quotation marks enclose a whole value, in one line, and are doubled inside it."
        )
    parsed = _parse(rows, header, file)
    values = [pc.utf8_trim_whitespace(parsed[name]) for name in header.used]
    for name, column in zip(("path", "label"), values, strict=False):
        if (row := pc.index(column, "").as_py()) >= 0:
            raise AnnotationError(f"'{file}', line {rows.numbers[row]}: the {name} is missing.")
    return values[0], None if header.label is None else values[1], rows.numbers


def _parse(rows: WrittenLines, header: Header, file: Path) -> pa.Table:
    """The columns that are used, from text of which each line is known to be a row."""
    columns = [f"column {index}" for index in range(len(header.names))]  # names of other columns may repeat
    used = [columns[header.names.index(name)] for name in header.used]
    misfits = []

    def note(row: csv.InvalidRow) -> str:
        misfits.append(row)
        return "skip"

    tables = []
    for start in range(0, len(rows.text), ROWS_AT_ONCE):
        table = csv.read_csv(
            pa.BufferReader(_joined(rows.text.slice(start, ROWS_AT_ONCE))),
            csv.ReadOptions(use_threads=False, block_size=BLOCK_SIZE, column_names=columns),  # threads count no rows
            csv.ParseOptions(delimiter=header.delimiter, invalid_row_handler=note, ignore_empty_lines=False),
            csv.ConvertOptions(include_columns=used, column_types=dict.fromkeys(used, pa.string())),
        )
        if misfits:
            number = rows.numbers[start + misfits[0].number - 1]
            raise AnnotationError(
                f"'{file}', line {number}: {misfits[0].actual_columns} values under a header of {len(columns)}. "
                f"{_what_to_do(misfits[0], len(columns))}"
            )
        tables.append(table.rename_columns(header.used))
    empty = pa.table({name: pa.array([], pa.string()) for name in header.used})
    return pa.concat_tables([empty, *tables])


def _what_to_do(misfit: csv.InvalidRow, num_columns: int) -> str:
    if misfit.actual_columns < num_columns:
        return "Add what is missing."
    is_one_more = misfit.actual_columns == num_columns + 1
    row_names = " A column of row names needs a name in the header, too." if is_one_more else ""
    return f"Put a value that holds the separator in quotation marks.{row_names}"


def _joined(lines: pa.ChunkedArray) -> pa.Buffer:
    """The bytes of lines, each with its line end."""
    lines = lines.combine_chunks()
    return pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer()
