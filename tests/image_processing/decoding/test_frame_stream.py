"""`open_frames` returns all frames of a video with their times, or refuses the video."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from lgi_former.image_processing import (
    FrameStream,
    TimedFrame,
    VideoReadError,
    open_frames,
    read_video,
    sample_in_time,
)
from lgi_former.image_processing.decoding.frame_pixels import FrameConverter


def read_all(video, **options):
    """Indices, times and pixels of all frames."""
    with open_frames(video, **options) as stream:
        frames = [(frame.index, frame.time, frame.image) for frame in stream]
    indices, times, images = zip(*frames, strict=True)
    return list(indices), np.array(times), np.stack(images)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx")])
def test_frames_of_a_file_come_in_order_with_their_times(name, codec, write_video, read_numbers):
    path = write_video(name, codec=codec)
    indices, times, images = read_all(path)
    assert indices == read_numbers(images).tolist() == list(range(60))
    assert times == pytest.approx(np.arange(60) / 25, abs=1e-3)
    with open_frames(path) as stream:
        assert stream.frame_rate == 25
        assert stream.duration == pytest.approx(2.4, abs=0.05)


def test_a_cover_picture_before_the_video_is_ignored(write_after_cover, numbered_frames, read_numbers):
    path = write_after_cover(numbered_frames(10)[:8], cover=numbered_frames(10)[9])
    assert read_numbers(read_all(path)[2]).tolist() == list(range(8))
    assert read_video(path, lambda metadata: np.arange(metadata.total_num_frames))[1].total_num_frames == 8


def test_pixels_are_converted_only_on_request(write_video, monkeypatch):
    converted = []
    to_rgb = FrameConverter.__call__

    def counted(self, frame, *args):
        converted.append(frame.pts)
        return to_rgb(self, frame, *args)

    monkeypatch.setattr(FrameConverter, "__call__", counted)
    with open_frames(write_video("a.mp4")) as stream:
        for frame in stream:
            if frame.index == 7:
                _ = frame.image, frame.image
    assert len(converted) == 1


@pytest.mark.parametrize(("options", "frame_rate"), [({}, 25), ({"frame_rate": 10}, 10)])
def test_the_frame_rate_of_folders_is_an_option(options, frame_rate, write_frames, read_numbers):
    indices, times, images = read_all(write_frames("frames", count=10), **options)
    assert read_numbers(images).tolist() == indices == list(range(10))
    assert times == pytest.approx(np.arange(10) / frame_rate)


@pytest.mark.parametrize(
    "make",
    [
        lambda frames: frames,
        lambda frames: torch.from_numpy(frames).permute(0, 3, 1, 2),
        lambda frames: frames.astype(np.float32),
        lambda frames: [Image.fromarray(frame) for frame in frames],
        lambda frames: frames[..., :1],
    ],
    ids=["numpy", "channels first", "floats", "images", "one channel"],
)
def test_arrays_and_lists_of_images_are_read_frame_by_frame(make, numbered_frames):
    frames = numbered_frames(12)
    _, times, images = read_all(make(frames))
    assert images.dtype == np.uint8 and (images == frames).all()
    assert times[-1] == pytest.approx(11 / 25)


def test_a_single_image_is_a_video_of_one_frame(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "face.png")
    indices, times, images = read_all(tmp_path / "face.png")
    assert (indices, times.tolist(), images.shape) == ([0], [0], (1, 48, 64, 3))


def test_a_url_is_downloaded(write_video, tmp_path, read_numbers, serve):
    write_video("a.mp4")
    with serve(tmp_path) as address:
        _, _, images = read_all(f"{address}/a.mp4")
        assert read_numbers(images).tolist() == list(range(60))
        with pytest.raises(VideoReadError, match=r"http.*missing\.mp4.*404"):
            read_all(f"{address}/missing.mp4")


@pytest.fixture
def write_packets(tmp_path, numbered_frames):
    """`write_packets(milliseconds)`: path of a new video with a frame at each time. Frames `broken` are damaged."""

    def write(milliseconds, broken=()):
        with av.open(str(tmp_path / "packets.mkv"), "w") as container:
            stream = container.add_stream("mjpeg", rate=25)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for number, image in enumerate(numbered_frames(len(milliseconds))):
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                    written = av.Packet(bytes(100) if number in broken else bytes(packet))
                    written.stream, written.time_base, written.is_keyframe = stream, Fraction(1, 1000), True
                    written.pts = written.dts = milliseconds[number]
                    container.mux(written)
        return tmp_path / "packets.mkv"

    return write


def test_damaged_packets_are_skipped(write_packets, read_numbers):
    path = write_packets(range(0, 400, 40), broken=(3, 4))
    with av.open(str(path)) as container, pytest.raises(av.error.InvalidDataError):
        list(container.decode(video=0))
    _, times, images = read_all(path)
    assert read_numbers(images).tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
    assert times.tolist() == pytest.approx([0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32, 0.36])


def test_timestamps_may_be_uneven_and_start_anywhere_but_not_jump_by_hours(write_packets):
    _, times, _ = read_all(write_packets([5000, 5040, 5200, 5240, 9_000_000, 9_000_040]))
    assert times.tolist() == pytest.approx([0, 0.04, 0.2, 0.24, 0.28, 0.32])


@pytest.mark.parametrize(
    ("frame_rate", "expected"),
    [(2, [0, 0, 0, 1, 1, 2, 2, 2]), (5, [0, 1, 2, 3, 4, 5, 6, 7]), (25, [0, 5, 10, 15])],
    ids=["slow", "as fast", "fast"],
)
def test_sampling_in_time_returns_the_displayed_frame(frame_rate, expected):
    count = {2: 3, 5: 8, 25: 20}[frame_rate]
    frames = (TimedFrame(i, i / frame_rate, lambda i=i: i) for i in range(count))
    sampled = list(sample_in_time(FrameStream(frames, frame_rate, count), 0.2))
    assert [frame.index for frame in sampled] == [frame.image for frame in sampled] == expected
    assert [frame.time for frame in sampled] == pytest.approx([0.2 * k for k in range(len(expected))])


# Failures


def assert_cannot_open(video, *said):
    with pytest.raises(ValueError) as raised:
        read_all(video)
    for part in said:
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_not_videos_are_refused(tmp_path):
    assert_cannot_open(tmp_path / "missing.mp4", "missing.mp4", "no file or folder")
    (tmp_path / "empty.mp4").touch()
    assert_cannot_open(tmp_path / "empty.mp4", "empty.mp4", "0 bytes")
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    assert_cannot_open(tmp_path / "text.mp4", "text.mp4", "not a video")
    assert_cannot_open(tmp_path, "holds no frames")


def test_several_videos_and_scaled_pixels_are_refused(numbered_frames):
    frames = numbered_frames(4)
    assert_cannot_open(np.stack([frames, frames]), "One video", "2 were given")
    assert_cannot_open(frames / 255, "0 to 255")


def test_a_black_video_of_floats_is_a_video():
    _, _, images = read_all(np.zeros((3, 8, 8, 3), np.float32))
    assert images.shape == (3, 8, 8, 3) and not images.any()


@pytest.mark.parametrize("frame_rate", [0, -1, float("nan"), float("inf")])
def test_an_impossible_frame_rate_is_refused(frame_rate, write_frames):
    with pytest.raises(ValueError, match="must be a positive number of frames per second"):
        open_frames(write_frames("frames"), frame_rate).__enter__()
