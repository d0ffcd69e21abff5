"""A corpus with the faults of real corpora, for the tests of data. They load this module from its file."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image


BROKEN = {
    "truncated.mp4": "cannot be decoded",
    "empty.mp4": "is empty (0 bytes)",
    "text.mp4": "cannot be decoded",
    "empty_folder": "holds no frames",
    "corrupt_jpeg": "cannot be decoded as an image",
    "missing.mp4": "There is no file",
}
"""Videos that cannot be read, and a part of their errors."""

GOOD = [*(f"good {number}.mp4" for number in range(5)), "one_frame.mp4", "frames", "image.png", "odd_size.mp4"]


@dataclass
class RoughCorpus:
    folder: Path

    def paths(self, names):
        return [str(self.folder / name) for name in names]


def write_clip(path, grey=128, count=8, height=32, width=64):
    """Write a small video file of one grey from 0 to 255."""
    frame = np.full((height, width, 3), grey, dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for _ in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_image(path, grey):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((30, 40, 3), grey, dtype=np.uint8)).save(path)


def write_rough_corpus(folder):
    """Write the videos `GOOD` and `BROKEN`. Each good one has one grey: 0, 20, 40, ..."""
    for number in range(5):
        write_clip(folder / f"good {number}.mp4", grey=20 * number)
    write_clip(folder / "one_frame.mp4", grey=100, count=1)
    for number in range(3):
        write_image(folder / "frames" / f"{number}.jpg", grey=120)
        write_image(folder / "corrupt_jpeg" / f"{number}.jpg", grey=255)
    write_image(folder / "image.png", grey=140)
    write_clip(folder / "odd_size.mp4", grey=160, height=33, width=51)
    (folder / "corrupt_jpeg" / "1.jpg").write_bytes(b"no JPEG")
    whole = write_clip(folder / "truncated.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty_folder").mkdir()
    return RoughCorpus(folder)


@pytest.fixture(scope="module")
def rough_corpus(tmp_path_factory):
    """A folder with the videos `GOOD` and `BROKEN`."""
    return write_rough_corpus(tmp_path_factory.mktemp("corpus"))
