"""The video of a data set's row: a path, an address that fsspec knows, a file in memory, or a part of a shard."""

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import fsspec
from datasets import Dataset, Value

from ...image_processing import VideoReadError
from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ...image_processing.decoding.video_sources import download, is_file_url, is_url, path_of_file_url
from .sharded_videos import StoredVideo


_SCHEME = "[A-Za-z][A-Za-z0-9+.-]+"
ADDRESS = f"^({_SCHEME}::)*{_SCHEME}://"
"""How addresses of fsspec begin. A single letter is a drive of Windows: `D://clips/a.mp4` is a path."""

RowVideo = str | dict | StoredVideo | None
"""A path or URL; `{"path": ..., "bytes": ...}`, of which one may be None, as `datasets.Video` without decoding holds
it; a video in a shard; or None where a row has no video."""


def video_name(video: RowVideo) -> str:
    """What a video is called in lists: its path or name, or a digest of its content if it has none."""
    if isinstance(video, StoredVideo):
        return video.name
    if isinstance(video, dict):
        return video["path"] or f"{content_digest(video['bytes'] or b''):x}"
    return str(video)


def is_address(video: str) -> bool:
    """Whether a video is at an address (`https://`, `s3://`, `hf://`), and not in a file or folder of this machine."""
    return re.match(ADDRESS, video) is not None


def format_suffix(name: str) -> str:
    """The suffix of a name, in lower case, if it tells the format of a video; otherwise nothing.

    What follows the last dot of a title ("Dr. Smith speaks") may be long, or no file name at all.
    """
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, FRAME_ARCHIVE_SUFFIX) else ""


def content_digest(content: bytes) -> int:
    """A number of 128 bits for some content, the same everywhere."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")


@contextlib.contextmanager
def local_video(video: RowVideo, name: str | None = None) -> Iterator[str]:
    """The path of a file or folder of frames with the video, within a `with` block.

    Args:
        video: The video of a row.
        name: What messages of a `VideoReadError` in the block call it; by default `video_name`.

    Raises:
        VideoReadError: If there is none, or it cannot be fetched.
        TypeError: If the row's data set decodes its videos.
    """
    name = video_name(video) if name is None else name
    path, content = _path_and_content(video, name)
    if content is None and is_url(path):
        with download(path) as file:
            yield str(file)
    elif content is None and is_file_url(path):
        yield str(path_of_file_url(path))
    elif content is None and not is_address(path):
        yield path
    else:
        # Through a file, because all decoders take files, and are chosen by its suffix.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, _file_name(name, format_suffix(path or "")))
            file.write_bytes(_fetched(path) if content is None else content)
            try:
                yield str(file)
            except VideoReadError as error:
                raise VideoReadError(str(error).replace(str(file), name)) from error


def _file_name(name: str, suffix: str) -> str:
    """A name for a temporary file by which a user recognises a video in warnings."""
    stem = re.sub(r"[^\w-]", "_", PurePosixPath(name).stem)[:60]
    return f"{stem or 'video'}{suffix}"


def holds_paths(videos) -> bool:
    """Whether the column `video` of a data set holds paths alone, and so may be read as a whole."""
    return isinstance(videos, Dataset) and videos.features["video"] == Value("string")


def count_distinct(sources: list) -> int:
    """Distinct videos of all data sets together. Those that are held in rows or shards are taken to be distinct."""
    paths = {path for videos in sources if holds_paths(videos) for path in videos["video"]}
    return len(paths) + sum(len(videos) for videos in sources if not holds_paths(videos))


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
        f"A row's video is a {type(video).__name__}, but should be a path or what `datasets.Video(decode=False)` "
        "holds. Turn decoding off with `decode(False)`, or let `load_annotations` do it."
    )


def _fetched(url: str) -> bytes:
    try:
        with fsspec.open(url) as file:
            return file.read()
    except Exception as error:  # every file system has its own
        raise VideoReadError(f"{url!r} cannot be fetched: {error}.") from error
