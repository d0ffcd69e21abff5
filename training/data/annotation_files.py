"""Annotation lists: which videos a file lists, with labels as they are written there.

A file is either a plain list, with lines `path label`, or a table (CSV) whose header names its columns.
"""

import csv
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from transformers.utils import logging

from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .annotation_tables import Header, read_rows
from .labels import AnnotationError
from .list_text import WrittenLines, read_lines, shown


logger = logging.get_logger(__name__)

VIDEO_COLUMNS = ("video", "path", "video_name", "file_name")
"""What a header may call the column of videos, in any case. DFEW's lists say `video_name`."""
LABEL_COLUMN = "label"

DELIMITERS = (",", "\t", ";", "|")
LONGEST_PATH = 4096  # characters; Linux allows as many bytes

# Words that stand in headers of lists. They are no videos and no classes.
_VIDEO_WORDS = (*VIDEO_COLUMNS, "file", "filename", "filepath", "file_path", "video_path", "clip", "name", "image")
_LABEL_WORDS = (LABEL_COLUMN, "labels", "class", "category", "emotion", "expression", "target")

_VIDEO_SUFFIX = f"({'|'.join(map(re.escape, VIDEO_SUFFIXES))})"
ENDS_AS_VIDEO = f"(?i){_VIDEO_SUFFIX}$"
_VIDEO_AND_LABEL = rf"(?i){_VIDEO_SUFFIX}\s+[^\s,;|]+\s*$"
_GOES_ON_AFTER_VIDEO = rf"(?i)({_VIDEO_SUFFIX}[\s,;|]+[^/\\]*|[,;|])$"
_PATH_OF_A_VIDEO = r"[/\\.\d]"
"""A folder, suffix or number, which names of columns lack."""
_QUOTED = r"""^(".*"|'.*'|"[^"]*|[^"]*")$"""
_COMMENT = r"^\s*#+(\s|$)"
_MAYBE_COMMENT = r"^\s*(#|(//|;|%|--)\s)"
_MAYBE_COMMENT_IN_TABLE = r"^\s*#"
_SEPARATOR_LINE = r'^"?sep=.?"?\s*$'  # Excel begins CSV files with it


@dataclass
class Annotations:
    """Paths and labels as they are written.

    They are Arrow columns, because millions of Python strings take several times the memory. More than 2 GiB of paths
    are several chunks.

    Attributes:
        paths: Paths of the videos, string (videos,).
        labels: Their labels, string (videos,); None if there are none.
        place: Called with the number of a row, says in which file and line it is.
    """

    paths: pa.Array | pa.ChunkedArray
    labels: pa.Array | pa.ChunkedArray | None
    place: Callable[[int], str]


def read_annotation_file(file: Path) -> Annotations:
    """Read a list of videos, in one of the formats that `load_annotations` describes.

    Raises:
        AnnotationError: If the file cannot be read, lists no video, or a line is wrong or ambiguous. The message names
            the file and the line.
    """
    lines = _without_comments(read_lines(file), file)
    header = _table_header(lines, file)
    lines = _without_list_header(lines, file) if header is None else lines.below_first()
    _refuse_maybe_comment(lines, _MAYBE_COMMENT if header is None else _MAYBE_COMMENT_IN_TABLE, file)
    paths, labels, numbers = _read_list(lines, file) if header is None else read_rows(lines, header, file)
    if len(paths) == 0:
        raise AnnotationError(f"'{file}' lists no video; it should have a line of 'path label' for each.")
    annotations = Annotations(paths, labels, lambda row: f"'{file}', line {numbers[row]}")
    _refuse_headers_among_rows(annotations)
    if header is None and labels is not None:
        _refuse_unknown_header(annotations)
    _check_paths(annotations, is_list=header is None)
    return annotations


def is_path_only(line: str) -> bool:
    """Whether a line of a list is read as a path without a label: it has no space, or ends as a video file does."""
    has_one_field = len(line.split()) == 1 or re.search(ENDS_AS_VIDEO, line) is not None
    return has_one_field and not any(re.search(pattern, line) for pattern in (_MAYBE_COMMENT, _QUOTED, r"[,;|]$"))


