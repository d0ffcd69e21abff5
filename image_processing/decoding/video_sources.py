"""The source of a video: a path, a `file:` address, or an http(s) address that is downloaded."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from .web_files import WebFile


class VideoReadError(ValueError):
    """A video cannot be read. The message says which one, what is wrong with it and what to do."""

    def __init__(self, message: str):
        super().__init__(without_passwords(message))


def without_passwords(message: str) -> str:
    """Remove user names and passwords from the addresses (`ftp://user:password@host`) in a message."""
    return re.sub(r"://[^\s/:@]*:[^\s/@]*@", "://", message)


def is_url(source: str) -> bool:
    """Whether a video must be downloaded."""
    return _scheme(source) in ("http", "https")


def is_file_url(source: str) -> bool:
    """Whether a source is the address of a file on this machine, such as `file:///videos/a%20b.mp4`."""
    return source[:6].lower() == "file:/"


def _scheme(source: str) -> str | None:
    match = re.match(r"([a-z][a-z0-9+.-]+)://", source, re.IGNORECASE)  # a single letter is a drive of Windows
    return match[1].lower() if match else None


@contextlib.contextmanager
def local_path(source: str) -> Iterator[Path]:
    """The path of a video within a `with` block. A `VideoReadError` in the block names the source.

    Args:
        source: A path, a `file:` address, or an http(s) address, which is downloaded first.

    Raises:
        VideoReadError: If the file or folder is missing, a file is empty or not a regular file, or the address cannot
            be read.
    """
    if not source:
        raise VideoReadError("The path of the video is empty. Give a file, a folder or an address.")
    if is_url(source):
        with download(source) as path:
            yield path
        return
    path = path_of_file_url(source) if is_file_url(source) else Path(source)
    if not is_file_url(source) and _scheme(source) and not path.exists():
        raise VideoReadError(
            f"'{source}' is an address of an unsupported type. Give http://, https:// or file://, or "
            "download the video and give its path."
        )
    check_file(path)
    yield path


def path_of_file_url(url: str) -> Path:
    """The path in a `file:` address.

    Raises:
        VideoReadError: If the address names another machine or no path, or holds an unescaped "?" or "#".
    """
    address = urlsplit(url)
    if address.netloc.lower() not in ("", "localhost"):
        raise VideoReadError(f"'{url}' names the machine '{address.netloc}'. Write file:/// for a local file.")
    if "?" in url or "#" in url:
        raise VideoReadError(f"'{url}' holds a '?' or '#'. Write %3F for '?' and %23 for '#' in a file: address.")
    if not address.path:
        raise VideoReadError(f"'{url}' names no file. Write file:/// and the path.")
    return Path(url2pathname(address.path))


@contextlib.contextmanager
def download(url: str) -> Iterator[Path]:
    """A file with the content of `url` within a `with` block. A `VideoReadError` in the block names the address.

    Raises:
        VideoReadError: If the address cannot be downloaded, its content is empty, or a limit of `web_files` is
            exceeded.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video").with_suffix(PurePosixPath(urlsplit(url).path).suffix)
        try:
            with WebFile(url) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file)
        except Exception as error:  # the classes depend on the HTTP library of the installed huggingface_hub
            raise VideoReadError(f"{url!r} cannot be downloaded: {error}. Check the address.") from error
        try:
            check_file(path)
            yield path
        except VideoReadError as error:
            raise VideoReadError(str(error).replace(str(path), url)) from error


def check_file(path: Path):
    """
    Raises:
        VideoReadError: If the file or folder does not exist, is a pipe, a socket or a device, or a file is empty.
    """
    if not path.exists():
        raise VideoReadError(f"There is no file or folder '{path}'. Check the path.")
    if path.is_dir():
        return
    if not path.is_file():
        # Opening a pipe would wait for another program, and a decoder must seek in a file.
        raise VideoReadError(
            f"'{path}' is a pipe, a socket or a device, but a file is needed. Save the video to a file first."
        )
    if path.stat().st_size == 0:
        raise VideoReadError(f"'{path}' is empty (0 bytes). Copy or download it again.")
