"""The index of a corpus in tar shards: which shards there are, and where in each a video is.

`index.json` lists the shards, with the names of WebDataset's `wids` where it has some. Where the videos of a shard
begin is in a Parquet file beside it, read only by who reads from that shard. So no file and no process has to hold
something for each video of a corpus.
"""

import functools
import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from ...files import whole_file
from ...image_processing.decoding.video_sources import without_passwords


INDEX_FILE = "index.json"
MEMBERS_SUFFIX = ".parquet"
KIND = {"__kind__": "wids-shard-index-v1", "wids_version": 1}

MEMBERS = pa.schema(
    [
        ("key", pa.string()),  # of the sample, as WebDataset has it
        ("path", pa.string()),  # the video's name, relative to its corpus
        ("offset", pa.int64()),  # of its bytes in the shard
        ("size", pa.int64()),  # bytes
        ("label", pa.int64()),  # class index; null without labels
    ]
)
"""The table of a shard, a row for each video."""

MEMBERS_KEPT = 64  # tables in the memory of each process; of shards of 1000 videos 0.1 MB each

HASHED_AT_ONCE = 2**20  # bytes


class ShardError(ValueError):
    """Shards or their index cannot be read or must not be written. The message says which, why and what to do."""

    def __init__(self, message: str):
        super().__init__(without_passwords(message))


@dataclass(frozen=True, slots=True)
class Shard:
    """
    Attributes:
        url (`str`): The tar file, relative to the index or whole. Its table has the same name but for the ending.
        nsamples (`int`): Videos in it.
        filesize (`int`): Bytes.
        sha256 (`str`): Checksum of the tar file.
        members_sha256 (`str`): Checksum of its table.
    """

    url: str
    nsamples: int
    filesize: int
    sha256: str
    members_sha256: str

    @property
    def members_url(self) -> str:
        """The file of its table."""
        return self.url.removesuffix(".tar") + MEMBERS_SUFFIX


@dataclass
class ShardIndex:
    """
    Attributes:
        shards (`list[Shard]`): With URLs that are whole.
        classes (`list[str]`, *optional*): In the order of their indices; indices without a name name themselves. None
            if there are no labels.
    """

    shards: list[Shard]
    classes: list[str] | None

    def write(self, folder: Path):
        """Write `index.json`, which is there only when it is whole."""
        content = {**KIND, "classes": self.classes, "shardlist": [asdict(shard) for shard in self.shards]}
        with whole_file(folder / INDEX_FILE) as file:
            file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def index_url(source: str) -> str | None:
    """The address of the index that a path or URL means: its own, or in the folder; None if it means none."""
    if PurePosixPath(source).suffix == ".json":
        return source
    if "://" not in source:
        return str(Path(source, INDEX_FILE)) if Path(source, INDEX_FILE).is_file() else None
    return None if PurePosixPath(source).suffix == ".tar" else f"{source.rstrip('/')}/{INDEX_FILE}"


def read_index(url: str) -> ShardIndex:
    """Read an `index.json`, from wherever fsspec reads.

    Raises:
        ShardError: If it cannot be read or is not an index of shards.
    """
    written = read_bytes(url)
    try:
        content = json.loads(written)
        shards = [Shard(**entry) for entry in content["shardlist"]]
        classes = content["classes"]
        _check(shards, classes)
    except (ValueError, TypeError, KeyError) as error:
        raise ShardError(
            f"'{url}' is not an index of shards as `lgi-former prepare shards` writes it ({error!r})."
        ) from error
    folder = url.rpartition("/")[0]
    return ShardIndex([_located(shard, folder) for shard in shards], classes)


def open_index(source: str) -> ShardIndex:
    """Read the index that a folder, `index.json` or URL means.

    Raises:
        ShardError: If there is none, or it cannot be read.
    """
    if (url := index_url(source)) is not None:
        return read_index(url)
    if Path(source).is_dir():
        raise ShardError(
            f"'{source}' has no {INDEX_FILE}: it is no folder of shards, or not all of them are made. Check the path, "
            "or run its `lgi-former prepare shards` again, which goes on where it stopped."
        )
    raise ShardError(f"'{source}' is no folder of shards and no {INDEX_FILE}. Check the path.")


def _check(shards: list[Shard], classes: list[str] | None):
    for shard in shards:
        if not isinstance(shard.url, str) or not isinstance(shard.nsamples, int) or shard.nsamples < 0:
            raise ValueError(f"the shard {shard.url!r} of {shard.nsamples!r} videos")
    is_list = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if classes is not None and (not is_list or len(set(classes)) < len(classes)):
        raise ValueError(f"the classes {classes!r}")


def _located(shard: Shard, folder: str) -> Shard:
    is_whole = "://" in shard.url or shard.url.startswith("/") or not folder
    return shard if is_whole else replace(shard, url=f"{folder}/{shard.url}")


@functools.lru_cache(maxsize=MEMBERS_KEPT)
def read_members(shard: Shard) -> pa.Table:
    """The table of a shard.

    Raises:
        ShardError: If it cannot be read, or is not the one that the index was made with.
    """
    content = read_bytes(shard.members_url)
    if hashlib.sha256(content).hexdigest() != shard.members_sha256:
        raise ShardError(f"'{shard.members_url}' is not the file that the index was made with. Copy both again.")
    members = pq.read_table(io.BytesIO(content))
    if len(members) != shard.nsamples:
        raise ShardError(
            f"'{shard.members_url}' lists {len(members)} videos, but the index says {shard.nsamples}. Make the index "
            "again with the command that made the shards."
        )
    return members


def read_bytes(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """Bytes `start` to `end` of a file, by default all; of a remote one no others are transferred.

    Raises:
        ShardError: If they cannot be read.
    """
    try:
        # Opened anew for every read, because connections do not survive a fork; fsspec keeps them, by process.
        file_system, path = fsspec.url_to_fs(url)
        # Other than those with ranged reads of their own, file systems read ahead into a cache.
        options = {} if file_system.async_impl else {"cache_type": "none"}
        return file_system.cat_file(path, start, end, **options)
    except FileNotFoundError as error:
        raise ShardError(f"There is no file '{url}'. Check the path.") from error
    except Exception as error:  # every file system has its own
        raise ShardError(f"'{url}' cannot be read: {error}. Check that it exists and is readable.") from error


def sha256_of(url: str) -> str:
    """Checksum of a file, which is read piece by piece.

    Raises:
        OSError: If it cannot be read (other file systems raise others).
    """
    digest = hashlib.sha256()
    with fsspec.open(url) as file:
        while piece := file.read(HASHED_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()
