"""The index of tar shards: `index.json` lists the shards, and a Parquet file beside each shard lists its videos.

`index.json` has the field names of WebDataset's `wids`. A Parquet file is read when a video of its shard is needed. So
no process holds a row for each video of a corpus.
"""

import functools
import hashlib
import io
import json
import os
import re
import tarfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from huggingface_hub.utils.sha import sha_fileobj

from ...files import whole_file
from ...image_processing.decoding.local_videos import is_address
from ...image_processing.decoding.video_sources import is_url, without_passwords
from ...image_processing.decoding.web_files import WebFile


INDEX_FILE = "index.json"
MEMBERS_SUFFIX = ".parquet"
KIND = {"__kind__": "wids-shard-index-v1", "wids_version": 1}

MEMBERS = pa.schema(
    [
        ("key", pa.string()),  # of the sample in WebDataset
        ("path", pa.string()),  # the video's name, relative to its corpus
        ("offset", pa.int64()),  # of the video's first byte in the shard
        ("size", pa.int64()),  # bytes
        ("label", pa.int64()),  # class index; null without labels
    ]
)
"""The table of a shard, with one row for each video."""

CACHED_TABLES = 64  # in each process; the table of a shard of 1000 videos takes 0.1 MB


MAX_BYTES_OF_LIST = 500_000_000
"""Bytes of an index or a table. The index of a million shards has about 300 MB."""

ELSEWHERE = "LGI_FORMER_SHARDS_ELSEWHERE"
"""Environment variable: with the value 1, an index may name shards outside its own folder."""

_NAME = r"(?!\.\.?(/|$))[^/\\:%?#*\x00-\x1f]+"
_NAME_BELOW = re.compile(rf"{_NAME}(/{_NAME})*\.tar")


