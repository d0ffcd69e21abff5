"""`start` and `end`: only this part of a video is decoded, and times stay times in the video."""

import io
import math

import av
import numpy as np
import pytest
import torch
from PIL import Image

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video, sample_in_time
from lgi_former.image_processing.decoding import pyav_decoding, video_frames
from lgi_former.image_processing.decoding.section import Section


def read_section(video, **options):
    """Indices, times and pixels of the frames of a section, and the stream."""
    with open_frames(video, **options) as stream:
        frames = [(frame.index, frame.time, frame.image) for frame in stream]
    indices, times, images = zip(*frames, strict=True)
    return list(indices), np.array(times), np.stack(images), stream


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (0, 0),
        (90.5, 90.5),
        (np.float32(2), 2),
        ("90", 90),
        ("90.5", 90.5),
        (".5", 0.5),
        ("1:30", 90),
        ("01:30.25", 90.25),
        ("90:00", 5400),
        ("1:02:03", 3723),
        ("100:59:59.9", 363599.9),
    ],
)
def test_times_are_seconds_or_minutes_or_hours(time, seconds):
    assert Section.of(time, None) == (seconds, math.inf)


@pytest.mark.parametrize(
    "time",
    [
        *(-1, math.nan, math.inf, True, [1], np.array([1.0]), b"1"),
        *(
            "",
            " ",
            "-1",
            "nan",
            "inf",
            "1e3",
            "1_0",
            "1:75",
            "1:60",
            "1:60:00",
            "1:2:3:4",
            "1:-5",
            ":30",
            "1:",
            "1:3:",
        ),
        *("5s", "1.5:30", "1,5", "\u0661:30"),
    ],
)
@pytest.mark.parametrize("option", ["start", "end"])
def test_other_times_are_refused(option, time):
    with pytest.raises(ValueError, match=rf"{option}=.* is not a time in a video\. Give seconds \(90\.5\)"):
        Section.of(**{"start": None, "end": None} | {option: time})


@pytest.mark.parametrize(("start", "end"), [(2, 2), (3, 2), ("1:00", 59.9), (None, 0), (0, "0:00"), (1, 1.001)])
def test_the_end_must_be_later_than_the_start(start, end, write_video):
    video = write_video("a.mp4")
    for read in (
        lambda **section: open_frames(video, **section).__enter__(),
        lambda **section: read_video(video, every_frame, **section),
        lambda **section: LGIFormerVideoProcessor()(video, **section),
    ):
        with pytest.raises(ValueError, match="must be later than start"):
            read(start=start, end=end)


