"""Files at http(s) addresses: limits of size and time, and no redirect from a public to a private machine."""

import contextlib
import io
import ipaddress
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from huggingface_hub import get_session


SILENCE = 30  # seconds without a byte from the server
MAX_REDIRECTS = 10
PARTIAL_CONTENT = 206  # status of an answer with a part of a file
ENCODINGS = ("", "identity", "gzip", "deflate")  # of answers; a few bytes of other ones may become gigabytes

MAX_BYTES, MAX_SECONDS = "LGI_FORMER_MAX_DOWNLOAD_BYTES", "LGI_FORMER_MAX_DOWNLOAD_SECONDS"
"""Environment variables with the limits of one download, so that they hold in all processes of a command."""

_DEFAULTS = {MAX_BYTES: 4_000_000_000, MAX_SECONDS: 1800}

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv6 addresses whose last 32 bits are an IPv4 address


class DownloadLimitError(ValueError):
    """A file is too large, takes too long, or is on a private machine. The message is the end of a sentence."""


def download_limit(variable: str) -> float:
    """The number in an environment variable, `MAX_BYTES` or `MAX_SECONDS`, or its default.

    Raises:
        DownloadLimitError: If it is not a positive number.
    """
    value = os.environ.get(variable) or _DEFAULTS[variable]
    try:
        limit = float(value)
    except ValueError:
        limit = 0
    if not limit > 0:
        raise DownloadLimitError(f"the environment variable {variable}={value} must be a positive number")
    return limit


def check_download(received: float, seconds: float = 0):
    """
    Raises:
        DownloadLimitError: If so many bytes or so many seconds are more than allowed.
    """
    if received > (limit := download_limit(MAX_BYTES)):
        raise DownloadLimitError(f"it has more than {limit:.0f} bytes. Set {MAX_BYTES} to allow more")
    if seconds >= (limit := download_limit(MAX_SECONDS)):
        raise DownloadLimitError(f"it is not complete after {limit:g} seconds. Set {MAX_SECONDS} to allow more")


