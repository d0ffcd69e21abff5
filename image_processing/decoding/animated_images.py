"""Animated images as videos: GIF, and PNG and WebP files with several pictures."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .image_decoding import rgb_pixels


ANIMATED_SUFFIXES = (".gif", ".png", ".apng", ".webp")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Browsers show a picture for so many seconds if the file says 0.01 or less.
SHORTEST, USUAL = 0.01, 0.1


def is_animation(path: Path) -> bool:
    """Whether a file is an animated image. A GIF file always is one, even with one picture.

    A file with another suffix than those of animated images is none. Otherwise its content decides.
    """
    if path.suffix.lower() not in (*ANIMATED_SUFFIXES, ""):
        return False
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(21)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return True
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
            return bool(head[20] & 2)  # the bit for an animation
        return head.startswith(PNG_SIGNATURE) and _count_png_frames(file) > 1


def _count_png_frames(file) -> int:
    """Pictures of a PNG file: those of its `acTL` chunk, which comes before the first pixels, else one."""
    file.seek(len(PNG_SIGNATURE))
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT":
            break
        if kind == b"acTL" and len(count := file.read(4)) == 4:
            return int.from_bytes(count, "big")
        file.seek(length + 4, io.SEEK_CUR)
    return 1


class Animation:
    """The pictures of an animated image, decoded one after another.

    Args:
        path: The file.

    Attributes:
        num_frames (`int`): Pictures.
        notes (`list[str]`): What is missing in the file: predicates of sentences.

    Raises:
        Exception: What Pillow raises for a damaged file, also while the pictures are read.
    """

    def __init__(self, path: Path):
        content = path.read_bytes()
        self.notes = []
        self._file = io.BytesIO(content)
        with Image.open(self._file) as image:
            # The first picture of some PNG files is what programs show that know no animations.
            self._first = int(bool(image.info.get("default_image")))
            self.num_frames = image.n_frames - self._first
        if content.startswith(b"GIF") and not content.rstrip(b"\0\r\n ").endswith(b";"):
            self.notes.append("is cut off. The pictures that are left are read.")

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Each picture: the seconds for which it is shown, and its pixels, uint8 RGB (height, width, 3)."""
        # Opened anew: Pillow finds the pictures of some formats only forward.
        self._file.seek(0)
        image = Image.open(self._file)
        for index in range(self._first, self._first + self.num_frames):
            image.seek(index)
            image.load()
            seconds = float(image.info.get("duration") or 0) / 1000
            yield (seconds if seconds > SHORTEST else USUAL), rgb_pixels(image)

    def durations(self) -> list[float]:
        """Seconds for which each picture is shown. All of them are decoded for it."""
        return [seconds for seconds, _ in self]
