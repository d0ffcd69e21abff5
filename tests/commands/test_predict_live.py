"""`lgi-former predict --live`: growing files, pipes, UDP, cameras, Ctrl-C, lost and wrong sources."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from lgi_former import FacialExpressionPipeline
from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_classifier
from lgi_former.inference import live_source


@pytest.fixture
def live(finetuned, capsys):
    """`live(source, *options)`: the exit status, the entries, and what the command prints on stderr."""

    def run(source, *options, timeout=0.7):
        words = ["predict", "--live", str(source), "--model", finetuned, "--device", "cpu", "--no_crop_faces"]
        status = main([*words, "--timeout", str(timeout), *options])
        printed = capsys.readouterr()
        return status, [json.loads(line) for line in printed.out.splitlines()], printed.err

    return run


@pytest.fixture
def at_once():
    """`at_once(function, *arguments)`: runs a function in a thread. The test waits for the end of all threads."""
    threads = []

    def start(function, *arguments):
        threads.append(threading.Thread(target=function, args=arguments))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def encode(file, container, seconds=3, **options):
    """Write a noisy video, for an address in real time."""
    noise = np.random.default_rng(0).integers(0, 255, (25, 48, 64, 3), np.uint8)
    with av.open(str(file), "w", format=container, options={"flush_packets": "1", **options}) as output:
        stream = output.add_stream("flv" if container == "flv" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 5
        began = time.monotonic()
        for index in range(round(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(noise[index % 25])
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in stream.encode(frame):
                output.mux(packet)
            if container == "mpegts" and "://" in str(file):
                time.sleep(max(began + index / 25 - time.monotonic(), 0))
        output.mux(stream.encode())
    return file


def grow(path, content):
    """Write a file in parts, with pauses."""
    with open(path, "wb", buffering=0) as file:
        for part in np.array_split(np.frombuffer(content, np.uint8), 6):
            file.write(part.tobytes())
            time.sleep(0.1)


def assert_entries_of(video, entries, finetuned):
    model, processor = load_classifier(finetuned, "cpu")
    expected = FacialExpressionPipeline(model=model, video_processor=processor, device="cpu", crop_faces=False)(video)
    assert len(entries) == len(expected["timeline"]) > 5
    for entry, other in zip(entries, expected["timeline"], strict=True):
        assert entry.pop("scores") == pytest.approx(other.pop("scores"), abs=1e-6)
        assert entry == other


# Sources


@pytest.mark.parametrize("container", ["mpegts", "matroska", "flv", "mp4"])
def test_a_file_that_grows_has_the_entries_of_the_whole_file(container, live, finetuned, at_once, tmp_path):
    fragments = {"movflags": "frag_keyframe+empty_moov"} if container == "mp4" else {}
    whole = encode(tmp_path / "whole", container, **fragments)
    (tmp_path / "growing").touch()
    at_once(grow, tmp_path / "growing", whole.read_bytes())
    status, entries, messages = live(tmp_path / "growing")
    assert status == 0
    assert_entries_of(whole, entries, finetuned)
    assert f"3.0 seconds of video: {len(entries)} entries." in messages and "0 windows dropped" in messages


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("is_stdin", [True, False])
def test_a_pipe_has_the_entries_of_its_file(is_stdin, live, finetuned, at_once, tmp_path):
    whole = encode(tmp_path / "whole", "mpegts")
    if not is_stdin:
        os.mkfifo(tmp_path / "pipe")
        at_once(grow, tmp_path / "pipe", whole.read_bytes())
        status, entries, _ = live(tmp_path / "pipe")
    else:
        with _as_stdin(at_once, whole.read_bytes()):
            status, entries, _ = live("-")
    assert status == 0
    assert_entries_of(whole, entries, finetuned)


@contextlib.contextmanager
def _as_stdin(at_once, content):
    (reading, writing), before = os.pipe(), os.dup(0)
    os.dup2(reading, 0)
    at_once(grow, writing, content)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


@pytest.fixture
def address():
    """A free UDP address of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return f"udp://127.0.0.1:{free.getsockname()[1]}"


