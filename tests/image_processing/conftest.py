import av
import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="session")
def numbered_frames():
    """Function that makes uint8 frames (count, height, width, 3). Each frame shows its number."""

    def make(count, height=48, width=64):
        bits = (
            np.arange(count)[:, None] >> np.arange(8) & 1
        )  # eight black or white stripes, least significant bit first
        frames = np.repeat(bits.astype(np.uint8) * 255, width // 8, axis=1)
        return np.broadcast_to(frames[:, None, :, None], (count, height, width, 3)).copy()

    return make


@pytest.fixture(scope="session")
def read_numbers():
    """Function that reads the numbers of decoded frames (..., height, width, 3)."""

    def read(frames):
        frames = np.asarray(frames)
        stripes = frames.mean(axis=(-3, -1)).reshape(*frames.shape[:-3], 8, -1).mean(axis=-1)
        return ((stripes > 127) << np.arange(8)).sum(axis=-1)

    return read


@pytest.fixture(scope="session")
def resize_with_pillow():
    """Function that resizes RGB frames, uint8 (frames, 3, height, width), with Pillow."""

    def resize(frames, height, width, resample=Image.Resampling.BILINEAR):
        pictures = [Image.fromarray(frame) for frame in frames.permute(0, 2, 3, 1).numpy()]
        resized = [np.array(picture.resize((width, height), resample)) for picture in pictures]
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)

    return resize


@pytest.fixture
def write_video(tmp_path, numbered_frames):
    """Function that writes a video of numbered frames, 25 per second, and returns its path."""

    def write(name, count=60, codec="mpeg4", **size):
        frames = numbered_frames(count, **size)
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt, stream.bit_rate = "yuv420p", 1_000_000
            stream.codec_context.gop_size = 12  # so that single frames need seeking
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return tmp_path / name

    return write


@pytest.fixture
def write_frames(tmp_path, numbered_frames):
    """Function that writes a folder of numbered PNG frames and returns its path."""

    def write(name, count=10):
        folder = tmp_path / name
        folder.mkdir()
        for number, frame in enumerate(numbered_frames(count)):
            Image.fromarray(frame).save(folder / f"{number:05d}.png")
        return folder

    return write
