"""Where a video comes from: a path, a `file:` address, or an http(s) address that is downloaded."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from huggingface_hub import get_session


DOWNLOAD_TIMEOUT = 30  # seconds without a byte from the server

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
"""The beginning of an address. A single letter would be a drive of Windows."""


class VideoReadError(ValueError):
    """A video could not be read. The message says which one, what is wrong with it and what to do."""

    def __init__(self, message: str):
        super().__init__(without_passwords(message))


def without_passwords(message: str) -> str:
    """A message without the user names and passwords of addresses (`ftp://user:password@host`)."""
    return re.sub(r"://[^\s/:@]*:[^\s/@]*@", "://", message)


def is_url(source: str) -> bool:
    """Whether a video is to be downloaded."""
    return _scheme(source) in ("http", "https")


def is_file_url(source: str) -> bool:
    """Whether a video is a file of this machine that is written as an address, as in `file:///videos/a%20b.mp4`."""
    return source[:6].lower() == "file:/"


def _scheme(source: str) -> str | None:
    match = ADDRESS.match(source)
    return match[1].lower() if match else None


@contextlib.contextmanager
def local_path(source: str) -> Iterator[Path]:
    """The path of a video within a `with` block; messages of `VideoReadError` in it name the source.

    Args:
        source: A path, a `file:` address, or an http(s) address, whose file is downloaded first.

    Raises:
        VideoReadError: If there is no file or folder, it is empty, a pipe or a device, or the address cannot be read.
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
            f"'{source}' is an address of a kind that is not read here. Give http://, https:// or file://, or "
            "download the video and give its path."
        )
    check_file(path)
    yield path


def path_of_file_url(url: str) -> Path:
    """The path that a `file:` address names.

    Raises:
        VideoReadError: If it names another machine or no path, or holds a "?" or "#" that is not escaped.
    """
    address = urlsplit(url)
    if address.netloc.lower() not in ("", "localhost"):
        raise VideoReadError(f"'{url}' names the machine '{address.netloc}'. Write file:/// for a file of this one.")
    if "?" in url or "#" in url:
        raise VideoReadError(f"'{url}' holds a '?' or '#'. Write %3F for '?' and %23 for '#' in a file: address.")
    if not address.path:
        raise VideoReadError(f"'{url}' names no file. Write file:/// and the path.")
    return Path(url2pathname(address.path))


@contextlib.contextmanager
def download(url: str) -> Iterator[Path]:
    """A file with what is at `url`, within a `with` block; messages of `VideoReadError` in it name the address.

    Raises:
        VideoReadError: If it cannot be downloaded, or is empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video").with_suffix(PurePosixPath(urlsplit(url).path).suffix)
        try:
            _download_to(path, url)
        except Exception as error:  # which class depends on the HTTP library of the installed huggingface_hub
            raise VideoReadError(f"{url!r} cannot be downloaded: {error}. Check the address.") from error
        try:
            check_file(path)
            yield path
        except VideoReadError as error:
            raise VideoReadError(str(error).replace(str(path), url)) from error


def _download_to(path: Path, url: str):
    # huggingface_hub's client knows proxies and certificates of the user's set-up and honours HF_HUB_OFFLINE.
    with (
        get_session().stream("GET", url, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT) as response,
        path.open("wb") as file,
    ):
        if response.is_error:
            raise VideoReadError(f"the server answers {response.status_code} {response.reason_phrase}")
        for chunk in response.iter_bytes():
            file.write(chunk)


def check_file(path: Path):
    """
    Raises:
        VideoReadError: If there is no such file or folder, it is a pipe, a socket or a device, or a file is empty.
    """
    if not path.exists():
        raise VideoReadError(f"There is no file or folder '{path}'. Check the path.")
    if path.is_dir():
        return
    if not path.is_file():
        # Opening a pipe would wait for whoever writes to it, and a decoder has to move to and fro in a file.
        raise VideoReadError(
            f"'{path}' is a pipe, a socket or a device, but a file is needed. Save the video to a file first."
        )
    if os.path.getsize(path) == 0:
        raise VideoReadError(f"'{path}' is empty (0 bytes). Copy or download it again.")
