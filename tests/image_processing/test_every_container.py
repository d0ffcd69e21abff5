"""All readers give the same frames of a file, in the same order and with the right times."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from PIL import Image

from lgi_former.image_processing import every_frame, open_frames, read_video, sample_in_time
from lgi_former.image_processing.decoding.frame_pixels import FrameConverter
from lgi_former.training.data.data_check import read_first_and_last_frame
from lgi_former.training.preparation.shards.encoding import encode_video


FRAMES = 30
PLACEHOLDER = b"\x00\x00\x01\xb6\x52\xcf\x7f"  # in MPEG-4, for a frame that is in the packet before it
B_FRAME = 2  # picture type in headers of MPEG-4

CASES = {
    "h264.mp4": ("libx264", {}),
    "h264.mov": ("libx264", {}),
    "h264.mkv": ("libx264", {}),
    "h264.flv": ("libx264", {}),
    "h264.ts": ("libx264", {}),
    "h264.avi": ("libx264", {"bf": "3"}),
    "no_b_frames.mp4": ("libx264", {"bf": "0"}),
    "no_b_frames.avi": ("libx264", {"bf": "0"}),
    "open_gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=6:min-keyint=2:log-level=-1"}),
    "open_gop.avi": ("libx264", {"x264-params": "open-gop=1:keyint=6:min-keyint=2:log-level=-1"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=none"}),
    "hevc.mkv": ("libx265", {"x265-params": "log-level=none"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2"}),
    "mpeg4.mkv": ("mpeg4", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}),
    "mpeg2.mkv": ("mpeg2video", {"bf": "2"}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
    "vp9.webm": ("libvpx-vp9", {"cpu-used": "8"}),
    "wmv.wmv": ("wmv2", {}),
    "flv.flv": ("flv", {}),
    "mjpeg.avi": ("mjpeg", {}),
    "theora.ogv": ("libtheora", {}),
    "gif.gif": ("gif", {}),
}


def encode(
    path,
    codec,
    options=None,
    times=None,
    rate=25,
    count=FRAMES,
    size=(48, 64),
    noise=False,
    last=None,
    container_options=None,
):
    """Write a video with frames of increasing brightness. `times` and the duration `last` are milliseconds."""
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no encoder {codec} here")
    random = np.random.default_rng(0)

    def mux(packets):
        for packet in packets:
            if times and last and packet.pts * packet.time_base == Fraction(times[-1], 1000):
                packet.duration = round(last / 1000 / packet.time_base)
            container.mux(packet)

    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.codec_context.gop_size = 12
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            pixels = np.full((*size, 3), 8 * number % 256, np.uint8)
            if noise:  # so that the file is large enough to be cut off in any of its frames
                pixels[: size[0] // 2] = random.integers(0, 255, (size[0] // 2, size[1], 3))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            mux(stream.encode(frame))
        mux(stream.encode())
    return path


def rewrite(source, target, change):
    """Write the packets of a video again. `change` gets and returns a list of (content, pts, dts)."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        time_base, step = packets[0].time_base, packets[0].duration
        for content, pts, dts in change([(bytes(packet), packet.pts, packet.dts) for packet in packets], step):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, time_base, pts, dts
            new.mux(packet)
    return target


def picture_type(content):
    return content[content.index(b"\x00\x00\x01\xb6") + 4] >> 6


def pack(packets, step):
    """Pack like DivX: a frame and the next B-frame in one packet, then further B-frames, then a placeholder."""
    contents = [content for content, _, _ in packets]
    contents[0] = contents[0].replace(b"\x00\x00\x01\xb6", b"\x00\x00\x01\xb2DivX503b1393p\x00\x00\x01\xb6", 1)
    packed = []
    for content, following in zip(contents, [*contents[1:], None], strict=True):
        is_b = picture_type(content) == B_FRAME
        next_is_b = following is not None and picture_type(following) == B_FRAME
        if not is_b:
            packed.append(content + following if next_is_b else content)
        else:
            packed.append(following if next_is_b else PLACEHOLDER)
    return [(content, number * step, number * step) for number, content in enumerate(packed)]


@pytest.fixture
def packed(tmp_path):
    """Function that writes a video with packed B-frames and returns its path."""

    def write(name, num_b_frames="1"):
        encode(tmp_path / "unpacked.avi", "mpeg4", {"bf": num_b_frames})
        return rewrite(tmp_path / "unpacked.avi", tmp_path / name, pack)

    return write