class WebFile(io.RawIOBase):
    """The content at an http(s) address, as a file that is read once from its beginning.

    The limit counts the time of waiting for the server. It does not count the time between reads.

    Args:
        url: The address.
        start, end: Numbers of the first byte and of the byte after the last one. The default is the whole file.

    Raises:
        FileNotFoundError: If the server says that there is no such file.
        DownloadLimitError: If a limit is exceeded, or a public machine redirects to a private one. Reading may raise
            it, too.
        Exception: The error of the HTTP library if there is no answer, or the answer is an error.
    """

    def __init__(self, url: str, start: int = 0, end: int | None = None):
        self._stack = contextlib.ExitStack()
        self._chunk = memoryview(b"")
        self._clock: tuple[float, float | None] = 0.0, None  # seconds of earlier waits, and the start of this one
        self._sockets: list[socket.socket] = []
        self._is_finished = threading.Event()
        self._origin_is_private: bool | None = None
        seconds = download_limit(MAX_SECONDS)
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()
        try:
            with self._awaiting():
                response = self._answer(url, start, end)
        except BaseException:
            self.close()
            raise
        begin = 0 if response.status_code == PARTIAL_CONTENT else start  # some servers send the whole file
        self._chunks = _between(begin, None if end is None else begin + end - start, response.iter_bytes())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._chunk:
            with self._awaiting():
                self._chunk = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._chunk))
        buffer[:size] = self._chunk[:size]
        self._chunk = self._chunk[size:]
        return size

    def close(self):
        if not self.closed:
            self._is_finished.set()
            self._stack.close()
            for connection in self._sockets:
                connection.close()
        super().close()

    def _answer(self, url: str, start: int, end: int | None):
        """The response to a request. Redirects are followed."""
        # A new connection for each request, so that `_connected` sees it.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if (start, end) != (0, None):
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        # huggingface_hub's client uses the user's proxies and certificates and honours HF_HUB_OFFLINE.
        session, origin = get_session(), url
        for _ in range(MAX_REDIRECTS):
            request = session.stream(
                "GET",
                url,
                headers=headers,
                follow_redirects=False,
                timeout=SILENCE,
                extensions={"trace": self._connected},
            )
            response = self._stack.enter_context(request)
            if not response.has_redirect_location:
                return self._checked(response, url)
            url = str(response.next_request.url)
            if names_private_machine(url) and not names_private_machine(origin):
                raise _refused_redirect(url)
            self._stack.close()
        raise DownloadLimitError(f"the server redirects more than {MAX_REDIRECTS} times")

    def _checked(self, response, url: str):
        if response.status_code == 404:
            raise FileNotFoundError(f"the server answers 404 {response.reason_phrase}")
        if response.is_error:
            raise OSError(f"the server answers {response.status_code} {response.reason_phrase}")
        encoding = response.headers.get("Content-Encoding", "")
        if encoding.lower() not in ENCODINGS:
            raise OSError(f"the server sends it in the encoding '{encoding}', which is not read")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal():
            check_download(int(length))
        return response

    def _connected(self, event: str, info: dict):
        """Called by the HTTP library at each of its steps."""
        if event != "connection.connect_tcp.complete":
            return
        connection = info["return_value"].get_extra_info("socket")
        self._sockets.append(connection.dup())  # TLS replaces the socket itself
        # The name of a machine may have had another address when it was checked.
        is_private = not is_public(connection.getpeername()[0])
        if self._origin_is_private is None:
            self._origin_is_private = is_private
        elif is_private and not self._origin_is_private:
            raise _refused_redirect(connection.getpeername()[0])

    @contextlib.contextmanager
    def _awaiting(self) -> Iterator[None]:
        """Count the time of a `with` block. An error after the limit of time reports the limit."""
        self._clock = self._seconds(), time.monotonic()
        try:
            yield
        except Exception:
            check_download(0, self._seconds())
            raise
        finally:
            self._clock = self._seconds(), None
        check_download(0, self._seconds())

    def _seconds(self) -> float:
        waited, since = self._clock
        return waited + (0 if since is None else time.monotonic() - since)

    def _watch(self, limit: float):
        """Interrupt the connection after the limit of time. A server that sends single bytes never ends a wait."""
        while not self._is_finished.wait(min(max(limit - self._seconds(), 0.01), threading.TIMEOUT_MAX)):
            if self._seconds() >= limit:
                for connection in self._sockets:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                return


def _between(start: int, end: int | None, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes from `start` until before `end` in successive chunks. No chunk is empty.

    Raises:
        DownloadLimitError: If the chunks hold more bytes than allowed.
    """
    place = 0
    for chunk in chunks:
        part = chunk[max(start - place, 0) : None if end is None else end - place]
        place += len(chunk)
        check_download(place)
        if part:
            yield part
        if end is not None and place >= end:
            return


def _refused_redirect(target: str) -> DownloadLimitError:
    return DownloadLimitError(
        f"the server redirects to '{target}', which is on this machine or in a private network. Give this address "
        "itself if you want to read it"
    )


def names_private_machine(url: str) -> bool:
    """Whether the machine of an address has an address of this machine or of a private network."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None)
    except (OSError, UnicodeError):  # a proxy may find a machine that this one does not
        return False
    return not all(is_public(entry[4][0]) for entry in found)


def is_public(ip: str) -> bool:
    """Whether an IP address belongs to the public Internet."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if address.version == 6:
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _TRANSLATED:
            inner = ipaddress.ip_address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return address.is_global and not address.is_multicast


def limited_parts(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The parts of a file that another library fetches, with the limits of a download.

    Args:
        read: Returns at most so many bytes. Nothing means the end of the file.

    Raises:
        DownloadLimitError: If a limit is exceeded. A single call of `read` is not interrupted.
    """
    begin, received = time.monotonic(), 0
    while part := read(1 << 20):
        received += len(part)
        check_download(received, time.monotonic() - begin)
        yield part


def without_redirects(url: str) -> dict:
    """Options of fsspec for an address in another one, such as `simplecache::https://...`. It may not redirect."""
    inner = re.findall(r"(?i)::(https?)://", url)
    return {protocol.lower(): {"allow_redirects": False} for protocol in inner}
