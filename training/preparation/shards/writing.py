"""Writes one shard: a tar file in the format of WebDataset, and a table of its members."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ....files import explained_write_errors, whole_file
from ....image_processing import VideoReadError
from ....image_processing.decoding.local_videos import video_name
from ...data.shard_index import MEMBERS, MEMBERS_SUFFIX, Shard, ShardError, sha256_of
from ...data.video_rows import RowVideo
from .encoding import encode_video


@dataclass(frozen=True)
class Sample:
    """A video to write."""

    key: str  # name of the sample, without a dot
    name: str  # name of the video, relative to its corpus
    video: RowVideo
    label: int | None  # class index


@dataclass
class WrittenShard:
    """A shard that this run or an earlier run wrote."""

    shard: Shard
    skipped: dict[str, str]  # the errors of unreadable videos, by name
    is_new: bool  # written by this run
    was_damaged: bool = False  # it replaces a shard with a wrong checksum


class ShardFiles:
    """The files of one shard. They are written atomically.

    `plan` is a digest of everything that decides the content of the shard.
    """

    def __init__(self, folder: Path, number: int, plan: str):
        self.tar = folder / f"shard-{number:06d}.tar"
        self.members = self.tar.with_suffix(MEMBERS_SUFFIX)
        self.plan = plan

    def found(self) -> WrittenShard | None:
        """The shard if an earlier run wrote it and it is not damaged, otherwise None.

        Raises:
            ShardError: If the shard has other videos or settings.
        """
        if not self.members.exists():
            if self.tar.exists():
                raise ShardError(
                    f"'{self.tar}' has no table '{self.members.name}', so this command probably did not write it. "
                    "Delete it if you do not need it, or choose another folder."
                )
            return None
        facts = _read_facts(self.members)
        if facts["plan"] != self.plan:
            raise ShardError(
                f"'{self.tar}' was made of other videos or with other options. Choose another folder, or delete its "
                "shards to write them again."
            )
        if not self.tar.exists() or sha256_of(str(self.tar)) != facts["sha256"]:
            return None
        if _digest_of_table(self.members) != facts["members"]:
            return None
        return WrittenShard(self._shard(facts), facts["skipped"], is_new=False)

    def write(self, samples: Iterable[Sample], size: int | None, frame_order: str = "natural") -> WrittenShard:
        """Write the shard. Unreadable videos are skipped. `encode_video` documents `size` and `frame_order`."""
        # The table is renamed before the tar file, because a tar file without a table would look like a user's file.
        with whole_file(self.tar) as tar, whole_file(self.members) as table:
            with explained_write_errors(self.tar):
                members, skipped = _write_tar(tar, samples, size, frame_order)
            facts = {
                "plan": self.plan,
                "filesize": tar.stat().st_size,
                "sha256": sha256_of(str(tar)),
                "nsamples": len(members),
                "members": _digest(members),
                "skipped": skipped,
            }
            schema = MEMBERS.with_metadata({"shard": json.dumps(facts)})
            pq.write_table(pa.Table.from_pylist(members, schema=schema), table)
        return WrittenShard(self._shard(facts), skipped, is_new=True)

    def _shard(self, facts: dict) -> Shard:
        names = ("nsamples", "filesize", "sha256")
        return Shard(self.tar.name, *(facts[name] for name in names), members_sha256=sha256_of(str(self.members)))


def _read_facts(members: Path) -> dict:
    """Read the record of a shard in its table. Raises ShardError if the file is not such a table."""
    try:
        return json.loads(pq.read_schema(members).metadata[b"shard"])
    except (pa.ArrowException, TypeError, KeyError, ValueError) as error:
        raise ShardError(
            f"'{members}' is damaged, or this command did not write it. Delete it and its tar file if you do not need "
            "them, or choose another folder."
        ) from error


def _digest_of_table(members: Path) -> str | None:
    """Digest of the rows of a table. None for a damaged table."""
    try:
        return _digest(pq.read_table(members).to_pylist())
    except (pa.ArrowException, OSError, ValueError):
        return None


def _digest(members: list[dict]) -> str:
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def _write_tar(
    path: Path, samples: Iterable[Sample], size: int | None, frame_order: str
) -> tuple[list[dict], dict[str, str]]:
    """Write a tar file. Returns the rows of its table, and the errors of skipped videos, by name."""
    members, skipped = [], {}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for sample in samples:
            try:
                suffix, content = encode_video(sample.video, size, frame_order)
            except VideoReadError as error:
                # The table must not depend on the folder of the corpus.
                skipped[sample.name] = str(error).replace(video_name(sample.video), sample.name)
                continue
            members.append(_add_sample(tar, sample, suffix, content))
    return members, skipped


def _add_sample(tar: tarfile.TarFile, sample: Sample, suffix: str, content: bytes) -> dict:
    """Add the members of a sample. Returns its row of the table."""
    # The suffix decides how a video is decoded, so names need the right one too.
    name = sample.name if sample.name.lower().endswith(suffix) else sample.name + suffix
    offset = _add_member(tar, sample.key + suffix, content)
    content_of_json = {"path": name}
    if sample.label is not None:
        content_of_json["label"] = sample.label
        _add_member(tar, f"{sample.key}.cls", str(sample.label).encode())
    _add_member(tar, f"{sample.key}.json", json.dumps(content_of_json).encode())
    return {"key": sample.key, "path": name, "offset": offset, "size": len(content), "label": sample.label}


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Add a file without date and owner. Returns the offset of its bytes."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    offset = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(entry, io.BytesIO(content))
    return offset