def plain(path):
    """Brightness of the frames that PyAV decodes."""
    with av.open(str(path)) as container:
        to_rgb = FrameConverter(container.streams.video[0])
        return [to_rgb(frame).mean() for frame in container.decode(video=0)]


def streamed(path):
    """Brightness and times of the frames of `open_frames`, the duration in seconds, and notes."""
    with open_frames(path) as stream:
        frames = [(frame.image.mean(), frame.time) for frame in stream]
    brightness, times = zip(*frames, strict=True)
    return list(brightness), np.array(times), stream.passed, stream.notes


def read(path):
    frames, metadata = read_video(path, lambda metadata: np.arange(metadata.total_num_frames))
    assert len(frames) == metadata.total_num_frames
    return frames.mean(axis=(1, 2, 3)).tolist()


def read_one(path, index):
    return read_video(path, lambda metadata: np.array([index]))[0].mean()


def in_shard(path, tmp_path):
    """Brightness of the frames of the file in a shard, written with `prepare shards --size`."""
    suffix, content = encode_video(str(path), size=48)
    shard = tmp_path / f"in_shard{suffix}"
    shard.write_bytes(content)
    return read(shard)


def assert_all_agree(path, tmp_path, expected):
    assert streamed(path)[0] == pytest.approx(expected, abs=1)
    assert read(path) == pytest.approx(expected, abs=1)
    some = [1, 8, 13, len(expected) - 1]
    assert [read_one(path, index) for index in some] == pytest.approx([expected[index] for index in some], abs=1)
    assert in_shard(path, tmp_path) == pytest.approx(expected, abs=4)
    read_first_and_last_frame(path)
    assert_sections_agree(path)


def assert_sections_agree(path):
    """The frames of a section are those of the whole video that are shown in it."""
    with open_frames(path) as stream:
        whole = [(frame.index, frame.time, frame.image) for frame in stream]
    ends = [time for _, time, _ in whole[1:]] + [stream.passed]
    for start, end in [(0.3, 0.7), (0.52, None), (None, 0.21), (0.61, 0.62), (ends[-1] - 0.02, None)]:
        if (start or 0) >= ends[-1]:
            continue
        first, last = start or 0, min(end or ends[-1], ends[-1])
        shown = [
            frame for frame, until in zip(whole, ends, strict=True) if until > first + 1e-3 and frame[1] < last - 1e-3
        ]
        with open_frames(path, start=start, end=end) as stream:
            section = [(frame.index, frame.time, frame.image) for frame in stream]
        assert [frame[:2] for frame in section] == [(index, pytest.approx(time)) for index, time, _ in shown]
        assert stream.passed == pytest.approx(last, abs=1e-6)
        (frames,), metadata = read_video(path, every_frame, start=start, end=end)
        assert metadata.frames_indices.tolist() == [[frame[0] for frame in shown]]
        for read, streamed, (_, _, image) in zip(frames, section, shown, strict=True):
            assert (read == image).all() and (streamed[2] == image).all()


@pytest.mark.parametrize("name", CASES)
def test_all_readers_give_all_frames_in_order(name, tmp_path):
    path = encode(tmp_path / name, *CASES[name])
    expected = plain(path)
    assert len(expected) == FRAMES and expected == sorted(expected)
    assert_all_agree(path, tmp_path, expected)
    _, times, passed, notes = streamed(path)
    assert times == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)
    assert passed == pytest.approx(FRAMES / 25, abs=2e-3)
    assert not notes


@pytest.mark.parametrize("num_b_frames", ["1", "2", "3"])
@pytest.mark.parametrize("name", ["packed.avi", "packed.mkv"])
def test_packed_b_frames_are_in_order(name, num_b_frames, packed, tmp_path):
    path = packed(name, num_b_frames)
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    assert len(sizes) == FRAMES and sum(size <= 7 for size in sizes) >= FRAMES // 4
    expected = plain(path)
    assert len(expected) == FRAMES and expected == sorted(expected)
    assert_all_agree(path, tmp_path, expected)
    _, times, passed, _ = streamed(path)
    assert times == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)
    assert passed == pytest.approx(FRAMES / 25, abs=2e-3)


