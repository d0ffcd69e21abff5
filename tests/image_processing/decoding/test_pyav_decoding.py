from pathlib import Path

import av
import numpy as np
import pytest
import torch
from transformers.video_utils import VIDEO_DECODERS

from lgi_former.image_processing.decoding import pyav_decoding
from lgi_former.image_processing.decoding.frame_pixels import FrameConverter
from lgi_former.image_processing.decoding.pyav_decoding import read_by_packets, read_from_beginning
from lgi_former.image_processing.decoding.video_decoding import read_video


FRAMES = 60
OPTIONS = {"libx265": {"x265-params": "log-level=none"}, "libvpx": {"deadline": "realtime"}}


def encode(path, codec, options, gop_size):
    """Write a video of a moving pattern."""
    y, x = np.mgrid[0:64, 0:96]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.gop_size = gop_size
        for number in range(FRAMES):
            waves = 128 + 100 * np.sin((x + 3 * number) / 9) * np.cos((y - number) / 7)
            frame = np.stack([waves, 255 - waves, np.roll(waves, number, 0)], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


@pytest.fixture
def write_h264(tmp_path):
    """`write_h264(name, gop_size)`: path of a video with B-frames that are references."""

    def write(name="a.mp4", gop_size=250, **more_options):
        options = {"preset": "ultrafast", "bf": "3", "b-pyramid": "normal", "weightp": "0", **more_options}
        return encode(tmp_path / name, "libx264", options, gop_size)

    return write


@pytest.fixture
def write_hevc(tmp_path):
    """`write_hevc(name, parameters)`: path of a video with B-frames. Groups of pictures are open by default."""

    def write(name="a.mp4", parameters="open-gop=1"):
        parameters = f"{parameters}:min-keyint=3:bframes=3:log-level=none"
        return encode(tmp_path / name, "libx265", {"preset": "ultrafast", "x265-params": parameters}, gop_size=12)

    return write


@pytest.fixture
def remux(tmp_path):
    """`remux(whole, change)`: path of a copy of a video. `change(number, packet)` returns the new packet or None."""

    def write(whole, change):
        path = str(tmp_path / f"changed{Path(whole).suffix}")
        with av.open(whole) as source, av.open(path, "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            for packet in filter(None, map(change, range(len(packets)), packets)):
                packet.stream = stream
                target.mux(packet)
        return path

    return write


def hide_five(number, packet):
    """Write an edit list: the first frames are decoded but not shown."""
    packet.pts, packet.dts = packet.pts - 5 * 512, packet.dts - 5 * 512
    return packet


def hide_one(number, packet):
    """Mark a frame of VP8 as a reference that is not shown."""
    if number == 5:
        memoryview(packet)[0] &= ~0x10
    return packet


def leave_one_uncoded(number, packet):
    """Replace a frame of MPEG-4 by a header that repeats the frame before."""
    if number != 5:
        return packet
    header = av.Packet(b"\x00\x00\x01\xb6\x52\xcf")
    header.pts, header.dts, header.time_base = packet.pts, packet.dts, packet.time_base
    return header


def drop_the_first(number, packet):
    return packet if number > 0 else None


def mark_as_keyframe(number, packet):
    packet.is_keyframe = True
    return packet


def show_when_decoded(number, packet):
    packet.pts = packet.dts
    return packet


def show_two_at_once(number, packet):
    packet.pts += 512 * (number == 25)
    return packet


@pytest.fixture
def decoded(monkeypatch):
    """The times of all frames that `read_by_packets` decodes."""
    times = []
    decoded_between = pyav_decoding._decoded_between

    def counted(*args):
        for frame in decoded_between(*args):
            times.append(frame.pts)
            yield frame

    monkeypatch.setattr(pyav_decoding, "_decoded_between", counted)
    return times


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("gop_size", [12, 250])
@pytest.mark.parametrize("indices", [[0], [59], [1, 2, 3], [5, 21, 37, 53], [58, 59], range(60)], ids=str)
def test_frames_equal_those_of_decord(indices, gop_size, name, write_h264):
    path = write_h264(name, gop_size)
    frames, metadata = read_by_packets(path, lambda metadata: list(indices))
    expected, theirs = VIDEO_DECODERS["decord"](path, lambda metadata: list(indices))
    assert (frames == expected).all() and frames.dtype == np.uint8
    assert (metadata.total_num_frames, metadata.fps, metadata.video_backend) == (FRAMES, 25, "pyav")
    assert theirs.total_num_frames == FRAMES


def test_only_references_are_decoded(write_h264, decoded):
    read_by_packets(write_h264(), lambda metadata: [3, 19, 35])
    assert len(decoded) < 36 * 2 / 3  # of 36 frames up to the last one, without unused B-frames
    assert len(set(decoded)) == len(decoded)


@pytest.mark.parametrize(("indices", "most"), [([40, 45], 45 - 36 + 1), ([1, 40], 2 + 40 - 36 + 1)])
def test_decoding_begins_at_the_last_keyframe_before(indices, most, write_h264, decoded):
    read_by_packets(write_h264(gop_size=12), lambda metadata: indices)
    assert len(decoded) <= most


# decord returns other frames if groups of pictures are open, or if each picture refreshes only a part.
@pytest.mark.parametrize("parameters", ["open-gop=1:min-keyint=3", "intra-refresh=1"])
@pytest.mark.parametrize("indices", [[13, 30, 31, 59], [47]], ids=str)
def test_frames_are_exact_if_keyframes_are_not_boundaries(indices, parameters, write_h264):
    path = write_h264(gop_size=12, **{"x264-params": parameters})
    frames, _ = read_video(path, lambda metadata: np.array(indices))
    expected, _ = read_from_beginning(path, lambda metadata: indices)
    assert (frames == expected).all()


@pytest.mark.parametrize("parameters", ["open-gop=1", "open-gop=0", "open-gop=1:temporal-layers=3"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_of_hevc_are_exact(name, parameters, write_hevc, decoded):
    path, indices = write_hevc(name, parameters), [7, 11, 30, 31, 58]
    expected, _ = read_from_beginning(path, lambda metadata: indices)
    frames, metadata = read_video(path, lambda metadata: np.array(indices))
    assert (frames == expected).all()
    assert (metadata.total_num_frames, metadata.video_backend) == (FRAMES, "pyav")
    assert decoded  # not from the beginning


@pytest.mark.parametrize("num_threads", [1, 2])
def test_frames_do_not_depend_on_threads(num_threads, write_h264, monkeypatch):
    path, indices = write_h264(), [7, 30, 44]
    expected, _ = read_by_packets(path, lambda metadata: indices)
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    frames, _ = read_by_packets(path, lambda metadata: indices)
    assert (frames == expected).all()


@pytest.mark.parametrize(
    ("codec", "change", "reason"),
    [
        ("libx264", show_two_at_once, "not hold exactly one frame each"),
        ("libvpx", hide_one, "not hold exactly one frame each"),
        ("mpeg4", leave_one_uncoded, "not hold exactly one frame each"),
        ("libx265", drop_the_first, "does not begin with a keyframe"),
        ("libx265", show_when_decoded, "times at which they are decoded"),
        ("mpeg4", mark_as_keyframe, "marks other frames as keyframes"),
    ],
)
def test_unclear_packets_are_decoded_from_the_beginning(codec, change, reason, tmp_path, remux):
    name = "a.webm" if codec == "libvpx" else "a.mp4"
    path = remux(encode(tmp_path / name, codec, OPTIONS.get(codec, {}), gop_size=12), change)
    with pytest.raises(ValueError, match=reason):
        read_by_packets(path, lambda metadata: [15, 30])
    with av.open(path) as container:
        to_rgb = FrameConverter(container.streams.video[0])
        expected = [to_rgb(frame) for frame in container.decode(video=0)]
    frames, metadata = read_video(path, lambda metadata: np.array([15, 30]))
    assert (frames == np.stack(expected)[[15, 30]]).all()
    assert metadata.total_num_frames == len(expected)


@pytest.mark.parametrize("indices", [[0], [3, 10, 35], [54]], ids=str)
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_frames_of_a_video_with_an_edit_list_are_exact(codec, indices, tmp_path, remux):
    whole = encode(tmp_path / "a.mp4", codec, OPTIONS.get(codec, {}), gop_size=12)
    frames, metadata = read_by_packets(remux(whole, hide_five), lambda metadata: indices)
    expected, _ = read_by_packets(whole, lambda metadata: [5 + index for index in indices])
    assert (frames == expected).all() and metadata.total_num_frames == FRAMES - 5


def test_a_damaged_frame_is_decoded_from_the_beginning(write_h264):
    path = write_h264(gop_size=12)
    with av.open(path) as container:
        place = [packet for packet in container.demux(video=0) if packet.size][30].pos
    with open(path, "r+b") as file:
        file.seek(place + 40)
        file.write(b"damage")
    with pytest.raises(ValueError, match="damaged"):
        read_by_packets(path, lambda metadata: [35])
    frames, _ = read_video(path, lambda metadata: np.array([35]))
    expected, _ = read_from_beginning(path, lambda metadata: [35])
    assert (frames == expected).all()


@pytest.mark.parametrize(
    ("codec", "options"),
    [("mpeg4", {"bf": "2"}), ("mpeg2video", {"bf": "2"}), ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"})],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_of_other_codecs_are_exact(name, codec, options, tmp_path, decoded):
    # decord returns other frames of MPEG-4 and MPEG-2.
    path, indices = encode(tmp_path / name, codec, options, gop_size=12), [7, 11, 30, 31, 58]
    expected, _ = read_from_beginning(path, lambda metadata: indices)
    frames, metadata = read_video(path, lambda metadata: np.array(indices))
    assert (frames == expected).all() and metadata.total_num_frames == FRAMES
    assert decoded  # not from the beginning
