"""Which videos there are, and what they show: from annotation files, class folders or a data set to one table."""

import csv
import difflib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Value, Video


VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv", ".avi"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".ogv"),
)

ENDS_AS_VIDEO = rf"(?i)({'|'.join(map(re.escape, VIDEO_SUFFIXES))})$"

VIDEO_COLUMNS = ("video", "path", "video_name", "file_name")  # what a header may call the videos; DFEW: video_name
LABEL_COLUMN = "label"
ROWS_AT_ONCE = 100  # of a data set that may hold its videos itself


class AnnotationError(ValueError):
    """Annotations cannot be understood. The message says where, what is wrong and what to do."""


@dataclass
class _Annotations:
    """Paths and labels as they were written (`labels` is None if there are none); `place(row)` says where that is.

    They are Arrow's columns, because millions of Python's strings take several times the memory. (More than 2 GiB of
    paths are several chunks.)
    """

    paths: pa.Array | pa.ChunkedArray
    labels: pa.Array | pa.ChunkedArray | None
    place: Callable[[int], str]


def load_annotations(
    source: str | os.PathLike | Dataset,
    data_root: str | os.PathLike | None = None,
    label_names: Sequence[str] | None = None,
) -> Dataset:
    """Load the list of a data set's videos. Nothing is decoded; whether the videos exist is found out in reading them.

    Args:
        source: One of

            - a text file with a line `path label` for each video, separated by spaces or tabs, of which a path may
              hold more. Without any labels, as for pre-training, a line is a path; it may hold spaces if it ends in
              the suffix of a video file.
            - a CSV file with a header that names a column `video`, `path`, `video_name` or `file_name` and, if there
              are labels, one `label`. It is told by this header, not by its suffix, which plain lists have, too.
            - a folder with a folder for each class, which holds the class's videos.
            - a `datasets.Dataset` with such columns `video` (paths, or `datasets.Video`, of files or of videos that it
              holds itself) and `label`, as `load_dataset("videofolder", ...)` returns it.

            A video is a video file or a folder of frames. Blank lines and those of Windows are understood.
        data_root: Where relative paths begin. By default the folder of the annotation file. URLs stay as they are, and
            so do class folders, which know where they are, and videos that a data set holds itself.
        label_names: The classes in the order of their indices. Labels may then be names or indices, counted from 0.
            Without it, classes of a column of `ClassLabel` stay as they are; other labels that are names get indices
            in alphabetical order, and labels that are numbers stay so.

    Returns:
        Data set with the columns `video` and, if there are labels, `label`. `video` is a path, str; or
        `Video(decode=False)`, if the source holds videos itself, which then are not read here, or lacks some. `label`
        is a `ClassLabel` if the classes' names are known, else int64.

    Raises:
        AnnotationError: If there is no such file, it lists no video, a class folder holds none, or a line has no
            label, an unknown one or one that is out of range.

    Example:

    ```python
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from lgi_former.training.annotations import load_annotations

    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train.txt").write_text("first clip.mp4 happy\\nsecond.mp4  sad\\n")
    ...     videos = load_annotations(Path(folder, "train.txt"), data_root="clips", label_names=["sad", "happy"])
    >>> videos[0], videos.features["label"].names
    ({'video': 'clips/first clip.mp4', 'label': 1}, ['sad', 'happy'])

    ```
    """
    if isinstance(source, Dataset):
        _check_columns(source)
        label_names = _own_names(source) if label_names is None else label_names
        if isinstance(source.features["video"], Video) and not _all_are_paths(source):
            return _held_videos(source, label_names)
        annotations = _from_dataset(source)
        data_root = "" if data_root is None else data_root
    elif Path(source).is_dir():
        annotations = _from_class_folders(Path(source))
        data_root = source
    else:
        annotations = _from_file(Path(source))
        data_root = Path(source).parent if data_root is None else data_root
    columns = {"video": _located(annotations.paths, data_root)}
    features = Features({"video": Value("string")})
    if annotations.labels is not None:
        columns["label"], features["label"] = _label_column(annotations, label_names)
    # Not `from_dict`, which looks at every row.
    return Dataset(pa.table(columns, schema=features.arrow_schema))


def label_index(label: str, label_names: Sequence[str] | None, place: str) -> int:
    """The class index that a label (a name or a number) stands for.

    Args:
        label: As it was written.
        label_names: The classes; without them, only numbers are understood.
        place: Where the label was found, for the message.

    Raises:
        AnnotationError: If there is no such class.
    """
    if label_names is not None and label in label_names:
        return list(label_names).index(label)
    if not _is_number(label):
        raise AnnotationError(f"{place}: the label {label!r} is {_unknown(label, label_names)}.")
    index = int(label)
    if index < 0 or (label_names is not None and index >= len(label_names)):
        highest = "" if label_names is None else f" to {len(label_names) - 1}, for {', '.join(label_names)}"
        raise AnnotationError(f"{place}: the label {index} is out of range. Labels count from 0{highest}.")
    return index


def _unknown(label: str, label_names: Sequence[str] | None) -> str:
    if label_names is None:
        return "not a number, and the names of the classes are not given"
    near = difflib.get_close_matches(label, label_names, n=1)
    question = f" (is it {near[0]!r}?)" if near else ""
    return f"unknown{question}; the labels are {', '.join(label_names)}"


