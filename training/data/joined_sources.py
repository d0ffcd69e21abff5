"""Several sources of videos as one data set: lists, class folders and shards."""

from collections.abc import Callable, Sequence

import numpy as np
from datasets import Dataset, Features, concatenate_datasets
from torch.utils.data import ConcatDataset
from transformers.utils import logging

from .clips import derived_seeds
from .dataset_labels import column_of
from .label_spelling import differ_in_spelling_only
from .label_values import is_frame_level, names_of_feature
from .labels import AnnotationError
from .mixed_order import MixedOrder
from .read_labels import task_of_videos
from .repeated_videos import differing_rows, repeated_rows
from .shard_order import ShardOrder
from .sharded_videos import ShardedVideos


logger = logging.get_logger(__name__)

SOURCE_COLUMN = "source"
"""The column with the number of each video's source."""

OneSource = Dataset | ShardedVideos


class JoinedVideos(ConcatDataset):
    """Sources with random access, one after the other. Some may be shards.

    Args:
        sources: Their videos have the same classes if they have labels.
    """

    def __init__(self, sources: Sequence[OneSource]):
        super().__init__(sources)
        have_labels = all("label" in source.column_names for source in sources)
        self.features = Features({"label": sources[0].features["label"]} if have_labels else {})

    @property
    def column_names(self) -> list[str]:
        """`video` and, if all sources have labels, `label`."""
        return ["video", *self.features]


ListedVideos = OneSource | JoinedVideos
"""Videos with random access."""


def open_joined(
    sources: Sequence[str],
    open_source: Callable[..., OneSource],
    label_names: Sequence[str] | None = None,
    *,
    with_labels: bool = True,
    task: str | None = None,
    frame_level: bool | None = None,
) -> Dataset | JoinedVideos:
    """Open several sources as one data set. Their classes are matched by name.

    Args:
        sources: As for `open_source`.
        open_source: `open_source(source, label_names=label_names)` opens one of them.
        label_names: The classes in the order of their indices, by default all names in alphabetical order.
        with_labels: Whether the labels are needed. Otherwise they need not agree.
        task, frame_level: What is known about the labels, as in `Wanted`.

    Returns:
        Data set as from `load_annotations`, with the further column `source`, int64, the number of the source; or
        `JoinedVideos` if there are shards. There are labels if all sources have some.

    Raises:
        AnnotationError: If the sources have labels of different tasks or types, other columns of numbers, names that
            differ only in spelling, or two labels of a video.
    """
    videos = [open_source(source, label_names=label_names) for source in sources]
    are_labelled = [with_labels and "label" in part.column_names for part in videos]
    if all(are_labelled):
        tasks = [task or task_of_videos(part, frame_level) for part in videos]
        _refuse_differences(sources, tasks, "labels of the task {}")
        if label_names is None and (names := _names_of_all(sources, videos, tasks[0])) is not None:
            videos = [
                part if _names(part) == names else open_source(source, label_names=names)
                for source, part in zip(sources, videos, strict=True)
            ]
        kinds = ["frames" if is_frame_level(part.features["label"], tasks[0]) else "videos" for part in videos]
        _refuse_differences(sources, kinds, "labels of {}")
    elif any(are_labelled):
        logger.warning(
            f"The labels of train_data are not used, because '{sources[are_labelled.index(False)]}' has none."
        )
    if any(isinstance(part, ShardedVideos) for part in videos):
        return JoinedVideos(videos)
    columns = ["video", "label"] if all(are_labelled) else ["video"]
    joined = concatenate_datasets([part.select_columns(columns) for part in videos])
    numbers = np.repeat(np.arange(len(videos)), [len(part) for part in videos])
    if all(are_labelled):
        _refuse_two_labels(joined, sources, numbers)
    return joined.add_column(SOURCE_COLUMN, numbers)


def mixed_order(
    videos: Dataset | JoinedVideos, shares: Sequence[float] | None, seed: int, shuffle_buffer: int
) -> MixedOrder:
    """Make the order of sources from `open_joined`.

    Args:
        shares: As for `MixedOrder`, by default the numbers of videos, so that an epoch reads each video once.
        seed: The run's seed.
        shuffle_buffer: Number of videos of shards that are shuffled together.
    """
    if isinstance(videos, JoinedVideos):
        ends = videos.cumulative_sizes
        rows = [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        shards = [part.counts if isinstance(part, ShardedVideos) else None for part in videos.datasets]
    else:
        numbers = column_of(videos, SOURCE_COLUMN).to_numpy()
        rows = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
        shards = [None] * len(rows)
    seeds = [derived_seeds(seed, number)[0] for number in range(len(rows))]
    orders = [
        ShardOrder([len(part)], seed, len(part)) if counts is None else ShardOrder(counts, seed, shuffle_buffer)
        for part, counts, seed in zip(rows, shards, seeds, strict=True)
    ]
    return MixedOrder(orders, rows, shares or [len(part) for part in rows], seed)


def _names(videos: OneSource) -> list[str] | None:
    """The names of the classes or quantities; None for labels without names."""
    return names_of_feature(videos.features["label"])


def _names_of_all(sources: Sequence[str], videos: Sequence[OneSource], task: str) -> list[str] | None:
    """The names of all sources, classes in alphabetical order, columns of numbers in the order of the first source.

    None if no source has names.
    """
    have_names = [_names(part) is not None for part in videos]
    if True not in have_names:
        return None
    if False in have_names:
        raise AnnotationError(
            f"'{sources[have_names.index(True)]}' has names of classes, but '{sources[have_names.index(False)]}' has "
            "numbers. Write all labels in one way, or name the classes with --labels."
        )
    if task in ("regression", "distribution"):
        columns = [", ".join(sorted(_names(part))) for part in videos]
        _refuse_differences(sources, columns, "the columns {}")
        return _names(videos[0])
    names = sorted({name for part in videos for name in _names(part)})
    if (pair := differ_in_spelling_only(names)) is not None:
        raise AnnotationError(
            f"The sources of train_data have the classes {pair[0]!r} and {pair[1]!r}. Spell them in one way, or name "
            "the classes with --labels."
        )
    return names


def _refuse_differences(sources: Sequence[str], values: Sequence[str], what: str):
    """Refuse sources that differ in a value. `what` has a place for it."""
    for source, value in zip(sources, values, strict=True):
        if value != values[0]:
            raise AnnotationError(
                f"'{sources[0]}' has {what.format(values[0])}, but '{source}' has {what.format(value)}. Give sources "
                "with labels of one kind, or say with --task and --labels which labels to use."
            )


def _refuse_two_labels(videos: Dataset, sources: Sequence[str], numbers: np.ndarray):
    table = videos.with_format("arrow")[:]
    if (pair := differing_rows(table["label"], *repeated_rows(table["video"]))) is not None:
        row, first = pair
        raise AnnotationError(
            f"'{sources[numbers[first]]}' and '{sources[numbers[row]]}' give '{table['video'][row]}' two "
            "labels. Leave it in one of them."
        )
