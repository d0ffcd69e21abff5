"""Loads a list, class folders or a data set as a table of videos with labels."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Video
from transformers.utils import logging

from ...files import UnsetVariableError, expand_path
from ...image_processing.decoding.local_videos import ADDRESS, is_address
from .annotation_files import read_annotation_file
from .class_folders import list_class_folders
from .dataset_labels import column_of, labels_in_rows
from .frame_labels import by_frames
from .labels import AnnotationError, check_names
from .list_text import Annotations
from .read_labels import labelled_videos, read_labels
from .repeated_videos import differing_rows, repeated_rows
from .tasks import Wanted


logger = logging.get_logger(__name__)


ROWS_AT_ONCE = 100  # small, because the rows of a data set may hold the videos' bytes
VIDEOS_LOOKED_FOR = 1000  # by `check_that_videos_are_there`

_WINDOWS_ROOT = r"[A-Za-z]:[/\\]|\\"
_ABSOLUTE = rf"^(/|{_WINDOWS_ROOT})|{ADDRESS}"
"""Absolute paths of any system, and addresses."""


def load_videos(
    source: str | os.PathLike | Dataset,
    data_root: str | os.PathLike | None = None,
    label_names: Sequence[str] | None = None,
    task: str | None = None,
    *,
    one_label: bool = True,
    frame_level: bool | None = None,
) -> Dataset:
    """Load the list of a data set's videos. Nothing is decoded. Missing videos are found when they are read.

    Args:
        source: A list in a file, either lines `path label` or a table (CSV) with the columns `video` and `label`, or
            one column for each label; a folder of class folders; or a `datasets.Dataset` with the column `video`
            (paths or `datasets.Video`) and, if there are labels, `label`. docs/datasets.md describes the formats.
        data_root: Folder of relative paths in a list, by default the folder of the list. URLs, absolute paths of any
            system, class folders and videos inside a data set do not change. `~` and environment variables in paths
            are replaced, unless a file has this name.
        label_names: The classes or quantities in their order. Labels may then be names or indices, counted from 0.
            Without it, a column of `ClassLabel` keeps its classes, other names get indices in alphabetical order, and
            numbers do not change. Quantities have the names of their columns.
        task: One of `TASKS`. None infers it from the labels, as `task_of_videos` does.
        one_label: Whether a list that gives a video two labels is refused. Otherwise each line is a row.
        frame_level: Whether labels are of frames. None infers it from the labels.

    Returns:
        Data set with the columns `video` and, if there are labels, `label`. `video` is a path, str, or
        `Video(decode=False)` if the source holds videos or lacks some. `label_values.LabelFeature` describes `label`.

    Raises:
        AnnotationError: If the source cannot be read or lists no video, or a line is wrong or ambiguous.
            docs/datasets.md lists what is refused.

    Example:

    ```python
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from lgi_former.training.data.annotations import load_annotations

    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "train.txt").write_text("first clip.mp4 happy\\nsecond.mp4  sad\\n")
    ...     videos = load_annotations(Path(folder, "train.txt"), data_root="clips", label_names=["sad", "happy"])
    >>> videos[0], videos.features["label"].names
    ({'video': 'clips/first clip.mp4', 'label': 1}, ['sad', 'happy'])

    ```
    """
    return load_wanted(source, data_root, Wanted(task, label_names, frame_level=frame_level), one_label=one_label)


load_annotations = load_videos
"""The name in earlier versions."""


def load_wanted(
    source: str | os.PathLike | Dataset,
    data_root: str | os.PathLike | None,
    wanted: Wanted,
    *,
    one_label: bool = True,
) -> Dataset:
    """Load videos as `load_videos`, which describes the other arguments.

    Args:
        wanted: What the caller knows about the labels.
    """
    check_names(wanted.label_names or ())
    if isinstance(source, Dataset):
        return _load_rows(source, "" if data_root is None else data_root, wanted)
    if not isinstance(source, (str, os.PathLike)):
        raise AnnotationError(
            f"The videos are a {type(source).__name__}. Give a path or a `datasets.Dataset`, such as one split of a "
            "`DatasetDict`."
        )
    if not os.fspath(source):
        raise AnnotationError("The name of the list or folder is empty.")
    if os.path.isdir(source):
        annotations, data_root = list_class_folders(Path(source)), source
        if wanted.task not in (None, "single_label"):
            raise AnnotationError(
                f"The class folders of '{source}' give each video one class. Write a list for --task {wanted.task}."
            )
        wanted = replace(wanted, task="single_label", frame_level=False)
    else:
        annotations = read_annotation_file(Path(source), wanted)
        data_root = Path(source).parent if data_root is None else data_root
    annotations = by_frames(annotations, wanted)
    labels = read_labels(annotations, wanted)
    if one_label:
        _check_repeated(annotations, None if labels is None else labels.values)
    return labelled_videos(located_paths(expanded_paths(annotations, data_root), data_root), labels)


def check_that_videos_are_there(videos: Dataset):
    """Raise an `AnnotationError` if none of at most `VIDEOS_LOOKED_FOR` videos from all parts of a list exists."""
    step = -(-len(videos) // VIDEOS_LOOKED_FOR)
    rows = range(0, len(videos), step)
    if any(_may_be_there(videos[row]["video"]) for row in rows):
        return
    which = f"{len(videos)} videos" if step == 1 else f"{len(rows)} checked videos"
    example = videos[0]["video"]
    raise AnnotationError(f"None of the {which} exists, such as '{example}'. {_what_to_do(example)}")


def _may_be_there(video: str | dict | None) -> bool:
    return not isinstance(video, str) or is_address(video) or os.path.exists(video)


def _what_to_do(missing: str) -> str:
    if os.sep == "/" and re.match(_WINDOWS_ROOT, missing):
        return "This is a path of Windows. Write the path on this machine, or a path relative to --data_root."
    backslash = " and write / between folders" if os.sep == "/" and "\\" in missing else ""
    return f"Say with --data_root in which folder the paths of the list begin{backslash}."


def expanded_paths(annotations: Annotations, data_root: str | os.PathLike) -> pa.Array | pa.ChunkedArray:
    """The paths of a list with `expand_path`, string (videos,). Names of existing files do not change."""
    has_sign = pc.fill_null(pc.match_substring_regex(annotations.paths, r"^~|\$"), False)
    if not pc.any(has_sign).as_py():
        return annotations.paths
    paths = annotations.paths.to_pylist()
    for row in np.flatnonzero(has_sign).tolist():
        if not os.path.lexists(os.path.join(data_root, paths[row])):
            try:
                paths[row] = expand_path(paths[row])
            except UnsetVariableError as error:
                raise AnnotationError(f"{annotations.place(row)}: {error}") from error
    return pa.array(paths, pa.string())


def located_paths(paths: pa.Array, data_root: str | os.PathLike) -> pa.Array:
    """Join relative paths, string (videos,), to their root."""
    is_absolute = pc.match_substring_regex(paths, _ABSOLUTE)
    return pc.if_else(is_absolute, paths, pc.binary_join_element_wise(os.path.join(data_root, ""), paths, ""))


def _check_repeated(annotations: Annotations, labels: pa.Array | None):
    """Refuse two labels of one video, and warn of a video that is listed twice."""
    paths, place = annotations.paths, annotations.place
    rows, firsts = repeated_rows(paths)
    if len(rows) == 0:
        return
    if labels is not None and (pair := differing_rows(labels, rows, firsts)) is not None:
        row, first = pair
        if annotations.labels is None or annotations.frame_counts is not None:
            raise AnnotationError(
                f"{place(row)} gives '{paths[row]}' another label than {place(first)}. Leave one line."
            )
        one, other = annotations.labels[row], annotations.labels[first]
        raise AnnotationError(
            f"{place(row)} gives '{paths[row]}' two labels, one of them '{one}': {place(first)} says '{other}'. Leave "
            "one line."
        )
    row, first = rows[0].item(), firsts[0].item()
    logger.warning(
        f"{place(row)} repeats '{paths[row]}' of {place(first)}. A repeated video counts more than once (lines that "
        f"repeat one: {len(rows)})."
    )


def _load_rows(source: Dataset, data_root: str | os.PathLike, wanted: Wanted) -> Dataset:
    """The videos of a data set. Those in memory or in files of the data set do not change."""
    _check_columns(source)
    annotations, wanted = labels_in_rows(source, wanted)
    labels = read_labels(by_frames(annotations, wanted), wanted)
    if not isinstance(source.features["video"], Video) or _all_are_paths(source):
        return labelled_videos(located_paths(_paths_of(source), data_root), labels)
    videos = _undecoded(source)
    if labels is not None:
        videos = videos.add_column("label", labels.values, feature=labels.feature)
    return videos


def _check_columns(source: Dataset):
    if "video" not in source.column_names:
        raise AnnotationError(
            f"The data set has no column 'video', only {', '.join(source.column_names)}. Rename one with "
            "`rename_column`."
        )
    if len(source) == 0:
        raise AnnotationError("The data set holds no video.")


def _all_are_paths(source: Dataset) -> bool:
    """Whether each row of a column of `Video` has a path and no bytes. Videos are not copied."""
    tables = source.select_columns("video").with_format("arrow").iter(batch_size=ROWS_AT_ONCE)
    return all(
        pc.struct_field(table["video"], "bytes").null_count == len(table)
        and pc.struct_field(table["video"], "path").null_count == 0
        for table in tables
    )


def _undecoded(source: Dataset) -> Dataset:
    return source.select_columns("video").cast_column("video", Video(decode=False))


def _paths_of(source: Dataset) -> pa.Array:
    if isinstance(source.features["video"], Video):
        paths = column_of(_undecoded(source), "video").field("path").to_pylist()
    else:
        paths = [None if path is None else str(path) for path in column_of(source, "video").to_pylist()]
    return pa.array(paths, pa.string())
