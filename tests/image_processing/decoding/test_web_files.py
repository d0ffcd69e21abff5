"""Downloads end: a server cannot fill the disk, let a command wait for ever or make it ask private machines."""

import contextlib
import http.server
import os
import threading
import time
import zlib

import numpy as np
import pytest

from lgi_former.image_processing import VideoReadError, open_frames, read_video
from lgi_former.image_processing.decoding import web_files
from lgi_former.image_processing.decoding.local_videos import local_video
from lgi_former.image_processing.decoding.web_files import MAX_BYTES, MAX_SECONDS, DownloadLimitError, WebFile


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its path says."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        with contextlib.suppress(OSError):
            getattr(self, self.path[1:].partition("/")[0].partition(".")[0])()

    def _begin(self, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def endless(self):
        self._begin()
        while True:
            self.wfile.write(bytes(1 << 16))

    def announced(self):
        self._begin(Content_Length="99999999999")

    def drip(self):
        self._begin()
        self._send_slowly(b"x" * 1000)

    def drip_headers(self):
        self._send_slowly(b"HTTP/1.1 200 OK\r\n" + b"X-Name: value\r\n" * 100)

    def drip_chunk_sizes(self):
        self._begin(Transfer_Encoding="chunked")
        self._send_slowly(b"1;" + b"x" * 1000)

    def _send_slowly(self, content):
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)

    def silent(self):
        time.sleep(5)

    def small(self):
        content = bytes(range(100))
        self._begin(Content_Length=str(len(content)))
        self.wfile.write(content)

    def encoded(self):
        content = zlib.compress(zlib.compress(bytes(10**6)))
        self._begin(Content_Encoding=self.path.partition(".")[2].replace("%20", " "), Content_Length=str(len(content)))
        self.wfile.write(content)

    def to(self):
        self.send_response(302)
        self.send_header("Location", self.path.removeprefix("/to/"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def loop(self):
        self.path = "/to//loop"
        self.to()


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def refusals(source):
    """The errors of both readers."""
    with pytest.raises(VideoReadError) as first:
        read_video(source, lambda metadata: np.array([0]))
    with pytest.raises(VideoReadError) as second, open_frames(source):
        pass
    return str(first.value), str(second.value)


@pytest.mark.parametrize("name", ["endless.mp4", "announced.mp4", "endless.png", "endless"])
def test_a_file_has_a_largest_size(name, address, monkeypatch):
    monkeypatch.setenv(MAX_BYTES, "1e6")
    for message in refusals(f"{address}/{name}"):
        assert f"{address}/{name}" in message and "more than 1000000 bytes" in message and MAX_BYTES in message


@pytest.mark.parametrize("name", ["drip", "drip_headers", "drip_chunk_sizes", "silent"])
def test_a_download_has_a_longest_time(name, address, monkeypatch):
    monkeypatch.setenv(MAX_SECONDS, "0.3")
    begin, threads = time.monotonic(), threading.active_count()
    with pytest.raises(VideoReadError, match=rf"{name}.*not complete after 0\.3 seconds.*{MAX_SECONDS}"):
        read_video(f"{address}/{name}.mp4", lambda metadata: np.array([0]))
    assert time.monotonic() - begin < 3
    assert threading.active_count() <= threads + 1  # the server's


@pytest.mark.parametrize("encoding", ["deflate, deflate", "br", "zstd"])
def test_an_answer_is_compressed_once_at_most(encoding, address):
    with pytest.raises(OSError, match=f"in the encoding '{encoding}', which is not read"):
        WebFile(f"{address}/encoded.{encoding}".replace(" ", "%20"))


def test_a_download_may_take_for_ever(address, monkeypatch):
    failed = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setenv(MAX_SECONDS, "inf")
    with WebFile(f"{address}/small") as file:
        assert file.read() == bytes(range(100))
    assert not failed


@pytest.mark.parametrize("value", ["much", "-1", "nan", "0"])
def test_a_limit_is_a_positive_number(value, address, monkeypatch):
    monkeypatch.setenv(MAX_BYTES, value)
    assert all("must be a positive number" in message for message in refusals(f"{address}/small.mp4"))


def test_only_the_time_of_waiting_counts(address, monkeypatch):
    monkeypatch.setenv(MAX_SECONDS, "0.3")
    with WebFile(f"{address}/small") as file:
        time.sleep(0.5)
        assert file.read() == bytes(range(100))


def test_a_part_is_read_from_a_server_that_sends_the_whole_file(address):
    with WebFile(f"{address}/small", 20, 50) as file:
        assert file.read() == bytes(range(20, 50))


def test_other_addresses_of_fsspec_have_limits_too(monkeypatch):
    import fsspec

    fsspec.filesystem("memory").pipe("/large.mp4", bytes(2000))
    monkeypatch.setenv(MAX_BYTES, "1000")
    with (
        pytest.raises(VideoReadError, match=r"memory://large\.mp4.*more than 1000 bytes"),
        local_video("memory://large.mp4"),
    ):
        pass


@pytest.mark.parametrize(
    ("ip", "expected"),
    {
        "8.8.8.8": True,
        "2606:4700::1111": True,
        "127.0.0.1": False,
        "127.9.9.9": False,
        "0.0.0.0": False,
        "10.1.2.3": False,
        "172.16.0.1": False,
        "192.168.1.1": False,
        "169.254.169.254": False,
        "100.64.0.1": False,
        "224.0.0.1": False,
        "::1": False,
        "::": False,
        "fe80::1%eth0": False,
        "fd00::1": False,
        "::ffff:127.0.0.1": False,
        "::ffff:8.8.8.8": True,
        "2002:7f00:1::": False,
        "64:ff9b::7f00:1": False,
        "64:ff9b::808:808": True,
    }.items(),
)
def test_public_addresses(ip, expected):
    assert web_files.is_public(ip) is expected


PRIVATE = ["127.0.0.2", "localhost", "2130706434", "0x7f000002", "127.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.2]"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_public_machine_does_not_redirect_to_a_private_one(host, address, monkeypatch):
    is_public = web_files.is_public
    monkeypatch.setattr(web_files, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    if host == "localhost":
        host = "127.0.0.3"
    port = address.rpartition(":")[2]
    for message in refusals(f"{address}/to/http://{host}:{port}/small"):
        assert "redirects to" in message and "private network" in message
    with WebFile(f"{address}/to/{address}/small") as file:
        assert len(file.read()) == 100


def test_a_name_that_changes_its_address_does_not_help(address, monkeypatch):
    # The check of the name passes, and the connection is private.
    monkeypatch.setattr(web_files, "names_private_machine", lambda url: False)
    is_public = web_files.is_public
    monkeypatch.setattr(web_files, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    port = address.rpartition(":")[2]
    with pytest.raises(DownloadLimitError, match="redirects to"):
        WebFile(f"{address}/to/http://127.0.0.2:{port}/small")


def test_a_user_may_name_a_private_machine(address):
    port = address.rpartition(":")[2]
    with WebFile(f"{address}/to/http://127.0.0.2:{port}/small") as file:
        assert len(file.read()) == 100


def test_redirects_end(address):
    with pytest.raises(DownloadLimitError, match="redirects more than 10 times"):
        WebFile(f"{address}/loop")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_download_leaves_no_connection(address):
    def read():
        with contextlib.suppress(Exception), WebFile(f"{address}/small") as file:
            file.read(10)

    read()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        read()
    time.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) <= before + 1
