"""The classes of a run: their names, and whether the videos fit them."""

import difflib
from collections.abc import Sequence

import datasets
import numpy as np
from transformers.utils import logging

from .labels import refuse_repeated_names
from .sharded_videos import ShardedVideos


logger = logging.get_logger(__name__)

MANY_CLASSES = 1000
"""No corpus of facial expressions has more. Above it, labels may be identifiers, dates or sentences."""
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"}
"""Names of the parts of a data set, which are no classes."""
SIMILAR = 0.8
"""Similarity of two names, as `difflib` measures it, from which one may be a misspelling of the other."""


def names_of_classes(source: str, videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset) -> list[str]:
    """The names of the videos' classes, in the order of the indices. A class without a name is named by its index.

    Args:
        source: What the videos are called in messages.
        videos: Videos with labels, as `load_annotations` returns them; shards; or a stream.

    Raises:
        ValueError: If a stream does not name its classes, labels without names do not count from 0, all classes are
            named as parts of a data set (`train`, `test`), or almost every video has a class of its own.
    """
    feature = (videos.features or {}).get("label")
    if isinstance(feature, datasets.ClassLabel):
        names = feature.names
        if isinstance(videos, datasets.Dataset):
            _warn_of_misspelt_names(source, videos, names)
    elif isinstance(videos, datasets.IterableDataset):
        raise ValueError("The stream does not tell its classes: give them in --labels.")
    else:
        indices = _distinct_indices(videos)
        if indices[0] > 0:
            raise ValueError(
                f"{source} has the labels {_enumerated(indices.tolist())}, but classes count from 0. Subtract "
                f"{indices[0]} from each label, or give the numbers as names: --labels {_few(indices.tolist(), ' ')}."
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
    """Warn of a class of one video whose name is similar to the name of a class of more videos."""
    labels = videos.select_columns("label").with_format("numpy")[:]["label"]
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    common = [name for name, count in zip(names, counts, strict=True) if count > 1]
    for name in [name for name, count in zip(names, counts, strict=True) if count == 1][:MANY_CLASSES]:
        if similar := difflib.get_close_matches(name, common, n=1, cutoff=SIMILAR):
            logger.warning(
                f"{source} has one video only of the class {name!r}. Correct its label if it should be {similar[0]!r}."
            )


def check_classes_to_train(
    source: str, videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset, label_names: Sequence[str]
):
    """Refuse to train on one class, and warn of classes without a video.

    Args:
        source: What the videos are called in messages.
        videos: Videos with labels, as for `names_of_classes`. Nothing is known of a stream's labels.
        label_names: The classes in the order of their indices.

    Raises:
        ValueError: If there are fewer than two classes, two have the same name, or all videos are of one class.
    """
    refuse_repeated_names(label_names)
    present = _present(videos)
    if len(label_names) < 2 or (present is not None and len(present) < 2):
        only = label_names[0 if present is None or not present else min(present)]
        raise ValueError(
            f"{source} has one class only, {only!r}. A classifier needs videos of at least two classes (separate the "
            "names in --labels by spaces)."
        )
    warn_of_empty_classes(source, videos, label_names)


def warn_of_empty_classes(
    source: str, videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset, label_names: Sequence[str]
):
    """Warn of classes without a video, and of shards that order the classes in another way.

    Args:
        source: What the videos are called in messages.
        videos: Videos with labels, opened with `label_names`. Of shards only the index is read.
        label_names: The classes in the order of their indices.
    """
    present = _present(videos)
    if present is None:
        return
    if empty := [name for index, name in enumerate(label_names) if index not in present]:
        logger.warning(f"{source} has no video of {len(empty)} of {len(label_names)} classes: {_few(empty, ', ')}.")
    if isinstance(videos, ShardedVideos) and videos.labels != sorted(videos.labels):
        logger.warning(f"{source} has the classes in another order. They are matched by their names.")


def _present(videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset) -> set[int] | None:
    """Indices of the classes that occur; None if that is not known."""
    if isinstance(videos, ShardedVideos):
        return set(videos.labels)
    if isinstance(videos, datasets.Dataset):
        return set(_distinct_indices(videos).tolist())
    return None


def _distinct_indices(videos: datasets.Dataset) -> np.ndarray:
    """The labels that occur, int64, in ascending order."""
    return np.sort(videos.select_columns("label").with_format("arrow")[:]["label"].unique().to_numpy())


def _enumerated(indices: list[int]) -> str:
    is_range = indices == list(range(indices[0], indices[-1] + 1)) and len(indices) > 2
    return f"{indices[0]} to {indices[-1]}" if is_range else _few(indices, ", ")


def _few(values: list, separator: str, count: int = 20) -> str:
    return separator.join(map(str, values[:count])) + (f"{separator}..." if len(values) > count else "")
