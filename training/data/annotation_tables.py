"""Tables: CSV, and the same with tabs, semicolons or bars between the columns."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ...image_processing.decoding.frame_folders import IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError
from .list_text import Annotations, Lines, shown
from .tasks import Wanted
from .vector_labels import looks_like_numbers


VIDEO_COLUMNS = ("video", "path", "video_name", "file_name")
"""Names of the column of videos in lower case. DFEW's lists have `video_name`."""
LABEL_COLUMN = "label"
FRAME_COLUMN = "frame"
UNNAMED_COLUMNS = ("", "#")  # row numbers
GROUP_COLUMNS = tuple(f"{name}{end}" for name in ("person", "subject", "actor", "speaker") for end in ("", "_id"))
"""Names of columns, in lower case, that say who is in a video. They are no labels."""
DESCRIBING_COLUMNS = (
    *("id", "index", "unnamed: 0", "video_id", "clip_id", "participant", "participant_id"),
    *("frames", "frame_count", "num_frames", "n_frames", "fps", "width", "height", "duration", "start", "end"),
    *("fold", "split", "age", "sex", "gender", "total"),
)
"""Names of columns, in lower case, that describe a video. Beside other numbers, they are labels only if asked for."""

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
    titles: list[str]  # the same as they are written
    video: int  # index of the column of videos
    labels: list[int]  # indices of the columns that are or may be labels
    frame: int | None  # index of the column of frame numbers

    @property
    def has_label(self) -> bool:
        """Whether the labels are in the column `label`."""
        return [self.names[index] for index in self.labels] == [LABEL_COLUMN]


def table_header(lines: Lines, wanted: Wanted) -> Header | None:
    """The header of a table; None if the lines are a plain list. Ambiguous headers are refused."""
    headers = [(delimiter, _column_titles(lines.first, delimiter)) for delimiter in DELIMITERS]
    # Most columns first. A header such as "\tvideo" is one column by commas, because spaces around names do not count.
    for delimiter, titles in sorted(headers, key=lambda header: -len(header[1])):
        names = _lower(titles)
        videos = [index for index, name in enumerate(names) if name in VIDEO_COLUMNS]
        if len(videos) > 1 or names.count(LABEL_COLUMN) > 1:
            raise AnnotationError(
                f"{lines.place(0)}: the header {shown(lines.first)} names several columns of videos or of labels. "
                "Keep one of each."
            )
        if videos:
            if LABEL_COLUMN not in names:
                _refuse_row_as_header(names, lines.place(0))
            labels = _label_columns(names, wanted, lines.place(0))
            frame = names.index(FRAME_COLUMN) if labels and names.count(FRAME_COLUMN) == 1 else None
            return Header(delimiter, names, titles, videos[0], labels, frame)
    has_columns = any(len(titles) > 1 for delimiter, titles in headers if delimiter != "\t")
    is_table = lines.file.suffix.lower() == ".csv" and has_columns and not re.search(_VIDEO_AND_LABEL, lines.first)
    if is_table or any(is_header_like(_lower(titles)) for _, titles in headers):
        raise AnnotationError(
            f"{lines.place(0)}: the header {shown(lines.first.strip())} names no column of videos. Call it "
            f"{' or '.join(VIDEO_COLUMNS)}, and the column of labels, if any, {LABEL_COLUMN}."
        )
    return None


