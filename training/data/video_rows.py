"""The video of a data set's row: a path, an address of fsspec, a file in memory, or a part of a shard."""

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import fsspec
from datasets import Dataset, Value

from ...image_processing import VideoReadError
from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ...image_processing.decoding.video_sources import is_file_url, is_url, local_path
from .sharded_videos import StoredVideo


_SCHEME = "[A-Za-z][A-Za-z0-9+.-]+"
ADDRESS = f"^({_SCHEME}::)*{_SCHEME}://"
"""The beginning of an address of fsspec. A single letter is a drive of Windows: `D://clips/a.mp4` is a path."""

RowVideo = str | dict | StoredVideo | None
"""A path or URL; `{"path": ..., "bytes": ...}` of `datasets.Video(decode=False)`, where one value may be None; a video
in a shard; or None in a row without a video."""


def video_name(video: RowVideo) -> str:
    """The name of a video in lists: its path, or a digest of its content if it has no path."""
    if isinstance(video, StoredVideo):
        return video.name
    if isinstance(video, dict):
        return video["path"] or f"{content_digest(video['bytes'] or b''):x}"
    return str(video)


def is_address(video: str) -> bool:
    """Whether a video has an address (`https://`, `s3://`, `hf://`) instead of a path."""
    return re.match(ADDRESS, video) is not None


def format_suffix(name: str) -> str:
    """The suffix of a name in lower case if it is that of a video; otherwise empty, as for "Dr. Smith speaks"."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, FRAME_ARCHIVE_SUFFIX) else ""


def content_digest(content: bytes) -> int:
    """A digest of 128 bits, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")


@contextlib.contextmanager
def local_video(video: RowVideo, name: str | None = None) -> Iterator[str]:
    """The path of a file or folder of frames with the video, within a `with` block.

    A row without a video raises a `VideoReadError`, a decoded video a `TypeError`. Each `VideoReadError` of the block
    names the video `name`, by default `video_name`.
    """
    name = video_name(video) if name is None else name
    path, content = _path_and_content(video, name)
    if content is None and (is_url(path) or is_file_url(path) or not is_address(path)):
        with local_path(path) as file:
            yield str(file)
    else:
        # A file, because all decoders read files and are chosen by the suffix.
        with tempfile.TemporaryDirectory() as folder:
            # Decoders may name the file in warnings.
            stem = re.sub(r"[^\w-]", "_", PurePosixPath(name).stem)[:60] or "video"
            file = Path(folder, stem + format_suffix(path or ""))
            file.write_bytes(_fetched(path) if content is None else content)
            try:
                yield str(file)
            except VideoReadError as error:
                raise VideoReadError(str(error).replace(str(file), name)) from error


def holds_paths(videos) -> bool:
    """Whether the column `video` of a data set holds only paths, so that it fits into memory."""
    return isinstance(videos, Dataset) and videos.features["video"] == Value("string")


def distinct_paths(sources: Sequence) -> dict[str, None]:
    """The distinct paths of all data sets that hold paths, in their order, as keys."""
    return dict.fromkeys(path for videos in sources if holds_paths(videos) for path in videos["video"])


def count_distinct(sources: Sequence) -> int:
    """The number of distinct videos of all data sets. Videos in rows and shards count as distinct."""
    return len(distinct_paths(sources)) + sum(len(videos) for videos in sources if not holds_paths(videos))


def _path_and_content(video: RowVideo, name: str) -> tuple[str | None, bytes | None]:
    if isinstance(video, str):
        return video, None
    if isinstance(video, StoredVideo):
        return video.name, video.read()
    if isinstance(video, dict) and (video["path"] or video["bytes"]):
        return video["path"], video["bytes"]
    if video is None or isinstance(video, dict):
        raise VideoReadError(f"'{name}' has no video, unlike others of its data set.")
    raise TypeError(
        f"A row's video is a {type(video).__name__}, but should be a path or a value of "
        "`datasets.Video(decode=False)`. Turn decoding off with `decode(False)`, or let `load_annotations` do it."
    )


def _fetched(url: str) -> bytes:
    try:
        with fsspec.open(url) as file:
            return file.read()
    except Exception as error:  # each file system has its own errors
        raise VideoReadError(f"{url!r} cannot be fetched: {error}.") from error
