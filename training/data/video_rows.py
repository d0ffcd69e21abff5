"""The video of a data set's row: a path, an address of fsspec, a file in memory, or a part of a shard."""

from collections.abc import Sequence

from datasets import Dataset, Value

from .sharded_videos import StoredVideo


RowVideo = str | dict | StoredVideo | None
"""A path or URL; `{"path": ..., "bytes": ...}` of `datasets.Video(decode=False)`, where one value may be None; a video
in a shard; or None in a row without a video."""


def holds_paths(videos) -> bool:
    """Whether the column `video` of a data set holds only paths, so that it fits into memory."""
    return isinstance(videos, Dataset) and videos.features["video"] == Value("string")


def distinct_paths(sources: Sequence) -> dict[str, None]:
    """The distinct paths of all data sets that hold paths, in their order, as keys."""
    # `[:]` reads the column at once. Iteration reads each row separately, which takes a hundred times as long.
    return dict.fromkeys(path for videos in sources if holds_paths(videos) for path in videos["video"][:])


def count_distinct(sources: Sequence) -> int:
    """The number of distinct videos of all data sets. Videos in rows and shards count as distinct."""
    return len(distinct_paths(sources)) + sum(len(videos) for videos in sources if not holds_paths(videos))
