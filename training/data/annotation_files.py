"""Annotation lists: plain lists with lines `path label`, and tables (CSV), whose header names the columns."""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from transformers.utils import logging

from .annotation_tables import (
    DESCRIBING_COLUMNS,
    ENDS_AS_VIDEO,
    LABEL_COLUMN,
    LABEL_WORDS,
    VIDEO_COLUMNS,
    VIDEO_SUFFIX,
    VIDEO_WORDS,
    Header,
    is_header_like,
    read_rows,
    table_header,
)
from .frame_labels import holds_lists
from .labels import AnnotationError
from .list_text import Annotations, Lines, read_lines, refuse_first, shown
from .tasks import Wanted
from .vector_labels import NUMBER, looks_like_numbers, one_class_only


logger = logging.get_logger(__name__)

LONGEST_PATH = 4096  # characters; Linux allows as many bytes

_GOES_ON_AFTER_VIDEO = rf"(?i)({VIDEO_SUFFIX}[\s,;|]+[^/\\]*|[,;|])$"
_QUOTED = r"""^(".*"|'.*'|"[^"]*|[^"]*")$"""
_COMMENT = r"^\s*#+(\s|$)"
_MAYBE_COMMENT = r"^\s*(#|(//|;|%|--)\s)"
_MAYBE_COMMENT_IN_TABLE = r"^\s*#"
_PATH_OF_A_VIDEO = r"[/\\.\d]"  # a folder, suffix or number, which column names do not have
_SEPARATOR_LINE = r'^"?sep=.?"?\s*$'  # Excel begins CSV files with it


def read_annotation_file(file: Path, wanted: Wanted) -> Annotations:
    """Read a list of videos. An `AnnotationError` names the file and the line that is wrong or ambiguous."""
    lines = read_lines(file)
    _warn_of_comments(lines)
    lines = without_comments(lines)
    header, first = table_header(lines, wanted), lines.place(0) if lines.first else ""
    lines = _without_list_header(lines, wanted) if header is None else lines.below_first()
    lines.refuse(
        pc.match_substring_regex(lines.text, _MAYBE_COMMENT if header is None else _MAYBE_COMMENT_IN_TABLE),
        ": {} may be a comment or a video. Begin a comment with '# ', or a path with './'.",
    )
    annotations = _read_list(lines, wanted) if header is None else read_rows(lines, header, wanted)
    if len(annotations.paths) == 0:
        raise AnnotationError(f"'{file}' lists no video; it should have a line of 'path label' for each.")
    _refuse_repeated_header(annotations)
    if header is None and annotations.labels is not None:
        _refuse_unknown_header(annotations)
    _check_paths(annotations, is_list=header is None)
    if header is not None and annotations.labels is None:
        _select_columns(annotations, header, wanted, first)
    return annotations


def is_path_only(line: str) -> bool:
    """Whether a line is read as a path without a label. It has no space, or ends in the suffix of a video file."""
    has_one_field = len(line.split()) == 1 or re.search(ENDS_AS_VIDEO, line) is not None
    is_doubtful = any(re.search(pattern, line) for pattern in (_MAYBE_COMMENT, _QUOTED, r"[,;|]$"))
    return has_one_field and not is_doubtful


def without_comments(lines: Lines) -> Lines:
    """The lines without comments and without Excel's first line `sep=;`."""
    if re.match(_SEPARATOR_LINE, lines.first):
        lines = lines.below_first()
    return lines.select(pc.invert(pc.match_substring_regex(lines.text, _COMMENT)))


def _warn_of_comments(lines: Lines):
    comments = lines.select(pc.match_substring_regex(lines.text, _COMMENT))
    if len(comments.numbers):
        logger.warning(
            f"'{lines.file}': comments are skipped. Lines that begin with '# ': {len(comments.numbers)}, the first is "
            f"line {comments.numbers[0]}."
        )


def _without_list_header(lines: Lines, wanted: Wanted) -> Lines:
    """The lines of a plain list without a first line `path label`, or `path` and the names of `--labels`.

    Other headers are refused.
    """
    names = [name.strip("\"'").lower() for name in lines.first.split()]
    labels = [name.lower() for name in wanted.label_names or ()]
    if names[:1] and names[0] in VIDEO_COLUMNS and names[1:] in ([LABEL_COLUMN], labels):
        return lines.below_first()
    if is_header_like(names):
        raise AnnotationError(
            f"{lines.place(0)}: {shown(lines.first.strip())} is a header that is not understood. Remove it, or "
            "separate the columns by commas and call them path and label."
        )
    return lines


