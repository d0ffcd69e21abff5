"""The classes or quantities of a run: their names, and whether the videos fit them."""

import difflib
from collections.abc import Sequence

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from transformers.utils import logging

from .dataset_labels import column_of
from .joined_sources import JoinedVideos, ListedVideos
from .label_values import names_of_feature
from .labels import check_names
from .sharded_videos import ShardedVideos


logger = logging.get_logger(__name__)

MANY_CLASSES = 1000
"""No corpus of facial expressions has more. Above it, labels may be identifiers, dates or sentences."""
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"}
"""Names of the parts of a data set, which are not classes."""
SIMILAR = 0.8  # a name may be a misspelling of a name with at least this similarity in `difflib`

Videos = ListedVideos | datasets.IterableDataset
"""Videos with labels: a data set from `load_annotations`, shards, both, or a stream, whose labels are unknown."""


def names_of_classes(source: str, videos: Videos, task: str = "single_label") -> list[str]:
    """The names of the videos' classes or quantities, in their order. A class without a name has its index as name.

    Args:
        source: Names the videos in messages.
        videos: Videos with labels.
        task: One of `TASKS`: what the labels are.

    Raises:
        ValueError: If a stream does not name its classes, labels without names do not count from 0, all classes are
            named as parts of a data set (`train`, `test`), or almost every video has a different class.
    """
    feature = (videos.features or {}).get("label")
    if task != "single_label" or (isinstance(feature, datasets.List) and names_of_feature(feature)):
        return names_of_feature(feature)
    if isinstance(feature, datasets.ClassLabel):
        names = feature.names
        if isinstance(videos, datasets.Dataset):
            _warn_of_misspelt_names(source, videos, names)
    elif isinstance(videos, datasets.IterableDataset):
        raise ValueError("The stream does not name its classes: give them in --labels.")
    else:
        indices = sorted(_present(videos))
        if indices[0] > 0:
            raise ValueError(
                f"{source} has the labels {_enumerated(indices)}, but classes count from 0. Subtract {indices[0]} "
                f"from each label, or give the numbers as names: --labels {_few(indices, ' ')}."
            )
        names = [str(index) for index in range(indices[-1] + 1)]
    if isinstance(videos, datasets.Dataset) and len(names) > max(MANY_CLASSES, len(videos) / 2):
        raise ValueError(
            f"{source} has {len(names)} classes for {len(videos)} videos. Labels should be classes, not identifiers, "
            "dates or texts. Name the classes with --labels if they are."
        )
    if SPLITS.issuperset(map(str.lower, names)):
        raise ValueError(
            f"{source} has the classes {', '.join(names)}, which are names for parts of a data set. Give one part, or "
            "name the classes with --labels."
        )
    return list(names)


def _warn_of_misspelt_names(source: str, videos: datasets.Dataset, names: Sequence[str]):
    """Warn of a class of one video whose name is similar to the name of a larger class."""
    labels = videos.select_columns("label").with_format("numpy")[:]["label"]
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    common = [name for name, count in zip(names, counts, strict=True) if count > 1]
    for name in [name for name, count in zip(names, counts, strict=True) if count == 1][:MANY_CLASSES]:
        if similar := difflib.get_close_matches(name, common, n=1, cutoff=SIMILAR):
            logger.warning(
                f"{source} has one video only of the class {name!r}. Correct its label if it should be {similar[0]!r}."
            )


def check_classes_to_train(source: str, videos: Videos, label_names: Sequence[str], task: str = "single_label"):
    """Raise a `ValueError` for one class only or a repeated name, and warn of classes without a video.

    Regression and multi_label need no second one.
    """
    check_names(label_names)
    present = _present(videos)
    needs_two = task in ("single_label", "distribution")
    if needs_two and (len(label_names) < 2 or (present is not None and len(present) < 2)):
        only = label_names[min(present) if present else 0]
        raise ValueError(
            f"{source} has one class only, {only!r}. A classifier needs videos of at least two classes (separate the "
            "names in --labels by spaces)."
        )
    warn_of_empty_classes(source, videos, label_names, task)


def warn_of_empty_classes(source: str, videos: Videos, label_names: Sequence[str], task: str = "single_label"):
    """Warn of classes without a video, and of shards with another order of the classes than `label_names`.

    Warn also of a quantity that has the same value in all videos.
    """
    present = _present(videos)
    if present is None:
        return
    if task == "regression":
        _warn_of_constants(source, _flat_labels(videos))
        return
    if empty := [name for index, name in enumerate(label_names) if index not in present]:
        logger.warning(f"{source} has no video of {len(empty)} of {len(label_names)} classes: {_few(empty, ', ')}.")
    if isinstance(videos, ShardedVideos) and videos.labels != sorted(videos.labels):
        logger.warning(f"{source} has the classes in another order. They are matched by their names.")


def _present(videos: Videos) -> set[int] | None:
    """Indices of the classes with videos; None for a stream. For shards, those in the index."""
    if isinstance(videos, datasets.IterableDataset):
        return None
    if isinstance(videos, ShardedVideos):
        return set(videos.labels)
    if isinstance(videos, JoinedVideos):
        return set().union(*map(_present, videos.datasets))
    labels = _flat_labels(videos)
    if pa.types.is_struct(labels.type):
        return {index for index, votes in enumerate(labels.flatten()) if (pc.max(votes).as_py() or 0) > 0}
    return set(labels.unique().to_pylist())


def _flat_labels(videos: datasets.Dataset) -> pa.Array:
    """The labels of all videos and frames: structs of numbers, or indices of classes."""
    labels = column_of(videos, "label")
    while isinstance(labels, (pa.ListArray, pa.LargeListArray)):
        labels = labels.flatten()
    return labels


def _warn_of_constants(source: str, numbers: pa.StructArray):
    for field, values in zip(numbers.type, numbers.flatten(), strict=True):
        if len(values) > 1 and len(values.unique()) == 1:
            logger.warning(f"{source} has the same {field.name}, {values[0].as_py():g}, in all labels.")


def _enumerated(indices: list[int]) -> str:
    is_range = indices == list(range(indices[0], indices[-1] + 1)) and len(indices) > 2
    return f"{indices[0]} to {indices[-1]}" if is_range else _few(indices, ", ")


def _few(values: list, separator: str, count: int = 20) -> str:
    return separator.join(map(str, values[:count])) + (f"{separator}..." if len(values) > count else "")
