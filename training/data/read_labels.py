"""The labels of a list as a column of a data set, and the task of such a column."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, List, Value

from .dataset_labels import column_of, repeats_a_class
from .label_values import LabelFeature, names_of_feature
from .labels import AnnotationError, check_names, in_lists, label_column
from .list_text import Annotations
from .task_inference import are_shares, infer_task
from .tasks import Wanted
from .vector_labels import vector_labels


class ReadLabels(NamedTuple):
    """Labels, one for each video.

    Attributes:
        values (`pa.Array`): The column `label`.
        feature (`LabelFeature`): Its type.
    """

    values: pa.Array
    feature: LabelFeature


def read_labels(annotations: Annotations, wanted: Wanted) -> ReadLabels | None:
    """Read the labels of a list; None if it has none. Raises an `AnnotationError` if one is wrong or ambiguous."""
    if annotations.labels is None and not annotations.columns:
        if wanted.task in (None, "single_label"):
            return None
        raise AnnotationError(
            f"{annotations.place(0)}: there are no labels for --task {wanted.task}. docs/datasets.md shows how "
            "to write them."
        )
    if wanted.frame_level and annotations.frame_counts is None:
        raise AnnotationError(
            f"{annotations.place(0)} has one label for each video, but labels of frames are needed "
            "(frame_level=true). Write a label for each frame, see docs/datasets.md."
        )
    task = wanted.task or infer_task(annotations, wanted.label_names)
    if task == "single_label":
        indices, feature = label_column(annotations.labels, wanted.label_names, annotations.place_of_label)
        values = pa.array(indices)
    else:
        values, feature = vector_labels(annotations, wanted.label_names, task)
    check_names(names_of_feature(feature) or ())
    if annotations.frame_counts is not None:
        values, feature = in_lists(values, annotations.frame_counts), List(feature)
    return ReadLabels(values, feature)


def labelled_videos(paths: pa.Array | pa.ChunkedArray, labels: ReadLabels | None) -> Dataset:
    """A data set with the column `video` and, if there are labels, `label`."""
    columns, features = {"video": paths}, Features({"video": Value("string")})
    if labels is not None:
        columns["label"], features["label"] = labels.values, labels.feature
    # `from_dict` would read every row.
    return Dataset(pa.table(columns, schema=features.arrow_schema))


def task_of_videos(videos, frame_level: bool | None = None) -> str:
    """The task of the labels of a data set from `load_videos`, or of another one with a column of a `LabelFeature`.

    Lists of classes are `"multi_label"`, but single labels of frames if a list repeats a class. Numbers are a
    `"distribution"` if each row is one as `are_shares` says, else a `"regression"`. Lists and tables have the same
    rules. Give the task instead if you know it: two quantities may sum to 1, too.

    Args:
        videos: A `datasets.Dataset`. Shards and streams have single labels.
        frame_level: Whether labels are of frames. None: as above.
    """
    feature = videos.features["label"] if isinstance(videos, Dataset) and "label" in videos.features else None
    of_frames = isinstance(feature, List) and isinstance(feature.feature, (dict, List))
    inner = feature.feature if of_frames else feature
    if isinstance(inner, dict):
        values = column_of(videos, "label")
        values = values.flatten() if of_frames else values
        numbers = np.stack([values.field(name).to_numpy(zero_copy_only=False) for name in inner], axis=1)
        return "distribution" if are_shares(numbers) else "regression"
    is_list_of_classes = isinstance(inner, List) and isinstance(inner.feature, ClassLabel)
    if not is_list_of_classes:
        return "single_label"
    if frame_level is None and not of_frames:
        frame_level = repeats_a_class(column_of(videos, "label"))
    return "single_label" if frame_level and not of_frames else "multi_label"


def task_sentence(task: str, label_names: Sequence[str], *, of_frames: bool = False, is_inferred: bool = False) -> str:
    """A sentence that names the task and the labels."""
    names = ", ".join(label_names[:20]) + (", ..." if len(label_names) > 20 else "")
    frames = " for each frame" if of_frames else ""
    return f"Task: {task} of {names}{frames}{' (from the labels)' if is_inferred else ''}."