def _refuse_repeated_header(annotations: Annotations):
    """Refuse a row that repeats a header, as in lists that were joined, and column names as videos."""
    is_header = pc.is_in(pc.utf8_lower(annotations.paths), pa.array(VIDEO_WORDS))
    if annotations.labels is not None:
        is_header = pc.and_(is_header, pc.is_in(pc.utf8_lower(annotations.labels), pa.array(LABEL_WORDS)))
    problem = ": {} may be a header or a video. Remove a header. Begin the path of a video with './'."
    refuse_first(is_header, annotations.paths, annotations.place, problem)


def _refuse_unknown_header(annotations: Annotations):
    """Refuse a first line such as `clip_id gt` in a plain list with labels. It would be a video and a class."""
    path, label = annotations.paths[0].as_py(), annotations.labels[0].as_py()
    if re.search(_PATH_OF_A_VIDEO, path) or pc.sum(pc.equal(annotations.labels, label)).as_py() > 1:
        return
    others_differ = pc.all(pc.match_substring_regex(annotations.paths[1:], _PATH_OF_A_VIDEO)).as_py()
    if label.lower() in LABEL_WORDS or (len(annotations.paths) > 1 and others_differ):
        raise AnnotationError(
            f"{annotations.place(0)}: {shown(f'{path} {label}')} may be a header or a video. Remove a header, or call "
            "its columns path and label. Begin the path of a video with './'."
        )


def _select_columns(annotations: Annotations, header: Header, wanted: Wanted, place: str):
    """Select, in place, the columns that hold numbers if `--labels` names no column. Warn if none holds labels."""
    if wanted.label_names is None:
        by_frames = annotations.frame_numbers is not None
        annotations.columns = {
            name: column
            for name, column in annotations.columns.items()
            if looks_like_numbers(column) or (not by_frames and holds_lists(column, wanted))
        }
        _refuse_other_numbers(list(annotations.columns), place)
    other = [name for name in header.names if name not in ("", *VIDEO_COLUMNS)]
    if annotations.columns or not other:
        return
    if LABEL_COLUMN in other:
        raise AnnotationError(f"{place}: {one_class_only(wanted.task)}")
    logger.warning(
        f"{place}: no column is called {LABEL_COLUMN}, so the videos have no labels. If another column has them, "
        f"rename it. Not read: {shown(', '.join(other))}."
    )


def _refuse_other_numbers(names: list[str], place: str):
    """Refuse columns of numbers that may be no labels beside others."""
    doubtful = next((name for name in names if name.lower() in (LABEL_COLUMN, *DESCRIBING_COLUMNS)), None)
    if doubtful is not None and len(names) > 1:
        raise AnnotationError(
            f"{place}: the columns {', '.join(names)} hold numbers, and {shown(doubtful)} may be no label. Say with "
            "--labels which are labels."
        )


def _read_list(lines: Lines, wanted: Wanted) -> Annotations:
    """The rows of a plain list."""
    text = pc.utf8_trim_whitespace(lines.text)
    if (count := _num_numbers(text, wanted)) > 1:
        return _read_numbers(text, lines, wanted.label_names, count)
    has_tab = pc.match_substring(text, "\t")
    has_space = pc.match_substring_regex(text, r"[\s\pZ]")
    is_path = pc.and_not(pc.or_(pc.invert(has_space), pc.match_substring_regex(text, ENDS_AS_VIDEO)), has_tab)
    if pc.all(is_path).as_py():
        return Annotations(text, None, lines.place)
    lines.refuse(is_path, ": there is no label, but other lines have one. Write 'path label'.")
    if not pc.any(has_tab).as_py():
        fields = pc.utf8_split_whitespace(text, max_splits=1, reverse=True)
        return Annotations(pc.list_element(fields, 0), pc.list_element(fields, 1), lines.place)
    # A tab separates, so that labels and paths may hold spaces.
    by_tab = pc.extract_regex(text, r"^(?P<path>[^\t]*)\t[\t ]*(?P<label>[^\t]+)$")
    by_space = pc.extract_regex(text, r"^(?P<path>.*[^\s\pZ])[\s\pZ]+(?P<label>[^\s\pZ]+)$")
    paths, labels = (
        pc.if_else(has_tab, pc.struct_field(by_tab, name), pc.struct_field(by_space, name))
        for name in ("path", "label")
    )
    problem = " has more than two columns: {}. Write 'path label', or a header that names the columns."
    refuse_first(pc.is_null(paths), text, lines.place, problem)
    return Annotations(pc.utf8_trim_whitespace(paths), labels, lines.place)


