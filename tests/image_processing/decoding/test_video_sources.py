"""Paths and addresses of videos are read or refused with an error. Nothing waits for ever."""

import os
import socket

import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import VideoReadError, open_frames, read_video
from lgi_former.image_processing.decoding.local_videos import local_video


def take_first(metadata):
    return np.array([0])


def shapes(source):
    """The shape of the first frame from both readers."""
    frames, _ = read_video(source, take_first)
    with open_frames(source) as stream:
        return frames.shape[1:], next(iter(stream)).image.shape


def refusals(source):
    """The errors of both readers."""
    with pytest.raises(VideoReadError) as first:
        read_video(source, take_first)
    with pytest.raises(VideoReadError) as second, open_frames(source) as stream:
        _ = next(iter(stream)).image
    return str(first.value), str(second.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.gif", "a.zip", "a"])
def test_a_named_pipe_is_refused(name, tmp_path):
    os.mkfifo(tmp_path / name)
    for message in refusals(tmp_path / name):
        assert message.startswith(f"'{tmp_path / name}' is a pipe, a socket or a device")


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs devices")
def test_devices_and_sockets_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("a.mp4")
        for source in ("/dev/null", "/dev/zero", "a.mp4"):
            assert all("is a pipe, a socket or a device" in message for message in refusals(source))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_among_frames_is_refused(tmp_path):
    os.mkfifo(tmp_path / "1.png")
    assert all("1.png' is not a file" in message for message in refusals(tmp_path))


@pytest.mark.parametrize("form", ["file://{}", "FILE://{}", "file://localhost{}"])
def test_file_addresses_are_read(form, write_video, tmp_path):
    folder = tmp_path / "with spaces"
    folder.mkdir()
    path = write_video("a.mp4").rename(folder / "ä 100%.mp4")
    source = form.format(path.as_uri().removeprefix("file://"))
    assert "%20" in source
    assert shapes(source) == ((48, 64, 3), (48, 64, 3))
    with local_video(source) as found:
        assert found == str(path)


def test_a_folder_may_be_a_file_address(write_frames):
    assert shapes(write_frames("frames").as_uri()) == ((48, 64, 3), (48, 64, 3))


def test_the_case_of_an_address_does_not_matter(write_video, tmp_path, serve):
    write_video("a.mp4")
    Image.new("RGB", (64, 48)).save(tmp_path / "b.png")
    with serve(tmp_path) as address:
        for name in ("a.mp4", "b.png"):
            assert shapes(f"{address.replace('http', 'HTTP')}/{name}") == ((48, 64, 3), (48, 64, 3))


@pytest.mark.parametrize("source", ["rtsp://u:secret@host/x", "FTP://host/x.mp4", "s3://bucket/x.mp4", "hf://a/b.mp4"])
def test_other_addresses_are_refused(source):
    for message in refusals(source):
        assert "is an address of an unsupported type" in message and "https://" in message
        assert "secret" not in message


def test_missing_file_addresses_are_refused(tmp_path):
    assert all("There is no file" in message for message in refusals((tmp_path / "a.mp4").as_uri()))
    assert all("'server'" in message for message in refusals("file://server/a.mp4"))


PROTOCOLS = [
    "a:b.mp4",
    "concat:a.mp4",
    "pipe:0",
    "http:a.mp4",
    "file:a.mp4",
    "data:a.mp4",
    "subfile,,start,0,end,0,,:a.mp4",
]


@pytest.mark.skipif(os.name == "nt", reason="names of Windows hold no colon")
@pytest.mark.parametrize("name", [*PROTOCOLS, "-a.mp4", "100%.mp4", "a%03d.mp4", "a #1 ?.mp4", "a\nb.mp4"])
def test_a_relative_path_is_a_file_and_not_a_protocol(name, write_video, tmp_path, monkeypatch):
    write_video("a.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert shapes(name) == ((48, 64, 3), (48, 64, 3))


def test_an_empty_path_is_not_the_current_folder(write_frames, monkeypatch):
    monkeypatch.chdir(write_frames("frames"))
    assert all("path of the video is empty" in message for message in refusals(""))
    assert all("names no file" in message for message in refusals("file://"))


def test_a_file_address_may_have_one_slash(write_frames):
    frames = write_frames("frames")
    assert shapes(f"file:{frames}") == shapes(f"FILE:{frames}") == ((48, 64, 3), (48, 64, 3))


@pytest.mark.parametrize("mark", ["?", "#"])
def test_a_file_address_with_a_query_or_fragment_is_refused(mark, write_frames, tmp_path):
    write_frames("a")  # must not be read instead of the named folder
    source = f"{tmp_path.as_uri()}/a{mark}b"
    assert all("holds a '?' or '#'" in message for message in refusals(source))
    assert shapes(write_frames(f"a{mark}b").as_uri()) == ((48, 64, 3), (48, 64, 3))
    assert shapes(f"{write_frames('a;b').parent.as_uri()}/a;b") == ((48, 64, 3), (48, 64, 3))


def test_addresses_with_a_query_and_missing_addresses(write_video, serve, tmp_path):
    write_video("a;b.mp4")
    with serve(tmp_path) as address:
        assert shapes(f"{address}/a;b.mp4?token=1") == ((48, 64, 3), (48, 64, 3))
        assert all("404" in message for message in refusals(f"{address}/missing.mp4"))