def test_a_stream_that_stops_is_lost(address, live, at_once, monkeypatch):
    opened = live_source.LiveSource._opened

    def open_and_send(source, stack):
        threading.Timer(0.2, at_once, (encode, f"{address}?pkt_size=1316", "mpegts")).start()
        return opened(source, stack)

    monkeypatch.setattr(live_source.LiveSource, "_opened", open_and_send)
    status, entries, messages = live(address, timeout=2)
    assert status == 1 and len(entries) >= 5
    assert all(entry["end"] - entry["start"] < 0.65 for entry in entries)
    assert f"lgi-former: '{address}' is lost: it gave nothing for 2 seconds. Check the address" in messages
    assert "seconds of video" in messages and "Delay after the end of a window: median" in messages


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_camera_is_read_until_the_user_ends_it(number, live, monkeypatch):
    # FFmpeg's device of test pictures takes the place of a camera. It is faster than real time, and has no end.
    monkeypatch.setattr(live_source, "_camera", lambda name: ("testsrc=size=64x64:rate=25", "lavfi", {}))
    handler, write, lines = signal.getsignal(signal.SIGTERM), sys.stdout.write, []

    def write_and_end(text):
        lines.extend(["line"] * text.startswith("{"))
        if len(lines) == 3:
            signal.raise_signal(getattr(signal, number))
        return write(text)

    monkeypatch.setattr(sys.stdout, "write", write_and_end)
    status, entries, messages = live("0")
    assert status == 0 and len(entries) >= 2
    assert [entry["start"] for entry in entries] == pytest.approx([0.32 * index for index in range(len(entries))])
    assert "seconds of video" in messages and "lgi-former:" not in messages
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("platform", "name", "expected"),
    [
        ("linux", "1", ("/dev/video1", "v4l2", {})),
        ("linux", "/dev/video0", ("/dev/video0", "v4l2", {})),
        ("darwin", "0", ("0", "avfoundation", {"framerate": "30"})),
        ("win32", "video=HD Camera", ("video=HD Camera", "dshow", {})),
        ("win32", "0", "'0' is no camera of this platform. Write video=NAME"),
        ("linux", "video=HD Camera", "'video=HD Camera' is no camera of this platform. Write 0 or /dev/video0"),
        ("aix", "0", "Cameras cannot be read on the platform aix"),
    ],
)
def test_cameras_have_the_names_of_their_platform(platform, name, expected, monkeypatch):
    monkeypatch.setattr(live_source.sys, "platform", platform)
    if isinstance(expected, tuple):
        assert live_source._camera(name) == expected
    else:
        with pytest.raises(ValueError, match=expected):
            live_source._camera(name)


# Errors


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.ts", "There is no file 'missing.ts'"),
        (".", "'.' is a folder or a socket"),
        ("gopher://a/b", "'gopher://a/b' is an address of an unknown type. Use rtsp,"),
        ("empty.ts", "'empty.ts' cannot be opened: it gave nothing for 0.7 seconds. A file that grows"),
        ("text.ts", "'text.ts' cannot be opened: Invalid data found"),
        ("plain.mp4", "'plain.mp4' cannot be opened: Invalid data found .* or MP4 in fragments."),
        ("sound.wav", "'sound.wav' cannot be used: it has no video stream"),
        ("rtsp://me:secret@127.0.0.1:1/a", "'rtsp://127.0.0.1:1/a' cannot be opened: Connection refused. Check the"),
        ("http://127.0.0.1:1/a", "'http://127.0.0.1:1/a' cannot be opened: Connection refused. Check the address"),
        ("/dev/video97", "'/dev/video97' cannot be opened: .* Check that the camera is connected"),
    ],
)
def test_a_wrong_source_is_a_sentence(source, message, live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.ts").touch()
    (tmp_path / "text.ts").write_text("not a video" * 100)
    content = encode(tmp_path / "plain.mp4", "mp4").read_bytes()
    (tmp_path / "plain.mp4").write_bytes(content[: len(content) // 2])  # its index is at the end
    with av.open("sound.wav", "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), "s16", "mono")
        sound.rate = 8000
        output.mux(stream.encode(sound))
    status, entries, messages = live(source)
    assert (status, entries) == (2, [])
    assert messages.startswith("lgi-former: ") and messages.count("\n") == 1
    assert re.search(message, messages)


@pytest.mark.parametrize(
    "options",
    [
        ["a.mp4"],
        ["--sample"],
        ["--csv"],
        ["--top_k", "2"],
        ["--output", "results"],
        ["--timeline", "a.png"],
        ["--annotate", "a.mp4"],
        ["--overwrite"],
        ["--num_segments", "2"],
        ["--frame_rate", "25"],
        ["--backend", "pyav"],
        ["--frame_order", "name"],
    ],
)
def test_options_of_videos_are_refused(options, live, capsys):
    with pytest.raises(SystemExit) as ended:
        live("0", *options)
    assert ended.value.code == 2
    assert ("videos" if options[0] in ("a.mp4", "--sample") else options[0]) in capsys.readouterr().err


def test_options_of_live_video_need_it(finetuned, video, capsys):
    for words in ([video, "--model", finetuned, "--timeout", "3"], ["--live", "0"]):
        with pytest.raises(SystemExit):
            main(["predict", *words])
    messages = capsys.readouterr().err
    assert "--timeout is for --live" in messages and "--live needs a --model" in messages
