"""The labels of a row, as models and metrics take them: an index, or an array of numbers."""

import numpy as np
from datasets import ClassLabel, List, Value

from .labels import UNREADABLE_LABEL


LabelFeature = ClassLabel | Value | List | dict
"""The type of a column `label` from `load_annotations`.

- single_label: `ClassLabel` or `Value("int64")`.
- multi_label: `List(ClassLabel)`, the classes that apply.
- regression and distribution: `{name: Value("float32")}`.

Labels for each frame are a `List` of these, with an entry for each frame of the video.
"""


def is_frame_level(feature: LabelFeature, task: str) -> bool:
    """Whether labels of a type are labels for each frame."""
    if isinstance(feature, List) and task == "multi_label":
        feature = feature.feature  # a list of classes is one label
    return isinstance(feature, List)


def check_feature(feature: LabelFeature, task: str):
    """Check that labels of a type are labels of a task.

    Raises:
        ValueError: If they are of another task. Votes and numbers have the same type.
    """
    inner = feature.feature if is_frame_level(feature, task) else feature
    is_set = isinstance(inner, List) and isinstance(inner.feature, ClassLabel)
    fits = task == "single_label" or (is_set if task == "multi_label" else isinstance(inner, dict))
    if not fits:
        raise ValueError(
            f"The labels have the type {feature}, which is no {task}. Load the data set with `load_videos` and "
            f"task={task!r}, and give its features."
        )


def label_values(label, feature: LabelFeature, task: str) -> int | np.ndarray:
    """The values of a label.

    Args:
        label: A value of the column `label`.
        feature: The type of this column.
        task: One of `TASKS`.

    Returns:
        For single_label the index of the class, int. Otherwise float32 (labels,): 1 for each class that applies and 0
        for the others (multi_label), numbers (regression), or probabilities with the sum 1 (distribution). Labels for
        each frame are int64 (frames,) or float32 (frames, labels).

    Raises:
        ValueError: If votes are below 0 or all 0.
    """
    if is_frame_level(feature, task):
        frames = [label_values(frame, feature.feature, task) for frame in label]
        return np.array(frames, dtype=np.int64 if task == "single_label" else np.float32)
    if task == "single_label":
        return label
    if task == "multi_label":
        values = np.zeros(feature.feature.num_classes, dtype=np.float32)
        values[label] = 1
        return values
    values = np.array([label[name] for name in feature], dtype=np.float64)
    if task != "distribution":
        return values.astype(np.float32)
    is_distribution = (values >= 0).all() and values.sum() > 0  # false for NaN, too
    if not is_distribution:
        raise ValueError(
            f"The label {label} is no distribution, which has votes or shares of at least 0, and not only 0."
        )
    return (values / values.sum()).astype(np.float32)


def unreadable_values(feature: LabelFeature, task: str, num_frames: int) -> int | np.ndarray:
    """The label of a video that could not be read: -100 for single_label, otherwise NaN in every place.

    The shape is that of `label_values` for a clip of `num_frames` frames.
    """
    frame_level = is_frame_level(feature, task)
    if task == "single_label":
        return np.full(num_frames, UNREADABLE_LABEL) if frame_level else UNREADABLE_LABEL
    shape = (len(names_of_feature(feature)),)
    return np.full((num_frames, *shape) if frame_level else shape, np.nan, dtype=np.float32)


def names_of_feature(feature: LabelFeature) -> list[str] | None:
    """The names of the classes or quantities, in their order; None for indices without names."""
    feature = without_lists(feature)
    if isinstance(feature, ClassLabel):
        return feature.names
    return list(feature) if isinstance(feature, dict) else None


def without_lists(feature: LabelFeature) -> ClassLabel | Value | dict:
    """The type of one class, or of the quantities, without the lists around it."""
    while isinstance(feature, List):
        feature = feature.feature
    return feature