class ShardError(ValueError):
    """Shards or their index cannot be read or must not be written. The message says which, why and what to do."""

    def __init__(self, message: str):
        super().__init__(without_passwords(message))


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file and its table."""

    url: str  # of the tar file, absolute or relative to the index
    nsamples: int  # number of videos
    filesize: int  # bytes of the tar file
    sha256: str  # checksum of the tar file
    members_sha256: str  # checksum of the table

    @property
    def members_url(self) -> str:
        """The file of the table."""
        return self.url.removesuffix(".tar") + MEMBERS_SUFFIX


@dataclass
class ShardIndex:
    """The content of an `index.json`. Without labels, `classes` is None."""

    shards: list[Shard]  # with absolute URLs
    classes: list[str] | None  # names in the order of the indices; a class without a name has its index as name

    def write(self, folder: Path):
        """Write `index.json` atomically."""
        content = {**KIND, "classes": self.classes, "shardlist": [asdict(shard) for shard in self.shards]}
        with whole_file(folder / INDEX_FILE) as file:
            file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def index_url(source: str) -> str | None:
    """The address of the `index.json` that a path or URL is or contains; None if there is none."""
    if PurePosixPath(source).suffix == ".json":
        return source
    if not is_address(source):
        return str(Path(source, INDEX_FILE)) if Path(source, INDEX_FILE).is_file() else None
    return None if PurePosixPath(source).suffix == ".tar" else f"{source.rstrip('/')}/{INDEX_FILE}"


def read_index(url: str) -> ShardIndex:
    """Read an `index.json` from a path or a URL of fsspec.

    Raises:
        ShardError: If it is not an index of shards, or it names a shard outside its own folder. The environment
            variable `ELSEWHERE` allows such shards.
    """
    written = read_bytes(url)
    try:
        content = json.loads(written)
        shards = [Shard(**entry) for entry in content["shardlist"]]
        classes = content["classes"]
        _check(shards, classes)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ShardError(
            f"'{url}' is not an index of shards as `lgi-former prepare shards` writes it ({error!r})."
        ) from error
    _refuse_elsewhere(shards, url)
    return ShardIndex([_located(shard, url) for shard in shards], classes)


def open_index(source: str) -> ShardIndex:
    """Read the index of a folder, an `index.json` or a URL. Raises a `ShardError` if there is none."""
    if (url := index_url(source)) is not None:
        return read_index(url)
    if Path(source).is_dir():
        raise ShardError(
            f"'{source}' has no {INDEX_FILE}: it is not a folder of shards, or some shards are missing. Check the "
            "path, or run its `lgi-former prepare shards` again, which continues where it stopped."
        )
    raise ShardError(f"'{source}' is not a folder of shards and not an {INDEX_FILE}. Check the path.")


def _check(shards: list[Shard], classes: list[str] | None):
    for shard in shards:
        if not isinstance(shard.url, str) or not all(map(_is_count, (shard.nsamples, shard.filesize))):
            raise ValueError(f"the shard {shard.url!r} of {shard.nsamples!r} videos and {shard.filesize!r} bytes")
        if not isinstance(shard.sha256, str) or not isinstance(shard.members_sha256, str):
            raise ValueError(f"the checksums of the shard {shard.url!r}")
    is_list = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if classes is not None and (not is_list or len(set(classes)) < len(classes)):
        raise ValueError(f"the classes {classes!r}")


def _is_count(value) -> bool:
    return type(value) is int and 0 <= value < 2**63


def lies_below_index(url: str) -> bool:
    """Whether the URL of a shard, as `index.json` has it, is a `.tar` file in the folder of the index or below it."""
    return _NAME_BELOW.fullmatch(url) is not None


def _refuse_elsewhere(shards: list[Shard], index: str):
    """Refuse shards outside the folder of the index. The index of a stranger could name any file or machine."""
    if os.environ.get(ELSEWHERE) == "1":
        return
    for shard in shards:
        if not lies_below_index(shard.url):
            raise ShardError(
                f"'{index}' names the shard {shard.url!r}, which is not a .tar file in the index's own folder. If you "
                f"trust the index, set the environment variable {ELSEWHERE}=1."
            )


def _located(shard: Shard, index: str) -> Shard:
    """The shard with its path or address, from its URL relative to that of the index."""
    if is_address(shard.url) or Path(shard.url).is_absolute():
        return shard
    if is_address(index):
        return replace(shard, url=f"{index.rpartition('/')[0]}/{shard.url}")
    return replace(shard, url=str(Path(index).parent / shard.url))


@functools.lru_cache(maxsize=CACHED_TABLES)
def read_members(shard: Shard) -> pa.Table:
    """The table of a shard, as in `MEMBERS`. Raises a `ShardError` if it differs from the table of the index."""
    content = read_bytes(shard.members_url)
    if hashlib.sha256(content).hexdigest() != shard.members_sha256:
        raise ShardError(f"'{shard.members_url}' is not the file that the index was made with. Copy both again.")
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        num_videos = file.metadata.num_rows
        # The number of rows is compared first, because a small file may hold many equal rows.
        members = file.read(MEMBERS.names).cast(MEMBERS) if num_videos == shard.nsamples else MEMBERS.empty_table()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ShardError(f"'{shard.members_url}' is not a table of videos: {str(error).splitlines()[0]}.") from error
    if num_videos != shard.nsamples:
        raise ShardError(
            f"'{shard.members_url}' lists {num_videos} videos, but the index says {shard.nsamples}. Make the index "
            "again with the command that made the shards."
        )
    _check_places(members, shard)
    return members


def _check_places(members: pa.Table, shard: Shard):
    """Refuse a table with videos that do not lie in their shard."""
    required = [members[name] for name in ("key", "path", "offset", "size")]
    first = pc.min(members["offset"]).as_py() or 0
    ends = pc.add(members["offset"], members["size"])
    is_right = (
        not any(column.null_count for column in required)
        and (pc.min(members["size"]).as_py() or 0) >= 0
        and (first >= tarfile.BLOCKSIZE or not len(members))
        and (pc.max(ends).as_py() or 0) <= shard.filesize
    )
    if not is_right:
        raise ShardError(
            f"'{shard.members_url}' places a video outside its shard of {shard.filesize} bytes. Make the index again "
            "with the command that made the shards."
        )


def read_bytes(url: str, start: int | None = None, end: int | None = None) -> bytes:
    """Read a file, or only its bytes from `start` to `end`.

    Raises:
        ShardError: If they cannot be read, or a whole file has more than `MAX_BYTES_OF_LIST`.
    """
    first = start or 0
    last = first + MAX_BYTES_OF_LIST + 1 if end is None else end
    try:
        content = _bytes_on_the_web(url, first, last) if is_url(url) else _bytes_of_fsspec(url, first, last)
    except FileNotFoundError as error:
        raise ShardError(f"There is no file '{url}'. Check the path.") from error
    except Exception as error:  # each file system has its own errors
        raise ShardError(f"'{url}' cannot be read: {error}. Check that it exists and is readable.") from error
    if end is None and len(content) > MAX_BYTES_OF_LIST:
        raise ShardError(f"'{url}' has more than {MAX_BYTES_OF_LIST} bytes. An index or a table is smaller.")
    return content


def _bytes_on_the_web(url: str, start: int, end: int) -> bytes:
    with WebFile(url, start, end) as file:
        return file.read()


def _bytes_of_fsspec(url: str, start: int, end: int) -> bytes:
    # Opened for every read, because connections do not survive a fork. fsspec caches them for each process.
    file_system, path = fsspec.url_to_fs(url)
    # File systems that are not asynchronous read more bytes than needed into a cache.
    options = {} if file_system.async_impl else {"cache_type": "none"}
    return file_system.cat_file(path, start, end, **options)


def sha256_of(url: str) -> str:
    """Checksum of a file, which is read in parts. Each file system has its own errors, local disks `OSError`."""
    with WebFile(url) if is_url(url) else fsspec.open(url) as file:
        return sha_fileobj(file).hex()
