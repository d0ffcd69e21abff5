"""Which videos there are, and what they show: from annotation files, class folders or a data set to one table."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Value, Video

from .annotation_files import LABEL_COLUMN, Annotations, list_class_folders, read_annotation_file
from .labels import AnnotationError, label_column, written_label


ROWS_AT_ONCE = 100  # of a data set that may hold its videos itself
VIDEOS_LOOKED_FOR = 1000  # before any is read


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
        annotations = list_class_folders(Path(source))
        data_root = source
    else:
        annotations = read_annotation_file(Path(source))
        data_root = Path(source).parent if data_root is None else data_root
    columns = {"video": _located(annotations.paths, data_root)}
    features = Features({"video": Value("string")})
    if annotations.labels is not None:
        columns["label"], features["label"] = label_column(annotations.labels, label_names, annotations.place)
    # Not `from_dict`, which looks at every row.
    return Dataset(pa.table(columns, schema=features.arrow_schema))


def check_that_videos_are_there(videos: Dataset):
    """Refuse a list if none of its videos is there, as with a wrong root. Reading them would try one after another.

    Args:
        videos: As from `load_annotations`. Some from all over the list are looked for, until one is found.

    Raises:
        AnnotationError: If so.
    """
    step = -(-len(videos) // VIDEOS_LOOKED_FOR)
    rows = range(0, len(videos), step)
    if any(_may_be_there(videos[row]["video"]) for row in rows):
        return
    which = f"{len(videos)} videos" if step == 1 else f"{len(rows)} videos that were looked for"
    raise AnnotationError(
        f"None of the {which} is there, such as '{videos[0]['video']}'. Say with --data_root in which folder the "
        "paths of the list begin."
    )


def _may_be_there(video: str | dict | None) -> bool:
    return not isinstance(video, str) or "://" in video or os.path.exists(video)


def _located(paths: pa.Array, data_root: str | os.PathLike) -> pa.Array:
    """Relative paths joined to where they begin, all at once."""
    stay = pc.match_substring_regex(paths, rf"^[/{re.escape(os.sep)}]|://")
    return pc.if_else(stay, paths, pc.binary_join_element_wise(os.path.join(data_root, ""), paths, ""))


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


def _from_dataset(source: Dataset) -> Annotations:
    if isinstance(source.features["video"], Video):
        videos = source.select_columns("video").cast_column("video", Video(decode=False))["video"]
        paths = [video["path"] for video in videos]
    else:
        paths = [str(path) for path in source["video"]]
    return Annotations(pa.array(paths), _labels_of(source), _place_in_dataset)


def _held_videos(source: Dataset, label_names: Sequence[str] | None) -> Dataset:
    videos = source.select_columns("video").cast_column("video", Video(decode=False))
    labels = _labels_of(source)
    if labels is None:
        return videos
    indices, feature = label_column(labels, label_names, _place_in_dataset)
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
