"""Annotation files and class folders: which videos they list, with labels as they are written there."""

import csv
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..image_processing.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError


VIDEO_COLUMNS = ("video", "path", "video_name", "file_name")  # what a header may call the videos; DFEW: video_name
LABEL_COLUMN = "label"
ENDS_AS_VIDEO = rf"(?i)({'|'.join(map(re.escape, VIDEO_SUFFIXES))})$"


@dataclass
class Annotations:
    """Paths and labels as they were written (`labels` is None if there are none); `place(row)` says where that is.

    They are Arrow's columns, because millions of Python's strings take several times the memory. (More than 2 GiB of
    paths are several chunks.)
    """

    paths: pa.Array | pa.ChunkedArray
    labels: pa.Array | pa.ChunkedArray | None
    place: Callable[[int], str]


def read_annotation_file(file: Path) -> Annotations:
    """Videos of a list of lines `path label` or a CSV file, as `load_annotations` describes them.

    Raises:
        AnnotationError: If it cannot be read, lists no video, or a line is not whole.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # reading has translated the line ends of Windows
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"'{file}' is not text in UTF-8 (byte {error.start}); an annotation file has lines of 'path label'."
        ) from error
    except OSError as error:
        raise AnnotationError(
            f"'{file}' cannot be read as an annotation file or a folder of classes: {error.strerror}."
        ) from error
    first = next((line for line in lines if line.strip()), "")
    header = [name.strip().lower() for name in first.split(",")]
    if any(name in header for name in VIDEO_COLUMNS):
        paths, labels, numbers = _parse_csv(lines, file)
    elif file.suffix.lower() == ".csv" and len(header) > 1:
        raise AnnotationError(
            f"'{file}', line {lines.index(first) + 1}: the header {first.strip()!r} names no column of videos. Call "
            f"it {' or '.join(VIDEO_COLUMNS)}, and that of labels, if any, {LABEL_COLUMN}."
        )
    else:
        paths, labels, numbers = _parse_list(lines, file)
    if len(paths) == 0:
        raise AnnotationError(f"'{file}' lists no video; it should have a line of 'path label' for each.")
    return Annotations(paths, labels, lambda row: f"'{file}', line {numbers[row]}")


def _parse_list(lines: list[str], file: Path) -> tuple[pa.Array, pa.Array | None, Sequence[int]]:
    """Paths, labels and numbers of lines."""
    lines = pc.utf8_trim_whitespace(pa.array(lines, pa.string()))
    is_written = pc.not_equal(lines, "")
    numbers = 1 + pc.indices_nonzero(is_written).to_numpy()
    lines = lines.filter(is_written)
    fields = pc.utf8_split_whitespace(lines, max_splits=1, reverse=True)
    is_path = pc.or_(pc.equal(pc.list_value_length(fields), 1), pc.match_substring_regex(lines, ENDS_AS_VIDEO))
    if pc.all(is_path).as_py():
        return lines, None, numbers
    if (row := pc.index(is_path, True).as_py()) >= 0:
        raise AnnotationError(
            f"'{file}', line {numbers[row]}: there is no label, but other lines have one. Write 'path label'."
        )
    return pc.list_element(fields, 0), pc.list_element(fields, 1), numbers


def is_path_only(line: str) -> bool:
    """Whether a line of a list is a path without a label: it has no space, or ends in the suffix of a video file."""
    return len(line.split()) == 1 or re.search(ENDS_AS_VIDEO, line) is not None


def _parse_csv(lines: list[str], file: Path) -> tuple[pa.Array, pa.Array | None, Sequence[int]]:
    reader = csv.reader(f"{line}\n" for line in lines)
    header = [name.strip().lower() for name in next(row for row in reader if any(row))]
    video_column = next(header.index(name) for name in VIDEO_COLUMNS if name in header)
    label_column = header.index(LABEL_COLUMN) if LABEL_COLUMN in header else None
    paths, labels, numbers = [], [], []
    for row in reader:
        if not any(value.strip() for value in row):
            continue
        if len(row) != len(header):
            raise AnnotationError(
                f"'{file}', line {reader.line_num}: {len(row)} values under a header of {len(header)}. Put a path "
                "that holds a comma in quotation marks."
            )
        paths.append(row[video_column].strip())
        numbers.append(reader.line_num)
        if label_column is not None:
            labels.append(row[label_column].strip())
        if not paths[-1] or (labels and not labels[-1]):
            missing = "label" if paths[-1] else "path"
            raise AnnotationError(f"'{file}', line {reader.line_num}: the {missing} is missing.")
    return pa.array(paths, pa.string()), None if label_column is None else pa.array(labels, pa.string()), numbers


def list_class_folders(root: Path) -> Annotations:
    """Videos of the folders in a folder, each of which is named after a class.

    Raises:
        AnnotationError: If there are none, one holds no video, or a name is not in UTF-8.
    """
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not _is_hidden(entry))
    if not folders:
        raise AnnotationError(
            f"The folder '{root}' holds no folders of classes. Videos are expected in '{root / 'CLASS'}'. (A folder "
            "of `save_to_disk` is loaded in Python, see docs/datasets.md.)"
        )
    paths, labels = [], []
    for folder in folders:
        videos = sorted(entry.name for entry in folder.iterdir() if _may_be_video(entry))
        if not videos:
            raise AnnotationError(
                f"The class folder '{folder}' holds no videos: neither video files nor folders of frames. Add some or "
                "remove the folder."
            )
        paths += [os.path.join(folder.name, video) for video in videos]
        labels += [folder.name] * len(videos)
    try:
        return Annotations(pa.array(paths), pa.array(labels), lambda row: f"The class folder '{root / labels[row]}'")
    except UnicodeEncodeError as error:
        raise AnnotationError(f"'{root}' holds {error.object!r}, a name that is not in UTF-8. Rename it.") from error


def _may_be_video(entry: Path) -> bool:
    # A folder without frames counts: it is a broken video, and listed as such when it is read.
    return not _is_hidden(entry) and (entry.suffix.lower() in VIDEO_SUFFIXES or entry.is_dir())


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".")