def _without_comments(lines: WrittenLines, file: Path) -> WrittenLines:
    """The lines without comments, and without Excel's `sep=;`, which can only be the first."""
    if len(lines.numbers) and re.match(_SEPARATOR_LINE, lines.text[0].as_py()):
        lines = lines.below_first()
    is_comment = pc.match_substring_regex(lines.text, _COMMENT)
    numbers = lines.numbers[np.asarray(is_comment, dtype=bool)]
    if len(numbers) == 0:
        return lines
    logger.warning(
        f"'{file}': comments are skipped. Lines that begin with '# ': {len(numbers)}, the first is line {numbers[0]}."
    )
    return lines.select(pc.invert(is_comment))


# Headers


def _table_header(lines: WrittenLines, file: Path) -> Header | None:
    """The header of a table; None if the file is a plain list."""
    first = lines.text[0].as_py() if len(lines.numbers) else ""
    found = [header for delimiter in DELIMITERS if (header := _split_header(first, delimiter)) is not None]
    # Most columns first. A header such as "\tvideo" is one column by commas, because spaces around names do not count.
    for delimiter, names in sorted(found, key=lambda header: -len(header[1])):
        videos = [name for name in names if name in VIDEO_COLUMNS]
        if len(videos) > 1 or names.count(LABEL_COLUMN) > 1:
            raise AnnotationError(
                f"'{file}', line {lines.numbers[0]}: the header {shown(first)} names several columns of videos or of "
                "labels. Keep one of each."
            )
        if videos:
            if LABEL_COLUMN not in names:
                _check_columns_without_label(names, f"'{file}', line {lines.numbers[0]}")
            return Header(delimiter, names, videos[0], LABEL_COLUMN if LABEL_COLUMN in names else None)
    has_columns = any(len(names) > 1 for delimiter, names in found if delimiter != "\t")
    is_table = file.suffix.lower() == ".csv" and has_columns and not re.search(_VIDEO_AND_LABEL, first)
    if is_table or any(_is_header_like(names) for _, names in found):
        raise AnnotationError(
            f"'{file}', line {lines.numbers[0]}: the header {shown(first.strip())} names no column of videos. Call it "
            f"{' or '.join(VIDEO_COLUMNS)}, and the column of labels, if any, {LABEL_COLUMN}."
        )
    return None


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


def _split_header(line: str, delimiter: str) -> tuple[str, list[str]] | None:
    try:
        names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:  # a quotation mark in a path, for example; then this is no header
        return None
    return delimiter, [name.strip().lower() for name in names]


def _is_header_like(names: list[str]) -> bool:
    return any(name in _VIDEO_WORDS for name in names) and any(name in _LABEL_WORDS for name in names)


def _without_list_header(lines: WrittenLines, file: Path) -> WrittenLines:
    """The lines of a plain list without a first line `path label`."""
    first = lines.text[0].as_py() if len(lines.numbers) else ""
    names = [name.strip("\"'").lower() for name in first.split()]
    if len(names) == 2 and names[0] in VIDEO_COLUMNS and names[1] == LABEL_COLUMN:
        return lines.below_first()
    if _is_header_like(names):
        raise AnnotationError(
            f"'{file}', line {lines.numbers[0]}: {shown(first.strip())} is a header that is not understood. "
            "Remove it, or separate the columns by commas and call them path and label."
        )
    return lines


def _refuse_headers_among_rows(annotations: Annotations):
    """Refuse a row that repeats a header, as in lists that were put together, and names of columns as videos."""
    is_header = pc.is_in(pc.utf8_lower(annotations.paths), pa.array(_VIDEO_WORDS))
    if annotations.labels is not None:
        is_header = pc.and_(is_header, pc.is_in(pc.utf8_lower(annotations.labels), pa.array(_LABEL_WORDS)))
    if (row := pc.index(is_header, True).as_py()) >= 0:
        raise AnnotationError(
            f"{annotations.place(row)}: {shown(annotations.paths[row].as_py())} may be a header or a video. Remove a "
            "header. Begin the path of a video with './'."
        )


def _refuse_unknown_header(annotations: Annotations):
    """Refuse a first line such as `clip_id gt` in a plain list, which would be a video and a class."""
    path, label = annotations.paths[0].as_py(), annotations.labels[0].as_py()
    if re.search(_PATH_OF_A_VIDEO, path) or pc.sum(pc.equal(annotations.labels, label)).as_py() > 1:
        return
    others_differ = pc.all(pc.match_substring_regex(annotations.paths[1:], _PATH_OF_A_VIDEO)).as_py()
    if label.lower() in _LABEL_WORDS or (len(annotations.paths) > 1 and others_differ):
        raise AnnotationError(
            f"{annotations.place(0)}: {shown(f'{path} {label}')} may be a header or a video. Remove a header, or call "
            "its columns path and label. Begin the path of a video with './'."
        )


