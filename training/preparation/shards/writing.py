"""Writing one shard: a tar file in the format of WebDataset, and the table of what is where in it."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ....files import whole_file
from ....image_processing import VideoReadError
from ...data.shard_index import MEMBERS, MEMBERS_SUFFIX, Shard, ShardError, sha256_of
from ...data.video_rows import RowVideo, video_name
from .encoding import encode_video


@dataclass(frozen=True)
class Sample:
    """A video that is to be written.

    Attributes:
        key (`str`): Name of the sample, without a dot.
        name (`str`): What the video is called, relative to its corpus.
        video: The video of its row.
        label (`int`, *optional*): Its class index.
    """

    key: str
    name: str
    video: RowVideo
    label: int | None


@dataclass
class WrittenShard:
    """
    Attributes:
        shard (`Shard`): What the index says of it.
        skipped (`dict[str, str]`): Videos that could not be read and are not in it, and why.
        is_new (`bool`): Whether it was written now; otherwise it was found whole.
        was_damaged (`bool`): Whether it was written now since one that was there had not its checksum any more.
    """

    shard: Shard
    skipped: dict[str, str]
    is_new: bool
    was_damaged: bool = False


class ShardFiles:
    """The files of one shard, which have their names only when they are whole.

    Args:
        folder: Where they are.
        number: Of the shard.
        plan: Digest of all that decides about its content.
    """

    def __init__(self, folder: Path, number: int, plan: str):
        self.tar = folder / f"shard-{number:06d}.tar"
        self.members = self.tar.with_suffix(MEMBERS_SUFFIX)
        self.plan = plan

    def found(self) -> WrittenShard | None:
        """The shard, if it was written before and nothing in it has changed since.

        Raises:
            ShardError: If there is one that was made of something else.
        """
        if not self.members.exists():
            if self.tar.exists():
                raise ShardError(
                    f"'{self.tar}' has no table '{self.members.name}' beside it, so it may not be of this command's "
                    "making. Remove it, if it may be, or choose another folder."
                )
            return None
        told = read_told(self.members)
        if told["plan"] != self.plan:
            raise ShardError(
                f"'{self.tar}' was made of other videos or with other options. Choose another folder, or remove its "
                "shards to make them anew."
            )
        if not self.tar.exists() or sha256_of(str(self.tar)) != told["sha256"]:
            return None
        if _digest_of_table(self.members) != told["members"]:
            return None
        return WrittenShard(self._shard(told), told["skipped"], is_new=False)

    def write(self, samples: Iterable[Sample], size: int | None, frame_order: str = "natural") -> WrittenShard:
        """Write the shard. Videos that cannot be read are left out.

        Args:
            samples: The videos in their order.
            size, frame_order: See `encode_video`.

        Raises:
            OSError: If there is no room, for example.
        """
        # The table gets its name before the tar file: one without a table would seem to be a user's.
        with whole_file(self.tar) as tar, whole_file(self.members) as table:
            members, skipped = _write_tar(tar, samples, size, frame_order)
            told = {
                "plan": self.plan,
                "filesize": tar.stat().st_size,
                "sha256": sha256_of(str(tar)),
                "nsamples": len(members),
                "members": _digest(members),
                "skipped": skipped,
            }
            schema = MEMBERS.with_metadata({"shard": json.dumps(told)})
            pq.write_table(pa.Table.from_pylist(members, schema=schema), table)
        return WrittenShard(self._shard(told), skipped, is_new=True)

    def _shard(self, told: dict) -> Shard:
        return Shard(
            url=self.tar.name,
            nsamples=told["nsamples"],
            filesize=told["filesize"],
            sha256=told["sha256"],
            members_sha256=sha256_of(str(self.members)),
        )


def read_told(members: Path) -> dict:
    """What the table of a shard tells of it.

    Raises:
        ShardError: If that is no such table.
    """
    try:
        return json.loads(pq.read_schema(members).metadata[b"shard"])
    except (pa.ArrowException, TypeError, KeyError, ValueError) as error:
        raise ShardError(
            f"'{members}' is not of this command's making, or damaged. Remove it, if it may be, with its tar file, or "
            "choose another folder."
        ) from error


def _digest_of_table(members: Path) -> str | None:
    """Digest of a table's rows; None if they are damaged."""
    try:
        return _digest(pq.read_table(members).to_pylist())
    except (pa.ArrowException, OSError, ValueError):
        return None


def _digest(members: list[dict]) -> str:
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def _write_tar(
    path: Path, samples: Iterable[Sample], size: int | None, frame_order: str
) -> tuple[list[dict], dict[str, str]]:
    """Write a tar file; returns the rows of its table, and which videos could not be read, and why."""
    members, skipped = [], {}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for sample in samples:
            try:
                suffix, content = encode_video(sample.video, size, frame_order)
            except VideoReadError as error:
                # The table is not to depend on where the corpus is.
                skipped[sample.name] = str(error).replace(video_name(sample.video), sample.name)
                continue
            members.append(_add_sample(tar, sample, suffix, content))
    return members, skipped


def _add_sample(tar: tarfile.TarFile, sample: Sample, suffix: str, content: bytes) -> dict:
    """Add the members of a sample; returns its row of the table."""
    # The suffix decides how a video is decoded, so it has to be right in names, too.
    name = sample.name if sample.name.lower().endswith(suffix) else sample.name + suffix
    offset = _add_member(tar, sample.key + suffix, content)
    told = {"path": name}
    if sample.label is not None:
        told["label"] = sample.label
        _add_member(tar, f"{sample.key}.cls", str(sample.label).encode())
    _add_member(tar, f"{sample.key}.json", json.dumps(told).encode())
    return {"key": sample.key, "path": name, "offset": offset, "size": len(content), "label": sample.label}


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Add a file, of no date and no owner; returns where its bytes begin."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    offset = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(entry, io.BytesIO(content))
    return offset
