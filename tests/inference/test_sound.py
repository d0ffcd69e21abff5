"""Annotated videos have the sound of the video, at the same times."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lgi_former.image_processing import open_frames
from lgi_former.inference.annotated_video import annotate_video


RATE = 48000
NOBODY = {"video": None, "duration": 2.0, "scores": None, "people": [], "timeline": []}
CLICKS = (0.6, 1.5)  # seconds after the first picture


def write_video(path, codec, *, video_start=0.0, audio_start=0.0, rate=RATE, channels=1, size=(64, 64)):
    """Write 2 seconds of grey pictures, and sound with a short tone at each of `CLICKS`."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height = size
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        packets = []
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + round(25 * video_start), Fraction(1, 25)
            packets += pictures.encode(frame)
        samples = tones(2 + video_start - audio_start, video_start - audio_start, rate)
        for start in range(0, len(samples), 960):
            part = np.repeat(samples[None, start : start + 960], channels, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="fltp", layout=sound.layout.name)
            frame.rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(rate * audio_start)
            packets += sound.encode(frame)
        packets += [*pictures.encode(), *sound.encode()]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def tones(seconds, first, rate):
    samples = np.zeros(round(seconds * rate), np.float32)
    tone = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(rate // 20) / rate)
    for click in CLICKS:
        start = round((first + click) * rate)
        samples[start : start + len(tone)] = tone
    return samples


def heard(path):
    """The codec of the sound, and the seconds from the first picture to the beginning of each tone."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stamps, parts = [], []
        for frame in container.decode(stream):
            samples = frame.to_ndarray().astype(float)
            mono = samples[0] if frame.format.is_planar else samples[0, :: len(frame.layout.channels)]
            parts.append(mono / (32768 if frame.format.name.startswith("s16") else 1))
            stamps.append(frame.time - first + np.arange(len(mono)) / frame.rate)
    loud = np.concatenate(stamps)[abs(np.concatenate(parts)) > 0.2]
    starts = loud[np.diff(loud, prepend=-1) > 0.2]
    return stream.codec_context.name, starts.tolist()


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


HEARD = [("a.mp4", "aac", ".mp4"), ("a.ts", "aac", ".mp4"), ("a.mp4", "aac", ".avi"), ("a.mkv", "flac", ".webm")]
HEARD += [("a.mkv", "libopus", ".mkv"), ("a.avi", "libmp3lame", ".mp4"), ("a.mov", "pcm_s16le", ".mp4")]
HEARD += [("a.avi", "adpcm_ima_wav", ".mov"), ("a.mkv", "ac3", ".mp4")]


@pytest.mark.parametrize(("name", "codec", "suffix"), HEARD)
def test_sound_is_heard_at_its_times(name, codec, suffix, tmp_path):
    video = write_video(tmp_path / name, codec)
    annotate_video(video, NOBODY, tmp_path / f"out{suffix}")
    _, times = heard(tmp_path / f"out{suffix}")
    assert times == pytest.approx(heard(video)[1], abs=0.04)
    assert times == pytest.approx(CLICKS, abs=0.08)


@pytest.mark.parametrize(
    ("source", "codec", "suffix", "written"),
    [
        ("a.mp4", "aac", ".mp4", "aac"),
        ("a.mkv", "libopus", ".webm", "opus"),
        ("a.mov", "pcm_s16le", ".mov", "pcm_s16le"),
        ("a.mp4", "libmp3lame", ".mp4", "mp3float"),
    ],
)
def test_packets_are_copied_if_the_container_allows_it(source, codec, suffix, written, tmp_path):
    video = write_video(tmp_path / source, codec)
    annotate_video(video, NOBODY, tmp_path / f"out{suffix}")
    assert heard(tmp_path / f"out{suffix}")[0] == written
    originals, copies = packets_of(video), packets_of(tmp_path / f"out{suffix}")
    assert len(originals) - len(copies) <= 2  # packets before the first picture
    assert b"".join(originals).endswith(b"".join(copies))


@pytest.mark.parametrize(
    ("source", "codec", "suffix", "written"),
    [
        ("a.mov", "pcm_s16le", ".mp4", "aac"),
        ("a.mp4", "aac", ".webm", "opus"),
        ("a.avi", "adpcm_ima_wav", ".mp4", "aac"),
    ],
)
def test_other_sound_is_encoded_again(source, codec, suffix, written, tmp_path):
    annotate_video(write_video(tmp_path / source, codec), NOBODY, tmp_path / f"out{suffix}")
    assert heard(tmp_path / f"out{suffix}")[0] == written


@pytest.mark.parametrize("suffix", [".mp4", ".webm"], ids=["copied", "encoded"])
@pytest.mark.parametrize(("video_start", "audio_start"), [(0.4, 0.0), (0.0, 0.4), (1.0, 1.2), (3.0, 3.0)])
def test_start_offsets_are_respected(video_start, audio_start, suffix, tmp_path):
    video = write_video(tmp_path / "a.mkv", "aac", video_start=video_start, audio_start=audio_start)
    annotate_video(video, NOBODY, tmp_path / f"out{suffix}")
    assert heard(tmp_path / f"out{suffix}")[1] == pytest.approx(CLICKS, abs=0.06)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (96000, 2), (48000, 6)])
def test_unusual_sound_is_encoded_again(rate, channels, tmp_path):
    video = write_video(tmp_path / "a.mkv", "pcm_s16le", rate=rate, channels=channels)
    for suffix in (".mp4", ".webm"):
        annotate_video(video, NOBODY, tmp_path / f"out{suffix}")
        assert heard(tmp_path / f"out{suffix}")[1] == pytest.approx(CLICKS, abs=0.06)


def test_a_video_without_sound_stays_silent(tmp_path, people_video):
    frames = people_video({}, count=5)
    annotate_video(frames, NOBODY, tmp_path / "array.mp4")
    annotate_video(tmp_path / "array.mp4", NOBODY, tmp_path / "file.mp4")
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, pixels in enumerate(frames):
        av.VideoFrame.from_ndarray(pixels, format="rgb24").to_image().save(folder / f"{index}.png")
    annotate_video(folder, NOBODY, tmp_path / "folder.mp4")
    for name in ("array.mp4", "file.mp4", "folder.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert [stream.type for stream in container.streams] == ["video"]


def test_sound_of_an_unknown_codec_is_left_out(tmp_path):
    video = write_video(tmp_path / "a.mkv", "flac")
    video.write_bytes(video.read_bytes().replace(b"A_FLAC", b"A_WHAT"))
    annotate_video(video, NOBODY, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"], ids=["copied", "encoded"])
def test_sound_that_is_damaged_in_a_stream_does_not_stop_the_pictures(suffix, tmp_path):
    video = write_video(tmp_path / "a.ts", "aac")
    data = bytearray(video.read_bytes())
    start = len(data) // 3
    data[start : start + 2000] = np.random.default_rng(0).bytes(2000)
    video.write_bytes(data)
    annotate_video(video, NOBODY, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 30
    assert heard(tmp_path / f"out{suffix}")[1]


def test_a_turned_video_is_upright_and_has_its_sound(tmp_path):
    video = write_video(tmp_path / "a.mp4", "aac", size=(96, 64))
    data = bytearray(video.read_bytes())
    place = data.index(bytes([0, 1, 0, 0]) + bytes(12) + bytes([0, 1, 0, 0]), data.index(b"tkhd"))
    data[place : place + 36] = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30], ">i4").tobytes()
    video.write_bytes(data)
    annotate_video(video, NOBODY, tmp_path / "out.mp4")
    with open_frames(tmp_path / "out.mp4") as stream:
        assert next(iter(stream)).image.shape == (96, 64, 3)
    assert heard(tmp_path / "out.mp4")[1] == pytest.approx(CLICKS, abs=0.06)


def test_damaged_sound_does_not_stop_the_pictures(tmp_path):
    video = write_video(tmp_path / "a.mkv", "flac")
    sound = packets_of(video)
    data = video.read_bytes()
    for packet in sound[5:9]:
        data = data.replace(packet, bytes(len(packet)))
    video.write_bytes(data)
    annotate_video(video, NOBODY, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50
    assert heard(tmp_path / "out.webm")[0] == "opus"


@pytest.mark.parametrize(("name", "codec", "suffix"), HEARD[:4])
def test_a_section_has_its_part_of_the_sound(name, codec, suffix, tmp_path):
    video = write_video(tmp_path / name, codec, video_start=0.4)
    annotate_video(video, NOBODY | {"start": 1.2, "end": 1.8, "duration": 0.6}, tmp_path / f"part{suffix}")
    _, starts = heard(tmp_path / f"part{suffix}")
    assert starts == [pytest.approx(CLICKS[1] - 1.2, abs=0.03)]
    with av.open(str(tmp_path / f"part{suffix}")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 15
    with av.open(str(tmp_path / f"part{suffix}")) as container:
        assert max(frame.time for frame in container.decode(audio=0)) < 0.7
