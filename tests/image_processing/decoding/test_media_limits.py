"""Files that inflate, that name other files, or that are too large are refused in a sentence that names them."""

import http.server
import io
import struct
import threading
import zipfile
import zlib

import av
import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import VideoReadError, open_frames, read_video
from lgi_former.image_processing.decoding import animated_images, frame_pixels, media_limits
from lgi_former.image_processing.decoding.pyav_decoding import open_with_pyav


def refusals(source, backend=None):
    """The errors of both readers."""
    with pytest.raises(VideoReadError) as first:
        read_video(source, lambda metadata: np.array([0]), backend=backend)
    with pytest.raises(VideoReadError) as second, open_frames(source, backend=backend) as stream:
        _ = next(iter(stream)).image
    return str(first.value), str(second.value)


def png(width, height, extra=b""):
    """A PNG file of a few bytes that announces a size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


LARGE = [(30_000, 30_000), (10_000, 10_000), (1_000_000, 100)]


@pytest.mark.parametrize("size", LARGE, ids=str)
@pytest.mark.parametrize("where", ["a.png", "frames", "a.zip", "a"])
def test_a_picture_has_a_largest_size(where, size, tmp_path):
    path = tmp_path / where
    if where == "frames":
        path.mkdir()
        (path / "1.png").write_bytes(png(*size))
    elif where == "a.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("1.png", png(*size))
    else:
        path.write_bytes(png(*size))
    for message in refusals(path):
        assert str(path) in message and "pixels" in message and str(media_limits.MAX_PIXELS) in message


@pytest.mark.parametrize("format", ["bmp", "tiff", "webp", "jpeg"])
def test_other_pictures_have_a_largest_size_too(format, tmp_path, monkeypatch):
    monkeypatch.setattr(media_limits, "MAX_PIXELS", 800)
    Image.new("RGB", (64, 48)).save(tmp_path / f"a.{format}")
    if format != "jpeg":  # the fast decoder of JPEG has its own check
        assert all("64 x 48 pixels" in message for message in refusals(tmp_path / f"a.{format}"))


def test_a_frame_of_an_archive_does_not_inflate_without_end(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("1.png", "w") as file:
        file.write(png(8, 8))
        for _ in range(60):
            file.write(bytes(10_000_000))
    assert (tmp_path / "a.zip").stat().st_size < 1_000_000
    for message in refusals(tmp_path / "a.zip"):
        assert "1.png" in message and "at most 500000000 are allowed for a picture" in message


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp"])
def test_the_file_of_a_picture_has_a_largest_size(name, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    with (tmp_path / name).open("r+b") as file:
        file.truncate(50_000_000_000)  # a sparse file
    assert all(str(tmp_path / name) in message and "500000000" in message for message in refusals(tmp_path / name))


def test_an_animation_has_a_largest_number_of_pixels(tmp_path, monkeypatch):
    pictures = [Image.new("RGB", (64, 48), (25 * n, 0, 0)) for n in range(10)]
    for name in ("a.gif", "a.webp", "a.png"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    monkeypatch.setattr(media_limits, "MAX_ANIMATION_PIXELS", 64 * 48 * 9)
    for name in ("a.gif", "a.webp", "a.png"):
        assert all("has 10 pictures of 64 x 48 pixels" in message for message in refusals(tmp_path / name))


def test_an_animation_that_announces_billions_of_pictures_is_refused(tmp_path):
    count = struct.pack(">II", 2**31 - 1, 0)
    chunk = struct.pack(">I", 8) + b"acTL" + count + struct.pack(">I", zlib.crc32(b"acTL" + count))
    (tmp_path / "a.png").write_bytes(png(64, 48, chunk))
    assert all(str(tmp_path / "a.png") in message for message in refusals(tmp_path / "a.png"))


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "ffv1"])
def test_a_video_has_a_largest_size(codec, tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    monkeypatch.setattr(media_limits, "MAX_PIXELS", 3071)
    assert all(f"'{path}' has pictures of 64 x 48 pixels" in message for message in refusals(path))
    monkeypatch.setattr(frame_pixels, "check_pixels", lambda *size: None)  # as if the header announced less
    monkeypatch.setattr(frame_pixels, "MAX_PIXELS", 3071)
    assert all(str(path) in message and "cannot be decoded" in message for message in refusals(path))


# Files that name other files


@pytest.fixture
def asked():
    """The address of a server, and a list of the paths that were requested."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "list of HLS": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1280000\n{0}\n",
    "concat": "ffconcat version 1.0\nfile '{0}'\n",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "DASH": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{0}</BaseURL></MPD>',
}


@pytest.mark.parametrize("target", ["server", "file"])
@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.sdp", "a.txt", "a"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_not_followed(kind, name, target, asked, write_video, tmp_path):
    address, paths = asked
    named = f"{address}/secret.ts" if target == "server" else write_video("secret.ts", count=5)
    (tmp_path / name).write_text(PLAYLISTS[kind].format(named))
    for message in refusals(tmp_path / name):
        assert message.startswith(f"'{tmp_path / name}' is a playlist. It names other files, which are not read.")
    with pytest.raises((OSError, ValueError)):  # the second line of defence
        open_with_pyav(str(tmp_path / name))
    assert paths == []


def test_other_readers_do_not_follow_playlists(write_video, tmp_path):
    (tmp_path / "a.m3u8").write_text(PLAYLISTS["HLS"].format(write_video("secret.ts", count=5)))
    for backend in ("decord", "torchcodec"):
        pytest.importorskip(backend)
        assert all("is a playlist" in message for message in refusals(tmp_path / "a.m3u8", backend))


def test_pictures_that_are_just_small_enough_are_read(tmp_path, monkeypatch):
    content = io.BytesIO()
    Image.new("RGB", (64, 48)).save(content, "png")
    (tmp_path / "a.png").write_bytes(content.getvalue())
    monkeypatch.setattr(media_limits, "MAX_PIXELS", 64 * 48)
    monkeypatch.setattr(animated_images, "check_animation", None)  # not called for a picture
    frames, _ = read_video(tmp_path / "a.png", lambda metadata: np.array([0]))
    assert frames.shape == (1, 48, 64, 3)