def _is_number(label: str) -> bool:
    return label.removeprefix("-").isdecimal()


def _label_column(annotations: _Annotations, label_names: Sequence[str] | None) -> tuple[np.ndarray, object]:
    """Class indices, int64, and the type of their column."""
    # Distinct labels, and for each row which of them it has.
    labels = pa.table({"label": annotations.labels})["label"].combine_chunks().dictionary_encode()
    numbers = labels.indices.to_numpy()
    _, rows = np.unique(numbers, return_index=True)
    first_rows = dict(zip(labels.dictionary.to_pylist(), rows.tolist(), strict=True))
    if label_names is None:
        label_names = _names_in(first_rows, annotations.place)
    indices = [label_index(label, label_names, annotations.place(row)) for label, row in first_rows.items()]
    feature = Value("int64") if label_names is None else ClassLabel(names=list(label_names))
    return np.array(indices, dtype=np.int64)[numbers], feature


def _names_in(first_rows: dict[str, int], place: Callable[[int], str]) -> list[str] | None:
    """The names that occur, in alphabetical order; None if the labels are numbers."""
    names = sorted(label for label in first_rows if not _is_number(label))
    if names and len(names) < len(first_rows):
        number = next(label for label in first_rows if _is_number(label))
        raise AnnotationError(
            f"{place(first_rows[names[0]])}: the label {names[0]!r} is a name, but {place(first_rows[number])} has "
            f"the number {number}. Write all labels in one way, or name the classes."
        )
    return names or None


def _located(paths: pa.Array, data_root: str | os.PathLike) -> pa.Array:
    """Relative paths joined to where they begin, all at once."""
    stay = pc.match_substring_regex(paths, rf"^[/{re.escape(os.sep)}]|://")
    return pc.if_else(stay, paths, pc.binary_join_element_wise(os.path.join(data_root, ""), paths, ""))


# Files


def _from_file(file: Path) -> _Annotations:
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
    return _Annotations(paths, labels, lambda row: f"'{file}', line {numbers[row]}")


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


# Folders


def _from_class_folders(root: Path) -> _Annotations:
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
        return _Annotations(pa.array(paths), pa.array(labels), lambda row: f"The class folder '{root / labels[row]}'")
    except UnicodeEncodeError as error:
        raise AnnotationError(f"'{root}' holds {error.object!r}, a name that is not in UTF-8. Rename it.") from error


def _may_be_video(entry: Path) -> bool:
    # A folder without frames counts: it is a broken video, and listed as such when it is read.
    return not _is_hidden(entry) and (entry.suffix.lower() in VIDEO_SUFFIXES or entry.is_dir())


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".")


# Data sets


def _check_columns(source: Dataset):
    if "video" not in source.column_names:
        raise AnnotationError(
            f"The data set has no column 'video', only {', '.join(source.column_names)}. Rename one with "
            "`rename_column`."
        )
    if len(source) == 0:
        raise AnnotationError("The data set holds no video.")


def _all_are_paths(source: Dataset) -> bool:
    """Whether each row of a column of `Video` has a path alone. No video is copied to find out."""
    tables = source.select_columns("video").with_format("arrow").iter(batch_size=ROWS_AT_ONCE)
    return all(
        pc.struct_field(table["video"], "bytes").null_count == len(table)
        and pc.struct_field(table["video"], "path").null_count == 0
        for table in tables
    )


def _from_dataset(source: Dataset) -> _Annotations:
    if isinstance(source.features["video"], Video):
        videos = source.select_columns("video").cast_column("video", Video(decode=False))["video"]
        paths = [video["path"] for video in videos]
    else:
        paths = [str(path) for path in source["video"]]
    return _Annotations(pa.array(paths), _labels_of(source), _place_in_dataset)


def _held_videos(source: Dataset, label_names: Sequence[str] | None) -> Dataset:
    videos = source.select_columns("video").cast_column("video", Video(decode=False))
    labels = _labels_of(source)
    if labels is None:
        return videos
    indices, feature = _label_column(_Annotations(pa.array([]), labels, _place_in_dataset), label_names)
    return videos.add_column("label", indices, feature=feature)


def _labels_of(source: Dataset) -> pa.Array | None:
    if LABEL_COLUMN not in source.column_names:
        return None
    labels = list(source[LABEL_COLUMN])
    if None in labels:
        raise AnnotationError(f"{_place_in_dataset(labels.index(None))} has no label. Leave it out with `filter`.")
    return pa.array([written_label(label, source.features[LABEL_COLUMN]) for label in labels])


def _own_names(source: Dataset) -> list[str] | None:
    feature = source.features.get(LABEL_COLUMN)
    return feature.names if isinstance(feature, ClassLabel) else None


def _place_in_dataset(row: int) -> str:
    return f"Row {row} of the data set"


def written_label(label: int | str, feature) -> str:
    """A label as `label_index` takes it, by the type of its column: the name of a class, so that it does not matter
    which index that has there."""
    if isinstance(feature, ClassLabel) and label is not None and label >= 0:
        return feature.int2str(label)
    return str(label)