def test_a_repeated_frame_is_shown_longer(packed, tmp_path):
    """A placeholder without a packed frame repeats the last frame."""

    def leave_one_out(packets, step):
        return [(PLACEHOLDER if number == 7 else content, number, number) for number, (content, *_) in packets]

    encode(tmp_path / "whole.avi", "mpeg4", {"bf": "0"})
    path = rewrite(tmp_path / "whole.avi", tmp_path / "a.avi", lambda all, step: leave_one_out(enumerate(all), step))
    expected = plain(path)
    assert len(expected) == FRAMES - 1
    assert_all_agree(path, tmp_path, expected)
    _, times, _, _ = streamed(path)
    assert times == pytest.approx(np.delete(np.arange(FRAMES), 7) / 25)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_times_of_decoding_become_times_of_display(codec, tmp_path):
    options = {"libx265": {"x265-params": "log-level=none"}, "mpeg4": {"bf": "2"}}.get(codec)
    path = rewrite(encode(tmp_path / "whole.mkv", codec, options), tmp_path / "a.mkv", use_times_of_decoding)
    expected = plain(path)
    assert expected == sorted(expected)
    assert_all_agree(path, tmp_path, expected)
    _, times, passed, _ = streamed(path)
    assert times == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)
    assert passed == pytest.approx(FRAMES / 25, abs=2e-3)


def use_times_of_decoding(packets, step):
    return [(content, 40 * number, 40 * number) for number, (content, *_) in enumerate(packets)]