def _column_titles(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error:  # for example a quotation mark in a path: the line is not a header
        return []


def _lower(titles: Sequence[str]) -> list[str]:
    return [title.lower() for title in titles]


def _refuse_row_as_header(names: list[str], place: str):
    """Refuse a first line that may be a row, such as `video,0`."""
    if any(name.isdecimal() or re.search(ENDS_AS_VIDEO, name) for name in names):
        raise AnnotationError(
            f"{place}: {shown(', '.join(names))} may be a header or a video. Begin the path with './', or call the "
            "columns path and label."
        )


def _label_columns(names: list[str], wanted: Wanted, place: str) -> list[int]:
    """Indices of the columns that are labels: those that `--labels` names, the column `label`, or all others.

    The column `label` comes first if no task is named. `--labels` then names its classes.
    """
    label = [names.index(LABEL_COLUMN)] if LABEL_COLUMN in names else []
    if wanted.task == "single_label" or (wanted.task is None and (label or not wanted.may_be_columns)):
        return label
    asked = _lower(wanted.label_names or ())
    found = [name for name in asked if name in names]
    if asked and (found or wanted.task is not None):
        if len(found) < len(asked) and not label:
            missing = [name for name in wanted.label_names if name.lower() not in names]
            raise AnnotationError(f"{place}: no column is called {shown(missing[0])}, a name of --labels.")
        if len(found) == len(asked):
            if repeated := [name for name in asked if names.count(name) > 1]:
                raise AnnotationError(f"{place}: several columns are called {shown(repeated[0])}. Keep one.")
            return [names.index(name) for name in asked]
    if label and (asked or wanted.task == "multi_label"):
        return label
    if asked:
        return []
    skipped = (*VIDEO_COLUMNS, FRAME_COLUMN, *UNNAMED_COLUMNS, *GROUP_COLUMNS)
    if wanted.task == "distribution":  # the column `label` has the class with most votes
        skipped = (*skipped, LABEL_COLUMN)
    return [index for index, name in enumerate(names) if name not in skipped]


def is_header_like(names: list[str]) -> bool:
    return any(name in VIDEO_WORDS for name in names) and any(name in LABEL_WORDS for name in names)


def table_rows(lines: Lines, header: Header) -> Lines:
    """The lines below the header that hold a value. A stray quotation mark is refused."""
    delimiter = re.escape(header.delimiter)
    rows = lines.select(pc.invert(pc.match_substring_regex(lines.text, rf"^[\s{delimiter}]*$")))
    value = rf'(?:[^"{delimiter}]*|"(?:[^"]|"")*")'
    # Arrow's reader would join lines between stray quotation marks.
    rows.refuse(
        pc.invert(pc.match_substring_regex(rows.text, rf"^{value}(?:{delimiter}{value})*$")),
        ": there is a stray quotation mark in {}. Quotation marks enclose a whole value, in one line, and are doubled "
        "inside it.",
    )
    return rows


def read_rows(lines: Lines, header: Header, wanted: Wanted) -> Annotations:
    """Read the lines below the header. Each line is a row: no value holds a line end, even in quotation marks."""
    rows = table_rows(lines, header)
    indices = [header.video, *header.labels, *([] if header.frame is None else [header.frame])]
    paths, *columns = table_columns(rows, header, indices)
    rows.refuse(pc.equal(paths, ""), ": the path is missing.")
    frames = columns.pop() if header.frame is not None else None
    if not header.has_label:
        titles = [header.titles[index] for index in header.labels]
        for title, column in zip(titles, columns, strict=True):
            if header.names.count(title.lower()) > 1 and looks_like_numbers(column):
                raise AnnotationError(f"{rows.place(0)}: several columns are called {shown(title)}. Keep one.")
        return Annotations(paths, None, rows.place, dict(zip(titles, columns, strict=True)), frames)
    if wanted.task != "multi_label":  # in a list of several labels, an empty value may say that none applies
        rows.refuse(pc.equal(columns[0], ""), ": the label is missing.")
    return Annotations(paths, columns[0], rows.place, frame_numbers=frames)


def table_columns(rows: Lines, header: Header, indices: list[int]) -> list[pa.ChunkedArray]:
    """The columns of some indices of `table_rows`, string (rows,), without spaces around values."""
    names = [f"column {index}" for index in range(len(header.names))]  # the header may repeat names of other columns
    used = [names[index] for index in indices]
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
    return [pc.utf8_trim_whitespace(column) for column in pa.concat_tables(tables).columns]


def _what_to_do(num_too_many: int) -> str:
    if num_too_many < 0:
        return "Add what is missing."
    row_names = " A column of row names needs a name in the header, too." if num_too_many == 1 else ""
    return f"Put a value that holds the separator in quotation marks.{row_names}"
