"""The videos of tar shards as a data set: any one can be read, and only its bytes are."""

from collections.abc import Sequence

import numpy as np
import torch
from datasets import ClassLabel, Features, Video

from ..image_processing import VideoReadError
from .annotations import label_index
from .shard_index import Shard, ShardError, read_bytes, read_index, read_members


class ShardedVideos(torch.utils.data.Dataset):
    """The videos of the shards that `lgi-former prepare shards` makes, read from wherever fsspec reads.

    It holds what `index.json` says of the shards, and where the videos of some shards are that were read last. Files
    are opened where an item is asked for, so in a data loader's workers.

    Args:
        url: Path or URL of an `index.json`.
        label_names: The classes in the order of their indices, if they shall have others than the shards were made
            with; classes keep their names.

    Items are rows as those of a `datasets.Dataset` with the `features`: `video`, `{"path": name, "bytes": content}`,
    of which the name's suffix tells the format, and `label`, int, if there are labels.

    Raises:
        ShardError: If the index cannot be read, or holds no video; from an item, if the table of its shard cannot be
            read.
        AnnotationError: If a class of the shards is not among `label_names`.
        VideoReadError: From an item, if its bytes cannot be read.
    """

    def __init__(self, url: str, label_names: Sequence[str] | None = None):
        index = read_index(url)
        self.shards = index.shards
        self.counts = np.array([shard.nsamples for shard in self.shards], dtype=np.int64)
        self.ends = np.cumsum(self.counts)
        if not self.counts.sum():
            raise ShardError(f"'{url}' lists no video.")
        self.features = Features({"video": Video(decode=False)})
        self.labels = None  # by the index that a class has in the shards
        if index.classes is not None:
            names = index.classes if label_names is None else list(label_names)
            self.labels = [label_index(name, names, f"'{url}'") for name in index.classes]
            self.features["label"] = ClassLabel(names=names)

    @property
    def column_names(self) -> list[str]:
        """Of a row: `video`, and `label` if there are labels."""
        return list(self.features)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> dict:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There is no video {index} among {len(self)}.")
        index %= len(self)
        number = int(np.searchsorted(self.ends, index, side="right"))
        shard = self.shards[number]
        (member,) = read_members(shard).slice(index - int(self.ends[number] - self.counts[number]), 1).to_pylist()
        row = {"video": {"path": member["path"], "bytes": _content(shard, member)}}
        return row if self.labels is None else {**row, "label": self.labels[member["label"]]}

    def names(self) -> list[str]:
        """The names of all videos, without reading these."""
        return [name for shard in self.shards for name in read_members(shard)["path"].to_pylist()]


def _content(shard: Shard, member: dict) -> bytes:
    start, end = member["offset"], member["offset"] + member["size"]
    try:
        content = read_bytes(shard.url, start, end)
    except ShardError as error:
        raise VideoReadError(f"'{member['path']}' cannot be read: {error}") from error
    if len(content) < member["size"]:
        raise VideoReadError(
            f"'{member['path']}' is cut off, because '{shard.url}' is shorter than its index says. Copy it again."
        )
    return content
