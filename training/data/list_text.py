"""The text of an annotation list: which lines are written in it, and where. Everything that is not text is refused."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError


HEAD_SIZE = 65536  # bytes that are looked at before the rest of a file is read
LONGEST_LINE = 1_000_000  # characters

_ENCODINGS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Encodings by the byte order mark that a file begins with. Windows PowerShell and Excel write UTF-16."""

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
class WrittenLines:
    """The lines of a file that are not blank.

    Attributes:
        text: The lines, string (lines,). White space at their ends is as in the file.
        numbers: The number of each line in the file, from 1, int64 (lines,).
    """

    text: pa.ChunkedArray
    numbers: np.ndarray

    def select(self, mask: pa.ChunkedArray | pa.Array) -> "WrittenLines":
        """The lines for which a mask, bool (lines,), is true."""
        return WrittenLines(self.text.filter(mask), self.numbers[np.asarray(mask, dtype=bool)])

    def below_first(self) -> "WrittenLines":
        """The lines but the first."""
        return self.select(np.arange(len(self.numbers)) > 0)


def read_lines(file: Path) -> WrittenLines:
    """Read the lines of a text file in UTF-8, or in UTF-16 with a byte order mark, with line ends of any system.

    Raises:
        AnnotationError: If there is no such file, it is no regular file (a pipe or device may never end), it is not
            text, or a line is too long or holds a control character.
    """
    text = _decoded(_content(file), file).replace("\r\n", "\n").replace("\r", "\n")
    lines = pa.array(text.split("\n"), pa.string())
    lines = lines if isinstance(lines, pa.ChunkedArray) else pa.chunked_array([lines])
    _refuse_lines(lines, pc.match_substring_regex(lines, _CONTROL), file, "holds a control character")
    _refuse_lines(lines, pc.greater(pc.utf8_length(lines), LONGEST_LINE), file, "is too long for a list")
    is_written = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
    written = WrittenLines(lines, np.arange(1, len(lines) + 1)).select(is_written)
    first = written.text[0].as_py() if len(written.text) else ""
    if pc.match_substring_regex(pa.array([first[:100]]), _OTHER_SYNTAX)[0].as_py():
        raise AnnotationError(
            f"'{file}', line {written.numbers[0]}: this is JSON, YAML or markup. Write the list as lines of "
            "'path label' or as CSV."
        )
    return written


def shown(value: str, length: int = 60) -> str:
    """A value as messages quote it: control characters escaped, and not longer than `length` characters."""
    return repr(value if len(value) <= length else f"{value[:length]}...")


def _content(file: Path) -> bytes:
    if "\0" in str(file):
        raise AnnotationError(f"{str(file)!r} is no path, because it holds a zero byte.")
    try:
        # Asked before the file is opened, because opening a pipe waits.
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise AnnotationError(
                f"'{file}' is not a regular file but a pipe or a device, which may never end. Save the list to a file."
            )
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
            f"'{file}' cannot be read as an annotation file or a folder of classes: {error.strerror}."
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


def _refuse_lines(lines: pa.ChunkedArray, is_wrong: pa.ChunkedArray, file: Path, problem: str):
    if (row := pc.index(is_wrong, True).as_py()) >= 0:
        raise AnnotationError(f"'{file}', line {row + 1} {problem}: {shown(lines[row].as_py())}. Correct this line.")
