"""The text of a list: its lines, and the paths and labels in them."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError


HEAD_SIZE = 65536  # bytes that are checked before the rest of a file is read
LONGEST_LINE = 1_000_000  # characters

_ENCODINGS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Encodings by byte order mark. Windows PowerShell and Excel write UTF-16."""

_BINARY = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF file",
}
_OTHER_FORMATS = {
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "a JSON file"),
    **dict.fromkeys((".yaml", ".yml"), "a YAML file"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "a workbook"),
    **dict.fromkeys((".xml", ".html", ".htm"), "a markup file"),
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".npy", ".npz", ".pkl", ".h5", ".mat"), "a file of arrays"),
    **dict.fromkeys((".gz", ".tar", ".7z", FRAME_ARCHIVE_SUFFIX), "an archive"),
    **dict.fromkeys((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES), "a video or an image"),
}
_OTHER_SYNTAX = r'^\s*(\{\s*("|$)|\[\s*([\[{"]|$)|---|%YAML|<\?xml|<!|<html)'
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{2028}\x{2029}\x{feff}]"


@dataclass
class Annotations:
    """Paths and labels as they are written. As Python strings, they would need several times the memory.

    Labels of frames have a row for each frame: `labels` and `columns` hold the frames of the first video, then those
    of the second, and so on.
    """

    paths: pa.Array | pa.ChunkedArray  # string (videos,); more than 2 GiB have several chunks
    labels: pa.Array | pa.ChunkedArray | None
    """String (videos,) or (frames of all videos,). Rows of a data set may have lists of classes instead."""
    place: Callable[[int], str]  # from a row number to the file and line, for messages
    columns: dict[str, pa.Array | pa.ChunkedArray] = field(default_factory=dict)
    """Columns by their names, which are labels or may be: string or numbers, as many as `labels` would have."""
    frame_numbers: pa.Array | pa.ChunkedArray | None = None  # string (rows,), from a table with a row for each frame
    frame_counts: np.ndarray | None = None  # int64 (videos,), for labels of frames
    place_of_frame: Callable[[int], str] | None = None  # as `place`, from the number of a frame among all frames

    @property
    def place_of_label(self) -> Callable[[int], str]:
        """As `place`, from the number of a label."""
        return self.place_of_frame or self.place


@dataclass
class Lines:
    """Lines of a file."""

    file: Path
    text: pa.ChunkedArray  # string (lines,), with the white space at the ends
    numbers: np.ndarray  # line numbers in the file, from 1, int64 (lines,)

    @property
    def first(self) -> str:
        """The first line; empty if there is none."""
        return self.text[0].as_py() if len(self.numbers) else ""

    @property
    def place(self) -> Callable[[int], str]:
        """As in `Annotations`. The function does not hold the text in memory."""
        file, numbers = self.file, self.numbers
        return lambda row: f"'{file}', line {numbers[row]}"

    def select(self, mask: pa.ChunkedArray) -> "Lines":
        """The lines for which a mask, bool (lines,), is true."""
        return Lines(self.file, self.text.filter(mask), self.numbers[np.asarray(mask, dtype=bool)])

    def below_first(self) -> "Lines":
        """The lines without the first one."""
        return Lines(self.file, self.text[1:], self.numbers[1:])

    def refuse(self, is_wrong: pa.ChunkedArray, problem: str):
        """Raise the error of `refuse_first` for a wrong line."""
        refuse_first(is_wrong, self.text, self.place, problem)


def refuse_first(is_wrong: pa.ChunkedArray, values: pa.ChunkedArray, place: Callable[[int], str], problem: str):
    """Raise an `AnnotationError` for the first row where `is_wrong`, bool (rows,), is true.

    The message is the place and the problem, with the text of the row instead of the first `{}`. The problem may also
    hold names of columns, with any signs.
    """
    if (row := pc.index(is_wrong, True).as_py()) >= 0:
        raise AnnotationError(f"{place(row)}{problem.replace('{}', shown(values[row].as_py()), 1)}")


def read_lines(file: Path) -> Lines:
    """Read the lines of a file that are not blank, and refuse everything that is not text.

    The file is in UTF-8, or in UTF-16 or UTF-32 with a byte order mark, with the line ends of any system.
    """
    text = _decoded(_content(file), file).replace("\r\n", "\n").replace("\r", "\n")
    table = pa.table({"line": pa.array(text.split("\n"), pa.string())})
    lines = Lines(file, table["line"], np.arange(1, len(table) + 1))
    lines.refuse(pc.match_substring_regex(lines.text, _CONTROL), " holds a control character: {}. Correct this line.")
    lines.refuse(
        pc.greater(pc.utf8_length(lines.text), LONGEST_LINE), " is too long for a list: {}. Correct this line."
    )
    lines = lines.select(pc.not_equal(pc.utf8_trim_whitespace(lines.text), ""))
    if pc.match_substring_regex(lines.first[:100], _OTHER_SYNTAX).as_py():
        raise AnnotationError(
            f"{lines.place(0)}: this is JSON, YAML or markup. Write the list as lines of 'path label' or as CSV."
        )
    return lines


def shown(value: str, length: int = 60) -> str:
    """A value in quotation marks for messages, with escapes for control characters and at most `length` characters."""
    return repr(value if len(value) <= length else f"{value[:length]}...")


def refuse_pipe(file: Path):
    """Check a file before it is opened, because opening a pipe waits.

    Raises:
        AnnotationError: If it is a pipe, a device or a folder, or its name is no path.
        OSError: If there is no such file.
    """
    if "\0" in str(file):
        raise AnnotationError(f"{str(file)!r} is not a path, because it holds a zero byte.")
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise AnnotationError(
            f"'{file}' is not a regular file but a pipe or a device, which may never end. Save the list to a file."
        )


def _content(file: Path) -> bytes:
    try:
        refuse_pipe(file)
        if (kind := _OTHER_FORMATS.get(file.suffix.lower())) is not None:
            raise AnnotationError(
                f"The suffix of '{file}' is that of {kind}. A list is a text file with lines of 'path label', or CSV."
            )
        with file.open("rb") as content:
            head = content.read(HEAD_SIZE)
            _refuse_binary(head, file)
            return head + content.read()
    except OSError as error:
        raise AnnotationError(
            f"'{file}' cannot be read as an annotation file or a folder of classes: {error.strerror}. Check the path."
        ) from error


def _refuse_binary(head: bytes, file: Path):
    for magic, kind in _BINARY.items():
        if head.startswith(magic):
            raise AnnotationError(f"'{file}' is {kind}, not text. Save the list as CSV in UTF-8.")
    if b"\0" in head and _encoding(head) == "utf-8":
        raise AnnotationError(
            f"'{file}', line {_line_number(head, head.index(0))}: there is a zero byte, so this is not a text file. "
            "Save the list as text in UTF-8."
        )


def _encoding(content: bytes) -> str:
    return next((encoding for mark, encoding in _ENCODINGS.items() if content.startswith(mark)), "utf-8")


def _decoded(content: bytes, file: Path) -> str:
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise AnnotationError(
            f"'{file}' is not text in {name} (byte {error.start}) in line {_line_number(content, error.start)}. Save "
            "the list in UTF-8."
        ) from error


def _line_number(content: bytes, position: int) -> int:
    return len((content[:position] + b".").splitlines())
