"""The labels of a list as a column of a data set, with their task."""

import re
from typing import NamedTuple

import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, List, Value

from .label_values import LabelFeature, names_of_feature
from .labels import AnnotationError, in_lists, label_column
from .list_text import Annotations
from .task_inference import infer_task
from .tasks import TASKS, Wanted
from .vector_labels import vector_labels


_TASK = re.compile(rf"Task: ({'|'.join(TASKS)})\b.*")
"""The first line of the description of a data set from `load_videos`. Other data sets may describe their task, too."""


class ReadLabels(NamedTuple):
    """Labels, one for each video.

    Attributes:
        values (`pa.Array`): The column `label`.
        feature (`LabelFeature`): Its type.
        description (`str`): A sentence that names the task, the labels and where the task comes from.
    """

    values: pa.Array
    feature: LabelFeature
    description: str


def read_labels(annotations: Annotations, wanted: Wanted) -> ReadLabels | None:
    """Read the labels of a list; None if it has none. Raises an `AnnotationError` if one is wrong or ambiguous."""
    if annotations.labels is None and not annotations.columns:
        if wanted.task in (None, "single_label"):
            return None
        raise AnnotationError(
            f"{annotations.place(0)}: there are no labels for --task {wanted.task}. docs/datasets.md shows how "
            "to write them."
        )
    task = wanted.task or infer_task(annotations, wanted.label_names)
    if task == "single_label":
        indices, feature = label_column(annotations.labels, wanted.label_names, annotations.place_of_label)
        values = pa.array(indices)
    else:
        values, feature = vector_labels(annotations, wanted.label_names, task)
    if annotations.frame_counts is not None:
        values, feature = in_lists(values, annotations.frame_counts), List(feature)
    return ReadLabels(values, feature, _description(task, feature, annotations, wanted))


def _description(task: str, feature: LabelFeature, annotations: Annotations, wanted: Wanted) -> str:
    names = names_of_feature(feature)
    labels = f" of {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}" if names else ""
    frames = " for each frame" if annotations.frame_counts is not None else ""
    columns = ", ".join(list(annotations.columns)[:20])
    inferred = "" if wanted.task else " (from the labels)"
    origin = f" (from the columns {columns})" if columns else inferred
    return f"Task: {task}{labels}{frames}{origin}."


def labelled_videos(paths: pa.Array | pa.ChunkedArray, labels: ReadLabels | None) -> Dataset:
    """A data set with the column `video` and, if there are labels, `label`. Its description names the task."""
    columns, features, info = {"video": paths}, Features({"video": Value("string")}), DatasetInfo()
    if labels is not None:
        columns["label"], features["label"] = labels.values, labels.feature
        info.description = labels.description
    # `from_dict` would read every row.
    return Dataset(pa.table(columns, schema=features.arrow_schema), info=info)


def task_of_videos(videos) -> str:
    """The task of a data set from `load_annotations`. Other sources, such as shards, have single labels."""
    match = _TASK.match(task_sentence(videos))
    return "single_label" if match is None else match[1]


def task_sentence(videos) -> str:
    """The sentence of a data set from `load_annotations` that names its task; empty for other sources."""
    match = _TASK.match(videos.info.description or "") if isinstance(videos, Dataset) else None
    return "" if match is None else match[0]