# Plain lists


def _read_list(lines: WrittenLines, file: Path) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None, np.ndarray]:
    """Paths, labels and numbers of lines."""
    text = pc.utf8_trim_whitespace(lines.text)
    has_tab = pc.match_substring(text, "\t")
    is_path = pc.and_(
        pc.invert(has_tab),
        pc.or_(pc.invert(pc.match_substring_regex(text, r"[\s\pZ]")), pc.match_substring_regex(text, ENDS_AS_VIDEO)),
    )
    if pc.all(is_path).as_py():
        return text, None, lines.numbers
    if (row := pc.index(is_path, True).as_py()) >= 0:
        raise AnnotationError(
            f"'{file}', line {lines.numbers[row]}: there is no label, but other lines have one. Write 'path label'."
        )
    if not pc.any(has_tab).as_py():
        fields = pc.utf8_split_whitespace(text, max_splits=1, reverse=True)
        return pc.list_element(fields, 0), pc.list_element(fields, 1), lines.numbers
    # Where there is a tab, it separates: then a label may hold spaces, as a path may.
    by_tab = pc.extract_regex(text, r"^(?P<path>[^\t]*)\t[\t ]*(?P<label>[^\t]+)$")
    by_space = pc.extract_regex(text, r"^(?P<path>.*[^\s\pZ])[\s\pZ]+(?P<label>[^\s\pZ]+)$")
    fields = [
        pc.if_else(has_tab, *(pc.struct_field(by, name) for by in (by_tab, by_space))) for name in ("path", "label")
    ]
    if (row := pc.index(pc.is_null(fields[0]), True).as_py()) >= 0:
        raise AnnotationError(
            f"'{file}', line {lines.numbers[row]} has more than two columns: {shown(text[row].as_py())}. Write "
            "'path label', or a header that names the columns."
        )
    return pc.utf8_trim_whitespace(fields[0]), fields[1], lines.numbers


# Paths


def _check_paths(annotations: Annotations, is_list: bool):
    """Refuse paths that are something else as well."""
    paths, place = annotations.paths, annotations.place
    if (row := pc.index(pc.greater(pc.utf8_length(paths), LONGEST_PATH), True).as_py()) >= 0:
        raise AnnotationError(
            f"{place(row)}: the path {shown(paths[row].as_py())} has {len(paths[row].as_py())} characters, and "
            f"{LONGEST_PATH} are allowed. Check the line."
        )
    if (row := _first_match(paths, _begins_or_ends_with_quote(paths), _QUOTED)) is not None:
        raise AnnotationError(
            f"{place(row)}: the path {shown(paths[row].as_py())} has quotation marks around it. Remove them. In lists "
            "of 'path label' paths may hold spaces. In CSV the marks are double and stand next to the commas."
        )
    is_odd = pc.invert(pc.match_substring_regex(paths, ENDS_AS_VIDEO))
    if is_list and (row := _first_match(paths, is_odd, _GOES_ON_AFTER_VIDEO)) is not None:
        raise AnnotationError(
            f"{place(row)}: something follows the video in {shown(paths[row].as_py())}. Write 'path label' with one "
            "label (several labels of a video are not supported yet), or CSV with a header such as 'path,label'."
        )


def _begins_or_ends_with_quote(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    return functools.reduce(pc.or_, (test(paths, quote) for test in (pc.starts_with, pc.ends_with) for quote in "\"'"))


def _first_match(paths: pa.ChunkedArray, candidates: pa.ChunkedArray, pattern: str) -> int | None:
    """The number of the first candidate that a pattern matches; None if there is none."""
    rows = pc.indices_nonzero(candidates)
    found = pc.index(pc.match_substring_regex(paths.filter(candidates), pattern), True).as_py()
    return None if found < 0 else rows[found].as_py()


def _refuse_maybe_comment(lines: WrittenLines, pattern: str, file: Path):
    if (row := pc.index(pc.match_substring_regex(lines.text, pattern), True).as_py()) >= 0:
        raise AnnotationError(
            f"'{file}', line {lines.numbers[row]}: {shown(lines.text[row].as_py())} may be a comment or a video. "
            "Begin a comment with '# ', or a path with './'."
        )
