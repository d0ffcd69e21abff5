"""The videos of tar shards as a data set: any one can be read, and only its bytes are."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import ClassLabel, Features

from ...image_processing import VideoReadError
from .labels import label_index
from .shard_index import Shard, ShardError, read_bytes, read_index, read_members


@dataclass(frozen=True)
class StoredVideo:
    """A video in a shard, which is read when it is needed.

    Attributes:
        name (`str`): What it is called. The suffix tells its format.
        url (`str`): The shard.
        key (`str`): Name of the sample in it.
        offset, size (`int`): Where in it its bytes begin, and how many they are.
    """

    name: str
    url: str
    key: str
    offset: int
    size: int

    def read(self) -> bytes:
        """The content of its file.

        Raises:
            VideoReadError: If the shard cannot be read, ends before, or has something else there.
        """
        try:
            content = read_bytes(self.url, self.offset - tarfile.BLOCKSIZE, self.offset + self.size)
        except ShardError as error:
            raise VideoReadError(f"'{self.name}' cannot be read: {error}") from error
        header, content = content[: tarfile.BLOCKSIZE], content[tarfile.BLOCKSIZE :]
        if len(content) < self.size:
            raise VideoReadError(
                f"'{self.name}' is cut off, because '{self.url}' is shorter than its index says. Copy it again."
            )
        if not self._is_described_by(header):
            raise VideoReadError(
                f"'{self.name}' is not where the index says, because '{self.url}' is another file. Copy both again."
            )
        return content

    def _is_described_by(self, header: bytes) -> bool:
        # Comes with the same request, and a shard that was replaced would give videos with the labels of others.
        try:
            entry = tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape")
        except tarfile.HeaderError:
            return False
        return entry.size == self.size and entry.name.startswith(f"{self.key}.")


class ShardedVideos(torch.utils.data.Dataset):
    """The videos of the shards that `lgi-former prepare shards` makes, read from wherever fsspec reads.

    It holds what `index.json` says of the shards, and where the videos of some shards are that were asked for last.
    Files are opened where an item or its video is, so in a data loader's workers.

    Args:
        url: Path or URL of an `index.json`.
        label_names: The classes in the order of their indices, if they shall have others than the shards were made
            with; classes keep their names.

    Attributes:
        counts (`numpy.ndarray`): Videos of each shard, int64 (shards,).
        features (`datasets.Features`): Has the type of `label`, if there are labels.

    Items are rows: `video`, a `StoredVideo`; and `label`, int, if there are labels.

    Raises:
        ShardError: If the index cannot be read, or holds no video; from an item, if the table of its shard cannot be
            read.
        AnnotationError: If a class of the shards is not among `label_names`.
    """

    def __init__(self, url: str, label_names: Sequence[str] | None = None):
        index = read_index(url)
        self.shards = index.shards
        self.counts = np.array([shard.nsamples for shard in self.shards], dtype=np.int64)
        self.ends = np.cumsum(self.counts)
        if not self.counts.sum():
            raise ShardError(f"'{url}' lists no video.")
        self.features = Features()
        if index.classes is not None:
            names = index.classes if label_names is None else list(label_names)
            self.labels = [label_index(name, names, f"'{url}'") for name in index.classes]  # by the shards' indices
            self.features["label"] = ClassLabel(names=names)

    @property
    def column_names(self) -> list[str]:
        """Of a row: `video`, and `label` if there are labels."""
        return ["video", *self.features]

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> dict:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There is no video {index} among {len(self)}.")
        index %= len(self)
        number = int(np.searchsorted(self.ends, index, side="right"))
        shard = self.shards[number]
        (member,) = read_members(shard).slice(index - int(self.ends[number] - self.counts[number]), 1).to_pylist()
        row = {"video": StoredVideo(member["path"], shard.url, member["key"], member["offset"], member["size"])}
        return {**row, "label": self._label(member, shard)} if "label" in self.features else row

    def _label(self, member: dict, shard: Shard) -> int:
        label = member["label"]
        if label is None or label >= len(self.labels):
            raise ShardError(
                f"'{shard.members_url}' has the label {label} for '{member['path']}', but the index names "
                f"{len(self.labels)} classes. Make the index again with the command that made the shards."
            )
        return self.labels[label]

    def names(self) -> list[str]:
        """The names of all videos, without reading these."""
        return [name for shard in self.shards for name in read_members(shard)["path"].to_pylist()]