def _num_numbers(text: pa.ChunkedArray, wanted: Wanted) -> int:
    """How many numbers follow the path. Without a task, as many as `--labels` has names if no line fits a class."""
    count = len(wanted.label_names or ())
    if wanted.task in ("regression", "distribution") and count:
        return count
    if wanted.task is not None or count < 2:
        return 1
    numbers = rf"(\s+{NUMBER}){{{count}}}$"
    are_numbers = pc.all(pc.match_substring_regex(text, numbers)).as_py()
    return count if are_numbers and pc.any(pc.match_substring_regex(text, r"\s\S*[.eE]\S*$")).as_py() else 1


def _read_numbers(text: pa.ChunkedArray, lines: Lines, names: Sequence[str], count: int) -> Annotations:
    """The rows of a plain list with several numbers behind each path."""
    fields = pc.utf8_split_whitespace(text, max_splits=count, reverse=True)
    few = pc.less(pc.list_value_length(fields), count + 1)
    problem = f": fewer than {count} numbers follow the path in {{}}. --labels names {', '.join(names)}."
    refuse_first(few, text, lines.place, problem)
    paths, *columns = (pc.list_element(fields, index) for index in range(count + 1))
    problem = f": more than {count} numbers follow the path in {{}}. --labels names {', '.join(names)}."
    refuse_first(_ends_in_number(paths), text, lines.place, problem)
    return Annotations(pc.utf8_trim_whitespace(paths), None, lines.place, dict(zip(names, columns, strict=True)))


def _ends_in_number(paths: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Whether a number with a point or a sign, or anything behind a video, ends each path."""
    goes_on = pc.match_substring_regex(paths, rf"(?i)(\s([+-]?\d*\.\d+|[+-]\d+)|{VIDEO_SUFFIX}\s.*)$")
    return pc.and_not(goes_on, pc.match_substring_regex(paths, ENDS_AS_VIDEO))


def _check_paths(annotations: Annotations, is_list: bool):
    """Refuse paths that are too long, have quotation marks around them or hold more than a path."""
    paths, place = annotations.paths, annotations.place
    if (row := pc.index(pc.greater(pc.utf8_length(paths), LONGEST_PATH), True).as_py()) >= 0:
        raise AnnotationError(
            f"{place(row)}: the path {shown(paths[row].as_py())} has {len(paths[row].as_py())} characters, and "
            f"{LONGEST_PATH} are allowed. Check the line."
        )
    refuse_first(
        pc.match_substring_regex(paths, _QUOTED),
        paths,
        place,
        ": the path {} has quotation marks around it. Remove them. In lists of 'path label' paths may hold spaces. In "
        "CSV the marks are double and stand next to the commas.",
    )
    if is_list:
        goes_on = pc.match_substring_regex(paths, _GOES_ON_AFTER_VIDEO)
        refuse_first(
            pc.and_not(goes_on, pc.match_substring_regex(paths, ENDS_AS_VIDEO)),
            paths,
            place,
            ": something follows the video in {}. Write 'path label', several labels as happy;sad, and numbers with "
            "their names in --labels; or write CSV with a header such as 'path,label'.",
        )
    if is_list and annotations.labels is not None:
        is_number = pc.match_substring_regex(annotations.labels, rf"^{NUMBER}$")
        is_real = pc.and_not(is_number, pc.match_substring_regex(annotations.labels, r"^\d+$"))
        problem = ": two numbers may follow the path, one of them in {}. Name them with --labels, or write CSV."
        refuse_first(pc.and_(is_real, _ends_in_number(paths)), paths, place, problem)
