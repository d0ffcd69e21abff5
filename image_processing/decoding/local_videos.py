"""The file of a video that is an address, a dictionary of `datasets`, bytes, or an open file.

All decoders read files and are chosen by the suffix, so the content of such a video becomes a temporary file.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from .frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from .video_decoding import VIDEO_SUFFIXES
from .video_sources import VideoReadError, check_file, is_file_url, is_url, local_path
from .web_files import limited_parts, without_redirects


_ADDRESS_SCHEME = "[A-Za-z][A-Za-z0-9+.-]+"
ADDRESS = f"^({_ADDRESS_SCHEME}::)*{_ADDRESS_SCHEME}://"
"""The beginning of an address of fsspec. A single letter is a drive of Windows: `D://clips/a.mp4` is a path."""


_BYTES = (bytes, bytearray, memoryview)


def has_content(video) -> bool:
    """Whether `local_video` makes a file of a video that is neither a path nor pixels."""
    return isinstance(encoded_video(video), (Mapping, *_BYTES)) or _is_file(video)


def encoded_video(video):
    """The video itself, or the dictionary that a decoded video of `datasets.Video` was made of."""
    encoded = getattr(video, "_hf_encoded", None)
    return video if encoded is None else encoded


def video_name(video) -> str:
    """The name of a video in lists and messages: its path, or a digest of its content if it has no path."""
    video = encoded_video(video)
    if isinstance(video, Mapping):
        video = video.get("path") or video.get("bytes") or None
    if isinstance(video, _BYTES):
        return f"{content_digest(video):x}"
    if _is_file(video):
        return _file_name(video) or type(video).__name__
    return str(video)


def content_digest(content: bytes) -> int:
    """A digest of 128 bits, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")


def is_address(video: str) -> bool:
    """Whether a video has an address (`https://`, `s3://`, `hf://`) instead of a path."""
    return re.match(ADDRESS, video) is not None


def format_suffix(name: str) -> str:
    """The suffix of a name in lower case if it is that of a video; otherwise empty, as for "Dr. Smith speaks"."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, FRAME_ARCHIVE_SUFFIX) else ""


@contextlib.contextmanager
def local_video(video, name: str | None = None) -> Iterator[str]:
    """The path of a file or folder of frames with the video, within a `with` block.

    Args:
        video: A path; an address of fsspec; `{"path": ..., "bytes": ...}`, where the bytes win and one of them may be
            missing or None; bytes; an open binary file; or a decoded video of `datasets.Video`.
        name: What messages call the video. Each `VideoReadError` of the block does, too.

    Raises:
        VideoReadError: If there is no video, or its content cannot be read.
        TypeError: If the video has another type.
    """
    name = video_name(video) if name is None else name
    path, content = _path_and_content(encoded_video(video), name)
    if content is None and (is_url(path) or is_file_url(path) or not is_address(path)):
        with local_path(path) as file:
            yield str(file)
    else:
        with tempfile.TemporaryDirectory() as folder:
            # Decoders may name the file in warnings.
            stem = re.sub(r"[^\w-]", "_", PurePosixPath(name).stem)[:60] or "video"
            file = Path(folder, stem + format_suffix(path or ""))
            file.write_bytes(_fetched(path) if content is None else content)
            try:
                check_file(file)
                yield str(file)
            except VideoReadError as error:
                raise VideoReadError(str(error).replace(str(file), name)) from error


def _path_and_content(video, name: str) -> tuple[str, None] | tuple[str | None, bytes]:
    if isinstance(video, (str, os.PathLike)):
        return os.fspath(video), None
    if isinstance(video, Mapping):
        return _parts(video)
    if isinstance(video, _BYTES):
        return None, bytes(video)
    if _is_file(video):
        return _file_name(video), _read(video, name)
    if video is None:
        raise VideoReadError(f"'{name}' has no video, unlike others of its data set.")
    raise TypeError(
        f"A row's video is a {type(video).__name__}, but should be a path or a value of "
        "`datasets.Video(decode=False)`. Turn decoding off with `decode(False)`, or let `load_videos` do it."
    )


def _parts(video: Mapping) -> tuple[str, None] | tuple[str | None, bytes]:
    """The path and the content in a dictionary."""
    path, content = video.get("path"), video.get("bytes")
    if not path and not content:
        keys = ", ".join(repr(key) for key in video) or "no keys"
        raise VideoReadError(
            f"A dictionary with {keys} has no video. It needs 'bytes', the content of a video file, or 'path'."
        )
    if path and not isinstance(path, (str, os.PathLike)):
        raise VideoReadError(f"The 'path' of a video is of type {type(path).__name__}. Give a string.")
    if content is not None and not isinstance(content, _BYTES):
        raise VideoReadError(
            f"The 'bytes' of a video are of type {type(content).__name__}. Give bytes, the content of a video file."
        )
    path = os.fspath(path) if path else None
    return (path, None) if content is None else (path, bytes(content))


def _is_file(video) -> bool:
    return callable(getattr(video, "read", None))


def _file_name(file) -> str | None:
    name = getattr(file, "name", None)  # a number for a file that was opened by its descriptor
    return name if isinstance(name, str) else None


def _read(file, name: str) -> bytes:
    """The whole content of an open file. It is read from its beginning if the file can seek."""
    try:
        if callable(getattr(file, "seekable", None)) and file.seekable():
            file.seek(0)
        content = file.read()
    except VideoReadError:
        raise
    except Exception as error:  # each kind of file has its own errors
        raise VideoReadError(f"'{name}' cannot be read: {error}.") from error
    if not isinstance(content, _BYTES):
        raise VideoReadError(
            f"'{name}' gives {type(content).__name__} instead of bytes. Open the file of the video with mode 'rb'."
        )
    return bytes(content)


def _fetched(url: str) -> bytes:
    try:
        import fsspec

        with fsspec.open(url, **without_redirects(url)) as file:
            return b"".join(limited_parts(file.read))
    except Exception as error:  # each file system has its own errors
        raise VideoReadError(f"{url!r} cannot be fetched: {error}.") from error