def copy(source, target, change=lambda number, packet: packet, options=None):
    """Copy a video packet by packet. `change` gets the number of a packet and the packet, and returns a packet."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options or {}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            packet = change(number, packet)
            packet.stream = stream
            new.mux(packet)
    return target


@pytest.fixture
def decoded(monkeypatch):
    """The numbers of frames that are decoded after a seek and from the beginning, as lists."""
    found = {"_decoded_between": [], "decoded_frames": []}

    def counted(name, decode):
        def run(*args):
            for frame in decode(*args):
                found[name].append(frame.pts)
                yield frame

        return run

    for module, name in ((pyav_decoding, "_decoded_between"), (video_frames, "decoded_frames")):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    return found


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_decoding_begins_at_the_keyframe_before_and_stops_at_the_end(name, write_video, read_numbers, decoded):
    indices, times, images, stream = read_section(write_video(name), start=1.6, end="0:01.8")
    assert indices == read_numbers(images).tolist() == [40, 41, 42, 43, 44]
    assert times == pytest.approx(np.arange(40, 45) / 25, abs=1e-3)
    assert (stream.start, stream.passed, stream.duration) == (1.6, 1.8, pytest.approx(0.2))
    assert len(decoded["_decoded_between"]) <= 5 + 12  # a keyframe comes at least every 12 frames
    assert not decoded["decoded_frames"]


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mkv", {"live": "1"}), ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}), ("a.flv", {})],
)
def test_files_without_an_index_have_the_same_sections(name, options, write_video, read_numbers, tmp_path):
    whole = write_video(name, codec="flv" if name == "a.flv" else "mpeg4")
    path = copy(whole, tmp_path / f"copy_{name}", options=options)
    indices, times, images, _ = read_section(path, start=1.6, end=1.8)
    assert indices == read_numbers(images).tolist() == [40, 41, 42, 43, 44]
    assert times == pytest.approx(np.arange(40, 45) / 25, abs=1e-3)


def test_files_without_seeking_are_decoded_from_the_beginning_to_the_end_of_the_section(
    write_video, read_numbers, decoded
):
    indices, _, images, _ = read_section(write_video("a.ts", codec="mpeg2video"), start=0.4, end=0.8)
    assert indices == read_numbers(images).tolist() == list(range(10, 20))
    assert len(decoded["decoded_frames"]) == 21


def test_only_an_end_reads_no_headers(write_video, monkeypatch, decoded):
    monkeypatch.setattr(video_frames, "index_frames", None)
    assert read_section(write_video("a.mp4"), end=0.4)[0] == list(range(10))
    assert len(decoded["decoded_frames"]) == 11


def test_the_frame_that_is_shown_at_the_start_belongs_to_the_section(write_video):
    indices, times, *_ = read_section(write_video("a.mp4"), start=0.41, end=0.45)
    assert indices == [10, 11]
    assert times[0] == pytest.approx(0.4)
    with open_frames(write_video("a.mp4"), start=0.41, end=0.62) as stream:
        sampled = [(frame.time, frame.index) for frame in sample_in_time(stream, 0.1)]
    assert sampled == [(pytest.approx(0.41), 10), (pytest.approx(0.51), 12), (pytest.approx(0.61), 15)]


@pytest.mark.parametrize("make", ["file", "folder", "gif", "array"])
def test_a_start_after_the_end_of_the_video_is_refused(make, write_video, write_frames, numbered_frames, tmp_path):
    images = [Image.fromarray(frame) for frame in numbered_frames(10)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40)
    video = {
        "file": lambda: write_video("a.mp4", count=10),
        "folder": lambda: write_frames("frames", count=10),
        "gif": lambda: tmp_path / "a.gif",
        "array": lambda: numbered_frames(10),
    }[make]()
    assert read_section(video, start=0.399 - 1e-3, end=7)[0] == [9]
    for read in (
        lambda: read_section(video, start="0:00.4"),
        lambda: LGIFormerVideoProcessor()(video, start=0.4),
        lambda: read_section(video, start=60, end=70),
    ):
        with pytest.raises(VideoReadError, match=r"ends after 0\.400 seconds, so it has nothing from start="):
            read()


@pytest.mark.parametrize(("rate", "expected"), [(None, range(5, 8)), (10, range(2, 4))])
def test_sections_of_folders_follow_the_frame_rate(rate, expected, write_frames, read_numbers):
    section = {"start": 0.2, "end": 0.32 if rate is None else 0.4, "frame_rate": rate}
    folder = write_frames("frames", count=10)
    indices, _, images, _ = read_section(folder, **section)
    assert indices == read_numbers(images).tolist() == list(expected)
    assert read_numbers(read_video(folder, every_frame, **section)[0]).tolist() == [list(expected)]


def test_sections_of_animations_follow_the_delays(tmp_path):
    images = [Image.new("L", (64, 48), 40 * index) for index in range(5)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 50, 200, 1500])
    indices, times, _, stream = read_section(tmp_path / "a.gif", start=0.2, end=1)
    assert (indices, stream.passed) == ([1, 2, 3, 4], 1)
    assert times == pytest.approx([0.1, 0.4, 0.45, 0.65])
    assert read_video(tmp_path / "a.gif", every_frame, start=0.2, end=0.5)[1].frames_indices.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("seconds", [-0.5, 1000])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_times_count_from_the_first_frame(name, seconds, write_video, tmp_path):
    def shifted(number, packet):
        offset = round(seconds / packet.time_base)
        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
        return packet

    whole, options = write_video(name, codec="mpeg2video"), {"avoid_negative_ts": "disabled"}
    path = copy(whole, tmp_path / f"copy_{name}", shifted, options)
    whole = read_section(path)
    start = whole[1][30]
    indices, times, images, _ = read_section(path, start=start, end=start + 0.2)
    assert indices == list(range(30, 35)) and (images == whole[2][30:35]).all()
    assert times == pytest.approx(whole[1][30:35])


def test_a_damaged_frame_in_the_section_is_read_as_in_the_whole_video(write_video, tmp_path, decoded):
    def broken(number, packet):
        if number != 42:
            return packet
        damaged = av.Packet(bytes(packet)[:20] + bytes(40))
        damaged.pts, damaged.dts, damaged.time_base = packet.pts, packet.dts, packet.time_base
        return damaged

    copy(write_video("a.mkv"), tmp_path / "b.mkv", broken)
    whole = read_section(tmp_path / "b.mkv")
    section = read_section(tmp_path / "b.mkv", start=1.6, end=2)
    wanted = (whole[1] > 1.6 - 1e-3) & (whole[1] < 2 - 1e-3)
    assert section[1] == pytest.approx(whole[1][wanted])
    assert (section[2] == whole[2][wanted]).all()
    assert decoded["_decoded_between"] and len(decoded["decoded_frames"]) > 60  # first a seek, then all


def test_contents_and_addresses_have_sections(write_video, tmp_path, read_numbers, serve):
    content = write_video("a.mp4").read_bytes()
    with serve(tmp_path) as address:
        for video in (f"{address}/a.mp4", content, io.BytesIO(content), {"bytes": content}):
            assert read_section(video, start=2, end=2.08)[0] == [50, 51]


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_other_backends_read_the_same_sections(backend, write_video, read_numbers):
    pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
    path = write_video("a.mp4")
    expected = list(range(40, 45))
    indices, _, images, _ = read_section(path, start=1.6, end=1.8, backend=backend)
    assert indices == read_numbers(images).tolist() == expected
    frames, metadata = read_video(path, every_frame, start=1.6, end=1.8, backend=backend)
    assert read_numbers(frames).tolist() == metadata.frames_indices.tolist() == [expected]


@pytest.mark.parametrize(
    "make",
    [
        lambda frames: frames,
        lambda frames: torch.from_numpy(frames),
        lambda frames: list(map(Image.fromarray, frames)),
    ],
    ids=["array", "tensor", "images"],
)
def test_the_processor_samples_clips_from_the_section(make, write_video, numbered_frames):
    processor = LGIFormerVideoProcessor(num_frames=4, sampling_rate=2, num_segments=2)
    section = {"start": 0.4, "end": 0.88, "return_metadata": True, "frame_times": True}
    for video in (write_video("a.mp4"), make(numbered_frames(60))):
        metadata = processor(video, **section)["video_metadata"]
        assert [clip.frames_indices.tolist() for clip in metadata] == [[10, 12, 14, 16], [14, 16, 18, 20]]
        assert metadata[0].total_num_frames == 60
        assert metadata[0].frame_times == pytest.approx(np.arange(61) / 25, abs=1e-3)
        whole = processor(video, do_sample_frames=False, do_resize=False, **section)["video_metadata"][0]
        assert whole.frames_indices.tolist() == list(range(10, 22))


def test_metadata_have_times_only_on_request(write_video):
    assert read_video(write_video("a.mp4"), every_frame)[1].frame_times is None
    assert (
        LGIFormerVideoProcessor()(write_video("a.mp4"), return_metadata=True)["video_metadata"][0].frame_times is None
    )
