"""Writes the videos of a data set as a table that `load_annotations` reads again."""

import csv
import io
import os
from collections.abc import Iterator, Sequence

from datasets import ClassLabel, Dataset

from ...image_processing.decoding.local_videos import is_address
from .annotation_tables import FRAME_COLUMN, GROUP_COLUMNS, LABEL_COLUMN
from .label_values import LabelFeature, is_frame_level, names_of_feature
from .labels import AnnotationError


def list_text(videos: Dataset, task: str, group_column: str | None = None, groups: Sequence[str] | None = None) -> str:
    """The text of a CSV file with the videos and their labels.

    A class is in the column `label`. Several labels have a column each with true or false, numbers and votes a column
    each. Labels of frames have a row for each frame.

    Args:
        videos: Data set from `load_annotations`, whose column `video` has paths. They become absolute.
        task: One of `TASKS`.
        group_column: Title of the column of groups, called `person` if readers would take it for a label.
        groups: Group of each video.

    Raises:
        AnnotationError: If a path has a line break, which lists cannot hold.
    """
    feature = videos.features["label"]
    has_frames = is_frame_level(feature, task)
    feature = feature.feature if has_frames else feature
    title = group_column if group_column is None or group_column.lower() in GROUP_COLUMNS else GROUP_COLUMNS[0]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    label_titles = [LABEL_COLUMN] if task == "single_label" else names_of_feature(feature)
    writer.writerow(["path", *[FRAME_COLUMN] * has_frames, *label_titles, *([] if groups is None else [title])])
    for index, row in enumerate(videos):
        path = row["video"] if is_address(row["video"]) else os.path.abspath(row["video"])
        if {"\n", "\r"} & set(path):
            raise AnnotationError(f"The path {path!r} has a line break, so it cannot be in a list. Rename the file.")
        group = [] if groups is None else [groups[index]]
        for frame, label in enumerate(row["label"] if has_frames else [row["label"]]):
            writer.writerow([path, *[frame] * has_frames, *_written(label, feature, task), *group])
    return text.getvalue()


def _written(label, feature: LabelFeature, task: str) -> Iterator[str]:
    """The values of a label in their columns."""
    if task == "single_label":
        yield feature.int2str(label) if isinstance(feature, ClassLabel) else str(label)
    elif task == "multi_label":
        yield from ("true" if index in label else "false" for index in range(feature.feature.num_classes))
    else:
        yield from (f"{label[name]:.9g}" for name in feature)
