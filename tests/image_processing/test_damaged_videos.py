"""Damaged video files: `read_video` and `open_frames` return the same frames, or both refuse the file."""

import random

import av
import numpy as np
import pytest

from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video


CASES = {
    "h264.mkv": ("libx264", {}),
    "h264.mp4": ("libx264", {}),
    "h264.flv": ("libx264", {}),
    "mpeg4.mkv": ("mpeg4", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"cpu-used": "8"}),
}
SEEDS = 20


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The content of a whole file of each case."""
    folder = tmp_path_factory.mktemp("whole")
    noise = np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8)
    for name, (codec, options) in CASES.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.codec_context.gop_size = 12
            for number in range(30):
                pixels = np.full((48, 64, 3), 8 * number, np.uint8)
                pixels[number : number + 12, number : number + 16] = noise[..., None]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    return {name: (folder / name).read_bytes() for name in CASES}


def damaged(content, draw):
    content = bytearray(content)
    for _ in range(draw.choice((1, 3, 8))):
        place = draw.randrange(len(content) // 5, len(content))
        if draw.random() < 0.7:
            content[place] ^= 1 << draw.randrange(8)
        else:
            content[place : place + draw.choice((4, 64))] = draw.randbytes(draw.choice((0, 4, 64)))
    return bytes(content)


def frames_or_refusal(read, path):
    try:
        return read(path)
    except VideoReadError as error:
        assert str(path) in str(error)
        return "refused"


def all_read(path):
    return list(read_video(path, every_frame)[0][0])


def all_streamed(path):
    with open_frames(path, num_threads=4) as stream:
        return [frame.image for frame in stream]


@pytest.mark.parametrize("name", CASES)
def test_readers_agree_on_a_damaged_file(name, contents, tmp_path):
    for seed in range(SEEDS):
        path = tmp_path / f"{seed}_{name}"
        path.write_bytes(damaged(contents[name], random.Random(f"{name} {seed}")))
        read, streamed = (frames_or_refusal(function, path) for function in (all_read, all_streamed))
        assert len(read) == len(streamed), seed
        assert all(map(np.array_equal, read, streamed)), seed
