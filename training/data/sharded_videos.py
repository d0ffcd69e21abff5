"""The videos of tar shards as a data set with random access."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import ClassLabel, Features

from ...image_processing import VideoReadError
from .labels import check_names, label_index
from .shard_index import Shard, ShardError, read_bytes, read_index, read_members


@dataclass(frozen=True)
class StoredVideo:
    """A video in a shard. Its bytes are read on demand."""

    name: str  # with the suffix of the format
    url: str  # of the shard
    key: str  # name of the sample in the shard
    offset: int  # of the video's first byte in the shard
    size: int  # bytes

    def read(self) -> bytes:
        """The content of the video file. Raises a `VideoReadError` if the shard has no or other bytes there."""
        try:
            content = read_bytes(self.url, self.offset - tarfile.BLOCKSIZE, self.offset + self.size)
        except ShardError as error:
            raise VideoReadError(f"'{self.name}' cannot be read: {error}") from error
        header, content = content[: tarfile.BLOCKSIZE], content[tarfile.BLOCKSIZE :]
        if len(content) < self.size:
            raise VideoReadError(
                f"'{self.name}' is cut off, because '{self.url}' is shorter than its index says. Copy it again."
            )
        if not self._matches(header):
            raise VideoReadError(
                f"'{self.name}' is not where the index says, because '{self.url}' is another file. Copy both again."
            )
        return content

    def _matches(self, header: bytes) -> bool:
        # A shard that was replaced would give videos with wrong labels. The header costs no further request.
        try:
            entry = tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape")
        except tarfile.HeaderError:
            return False
        return entry.size == self.size and entry.name.startswith(f"{self.key}.")


class ShardedVideos(torch.utils.data.Dataset):
    """The videos of shards from `lgi-former prepare shards`, in any file system of fsspec.

    In memory are the content of `index.json` and the tables of the shards that were used last. Files are opened when
    an item or its video is read, so in a data loader's workers.

    Items are rows: `video`, a `StoredVideo`; and `label`, int, if there are labels. `counts` has the number of videos
    of each shard, int64 (shards,).

    Args:
        url: Path or URL of an `index.json`.
        label_names: The classes in the order of their indices, by default in the order of the shards. Classes are
            matched by their names.

    Raises:
        ShardError: If the index, or for an item the table of its shard, cannot be read, or there is no video.
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
            check_names(names)
            self.labels = [label_index(name, names, f"'{url}'") for name in index.classes]  # by the shards' indices
            self.features["label"] = ClassLabel(names=names)

    @property
    def column_names(self) -> list[str]:
        """`video` and, if there are labels, `label`."""
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

    def labels_of_videos(self) -> np.ndarray:
        """The class of each video, int64 (videos,). The videos are not read."""
        tables = ((shard, read_members(shard).select(["path", "label"]).to_pylist()) for shard in self.shards)
        return np.array([self._label(member, shard) for shard, members in tables for member in members])

    def names(self) -> list[str]:
        """The names of all videos. The videos are not read."""
        return [name for shard in self.shards for name in read_members(shard)["path"].to_pylist()]