VARIABLE = [33 * index for index in range(20)] + [660 + 100 * index for index in range(10)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize("num_b_frames", ["0", "3"])
def test_variable_rate_has_the_times_of_its_frames(name, num_b_frames, tmp_path):
    path = encode(tmp_path / name, "libx264", {"bf": num_b_frames}, times=VARIABLE, last=100)
    assert_all_agree(path, tmp_path, plain(path))
    _, times, passed, _ = streamed(path)
    assert times == pytest.approx(np.array(VARIABLE) / 1000, abs=2e-3)
    assert passed == pytest.approx((VARIABLE[-1] + 100) / 1000, abs=2e-3)
    with open_frames(path) as stream:
        sampled = [frame.time for frame in sample_in_time(stream, 0.05)]
    assert sampled[-1] == pytest.approx(passed - 0.05, abs=0.05)


def test_the_last_frame_has_its_own_duration(tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", {"bf": "0"}, times=VARIABLE, last=700)
    assert streamed(path)[2] == pytest.approx((VARIABLE[-1] + 700) / 1000, abs=2e-3)


def test_a_gif_has_the_delays_of_its_frames(tmp_path):
    images = [Image.new("L", (64, 48), 40 * index) for index in range(5)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 50, 200, 1500])
    brightness, times, passed, _ = streamed(tmp_path / "a.gif")
    assert len(brightness) == 5
    assert times == pytest.approx([0, 0.1, 0.4, 0.45, 0.65])
    assert passed == pytest.approx(2.15)


# The end of a file is missing


CUT = {
    "a.mp4": ("libx264", {"movflags": "faststart"}, "lists 60 frames"),
    "fragments.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}, "frames"),
    "a.mov": ("mpeg4", {"movflags": "faststart"}, "lists 60 frames"),
    "a.mkv": ("libx264", {}, "announces 2.4 seconds"),
    "a.webm": ("libvpx", {}, "announces 2.4 seconds"),
    "a.avi": ("mpeg4", {}, "announces 60 frames"),
    "a.flv": ("flv", {}, "announces 2.4 seconds"),
}


@pytest.fixture
def cut(tmp_path):
    """Function that writes the first part (`share`) of a video of 60 frames, and returns its path."""

    def write(name, share):
        codec, container_options, _ = CUT[name]
        encode(tmp_path / name, codec, count=60, noise=True, container_options=container_options)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", CUT)
def test_a_truncated_file_is_read_to_its_end_and_reported_once(name, cut, tmp_path, caplog):
    assert not streamed(cut(name, 1))[3]
    path = cut(name, 0.6)
    brightness, _, passed, notes = streamed(path)
    assert 15 < len(brightness) < 45
    assert passed == pytest.approx(len(brightness) / 25, abs=2e-3)
    assert read(path) == pytest.approx(brightness, abs=1)
    assert read_one(path, 3) == pytest.approx(brightness[3], abs=1)
    read_first_and_last_frame(path)
    assert len(in_shard(path, tmp_path)) == len(brightness)
    (note,) = notes
    assert f"'{path}' is cut off" in note and CUT[name][2] in note and "\n" not in note
    assert [record.getMessage() for record in caplog.records] == [note]


@pytest.mark.parametrize("duration", [200, 600])
def test_an_edit_list_without_the_end_is_not_damage(duration, tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", {"bf": "0"})
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 12
    content[place : place + 4] = duration.to_bytes(4, "big")  # shown milliseconds
    path.write_bytes(content)
    brightness, _, _, notes = streamed(path)
    assert len(brightness) == len(plain(path)) == len(read(path)) == duration / 40
    assert not notes
    assert_sections_agree(path)


def test_longer_sound_is_not_a_missing_end(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        pictures, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000)
        pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "yuv420p"
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(pictures.encode())
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 800 * number
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    brightness, _, passed, notes = streamed(tmp_path / "a.mkv")
    assert (len(brightness), passed, notes) == (10, pytest.approx(0.4), [])


def test_a_damaged_packet_is_skipped_and_reported(tmp_path):
    def break_two(packets, step):
        return [(b"\x00" * 50 if n in (5, 6) else content, *times) for n, (content, *times) in enumerate(packets)]

    path = rewrite(encode(tmp_path / "whole.mkv", "mjpeg"), tmp_path / "a.mkv", break_two)
    brightness, _, _, notes = streamed(path)
    assert len(brightness) == FRAMES - 2
    assert read(path) == pytest.approx(brightness, abs=1)
    assert len(notes) == 1 and "is damaged" in notes[0]


@pytest.mark.parametrize("codec", ["flv", "libx264"])
@pytest.mark.parametrize("step", [1000, 10_000])
def test_slow_flv_files_are_not_truncated(codec, step, tmp_path):
    path = encode(tmp_path / "a.flv", codec, times=[step * number for number in range(5)], count=5)
    assert streamed(path)[3] == []


@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_a_truncated_fragment_is_reported(share, tmp_path):
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = encode(tmp_path / "a.mp4", "libx264", count=60, noise=True, container_options=options)
    content = path.read_bytes()
    assert streamed(path)[3] == []
    last = content[: int(share * len(content))].rindex(b"moof")
    path.write_bytes(content[: last + 20])  # all listed pictures are there
    brightness, *_, notes = streamed(path)
    assert 0 < len(brightness) < 60 and read(path) == pytest.approx(brightness, abs=1)
    assert len(notes) == 1 and "its last fragment is incomplete" in notes[0]


def test_a_missing_index_is_reported_as_missing_bytes(tmp_path):
    path = encode(tmp_path / "a.mkv", "libx264")
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    (note,) = streamed(path)[3]
    assert f"announces {len(whole)} bytes, but it has {len(whole) - 4}" in note


# The size of the frames changes


def joined(tmp_path, name, codec, sizes):
    """Write several videos of 10 frames into one file."""
    parts = []
    for number, size in enumerate(sizes):
        with av.open(str(encode(tmp_path / f"{number}.{name}", codec, count=10, size=size))) as part:
            parts += [(bytes(p), p.is_keyframe) for p in part.demux(video=0) if p.size]
    with av.open(str(tmp_path / f"0.{name}")) as first, av.open(str(tmp_path / name), "w") as target:
        stream = target.add_stream_from_template(first.streams.video[0])
        for number, (content, is_keyframe) in enumerate(parts):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), is_keyframe
            packet.pts = packet.dts = number
            target.mux(packet)
    return tmp_path / name


@pytest.mark.parametrize("sizes", [((48, 64), (96, 128)), ((96, 128), (48, 64), (64, 48))], ids=str)
@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mkv", "mjpeg")])
def test_frames_of_other_sizes_are_scaled_to_the_first_size(name, codec, sizes, tmp_path, caplog):
    path = joined(tmp_path, name, codec, sizes)
    expected = plain(path)
    assert len(expected) == 10 * len(sizes)
    with open_frames(path) as stream:
        images = [frame.image for frame in stream]
    assert {image.shape for image in images} == {(*sizes[0], 3)}
    assert [image.mean() for image in images] == pytest.approx(expected, abs=2)
    frames, _ = read_video(path, lambda metadata: np.arange(metadata.total_num_frames))
    assert frames.shape == (len(expected), *sizes[0], 3)
    assert (frames == np.stack(images)).all()
    later, _ = read_video(path, lambda metadata: np.array([15, 18]))  # frames of other sizes
    assert (later == frames[[15, 18]]).all()
    assert len(in_shard(path, tmp_path)) == len(expected)
    (message,) = {record.getMessage() for record in caplog.records}
    first, second = (f"{width} x {height}" for height, width in sizes[:2])
    assert f"has frames of {first} and of {second} pixels" in message and str(path) in message
    assert len(caplog.records) == 1


def turned(path, degrees):
    """Write an H.264 stream again, with a rotation in its key frames."""
    target = path.with_name("turned.h264")
    with av.open(str(path)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        turn = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:rotate={degrees}", stream, stream)
        for packet in old.demux(video=0):
            packet.stream = stream
            for filtered in turn.filter(packet if packet.size else None):
                new.mux(filtered)
    return target


def test_an_orientation_is_used_until_it_changes(tmp_path):
    upright = encode(tmp_path / "a.h264", "libx264", {"bf": "0"})
    path = turned(upright, 90)
    frames, _ = read_video(path, lambda metadata: np.arange(metadata.total_num_frames))
    assert frames.shape == (FRAMES, 64, 48, 3)
    assert streamed(path)[0] == pytest.approx(frames.mean(axis=(1, 2, 3)).tolist(), abs=1)
    joined = tmp_path / "c.h264"
    joined.write_bytes(upright.read_bytes() + path.read_bytes())
    frames, _ = read_video(joined, lambda metadata: np.arange(metadata.total_num_frames))
    assert frames.shape == (2 * FRAMES, 48, 64, 3)
    brightness, *_, notes = streamed(joined)
    assert len(brightness) == 2 * FRAMES
    assert len(notes) == 1 and "frames of 64 x 48 and of 48 x 64 pixels" in notes[0]


# Wrong timestamps


def write_stamps(path, stamps):
    """Write frames that are all key frames, with timestamps in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            pixels = np.full((48, 64, 3), 8 * number, np.uint8)
            for encoded in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                packet = av.Packet(bytes(encoded))
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
                packet.pts, packet.dts = 100 + stamp, number
                container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("stamps", "times", "seconds"),
    [
        ([0, 40, 40, 80, 120, 160, 200], [0, 0.04, 0.08, 0.1, 0.12, 0.16, 0.2], 0.24),
        ([0] * 6, np.arange(6) / 25, 0.24),
        ([0, 0, 80, 80, 160, 160, 240], np.arange(7) / 25, 0.28),
        ([400, 440, 480, 520, 0, 40, 80], np.arange(7) / 25, 0.28),
        ([0, 80, 40, 120, 160, 200], [0, 0.08, 0.1, 0.12, 0.16, 0.2], 0.24),
        ([0, 40, 30_000, 30_040], [0, 0.04, 30, 30.04], 30.08),
        ([0, 40, 90_000, 90_040], [0, 0.04, 0.08, 0.12], 0.16),
    ],
    ids=["repeated", "all equal", "pairs", "start again", "exchanged", "pause", "too long a pause"],
)
def test_times_ascend_without_drift(stamps, times, seconds, tmp_path):
    path = write_stamps(tmp_path / "a.mkv", stamps)
    brightness, found, passed, notes = streamed(path)
    assert brightness == sorted(brightness) and read(path) == pytest.approx(brightness, abs=1)
    assert found == pytest.approx(times, abs=2e-3)
    assert passed == pytest.approx(seconds, abs=2e-3)
    assert [("pause of 90 seconds" in note) for note in notes] == [True] * bool(max(np.diff(stamps)) > 60_000)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_timestamps_of_mpeg_ts_wrap(codec, tmp_path):
    def shift(packets, step):
        start = 2**33 - 15 * step
        return [(content, pts + start, dts + start) for content, pts, dts in packets]

    path = rewrite(encode(tmp_path / "whole.ts", codec), tmp_path / "a.ts", shift)
    _, times, passed, _ = streamed(path)
    assert times == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)
    assert passed == pytest.approx(FRAMES / 25, abs=2e-3)


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.m4v", "mpeg4"), ("a.m2v", "mpeg2video")])
def test_streams_without_timestamps_use_their_rate(name, codec, tmp_path):
    path = encode(tmp_path / name, codec, {"bf": "2"})
    assert_all_agree(path, tmp_path, plain(path))
    assert streamed(path)[1] == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)


def test_joined_recordings_have_ascending_times(tmp_path):
    path = encode(tmp_path / "a.ts", "libx264", count=10)
    path.write_bytes(path.read_bytes() * 3)
    _, times, passed, _ = streamed(path)
    assert times == pytest.approx(np.arange(30) / 25, abs=2e-3)
    assert passed == pytest.approx(1.2, abs=2e-3)
