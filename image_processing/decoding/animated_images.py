"""Animated images as videos: GIF, and PNG and WebP files with several pictures."""

import contextlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .image_decoding import PNG_SIGNATURE, rgb_pixels
from .media_limits import check_animation, check_picture_size
from .video_sources import VideoReadError


ANIMATED_SUFFIXES = (".gif", ".png", ".apng", ".webp")

# Seconds. Browsers show a picture for 0.1 seconds if the file says 0.01 or less.
SHORTEST, DEFAULT_DURATION = 0.01, 0.1


def is_animation(path: Path) -> bool:
    """Whether a file is an animated image. A GIF file always is one, even with a single picture.

    The suffix must be one of `ANIMATED_SUFFIXES` or missing. Then the content decides.
    """
    if path.suffix.lower() not in (*ANIMATED_SUFFIXES, "") or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(21)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return True
        if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
            return bool(int.from_bytes(head[20:], "big") & 2)  # the animation bit
        return head.startswith(PNG_SIGNATURE) and _count_png_frames(file) > 1


def _count_png_frames(file) -> int:
    """The number in the `acTL` chunk of a PNG file. It comes before the first pixels. Without it, 1."""
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

    Attributes:
        num_frames (`int`): Number of pictures.
        notes (`list[str]`): What is missing in the file. Each note is a predicate whose subject is the file.

    Raises:
        VideoReadError: If the file is damaged or too large. Iteration may raise it, too.
    """

    def __init__(self, path: Path):
        check_picture_size(path.stat().st_size, str(path))
        content = path.read_bytes()
        self.notes = []
        self._path = path
        self._file = io.BytesIO(content)
        with self._refusing_damage(), Image.open(self._file) as image:
            # The first picture of some PNG files is only for programs that cannot show animations.
            self._first = int(bool(image.info.get("default_image")))
            self.num_frames = image.n_frames - self._first
            check_animation(self.num_frames, *image.size, str(path))
        if content.startswith(b"GIF") and not content.rstrip(b"\0\r\n ").endswith(b";"):
            self.notes.append("is cut off. The pictures that are left are read.")

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """For each picture, the seconds for which it is shown, and its pixels, uint8 RGB (height, width, 3)."""
        with self._refusing_damage():
            # A new image, because Pillow seeks only forward in some formats.
            self._file.seek(0)
            image = Image.open(self._file)
            for index in range(self._first, self._first + self.num_frames):
                image.seek(index)
                image.load()
                seconds = float(image.info.get("duration") or 0) / 1000
                yield (seconds if seconds > SHORTEST else DEFAULT_DURATION), rgb_pixels(image)

    @contextlib.contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        try:
            yield
        except VideoReadError:
            raise
        except Exception as error:  # Pillow raises OSError, SyntaxError and more, depending on the damage
            raise VideoReadError(
                f"'{self._path}' cannot be decoded as an animated image ({error}): it is damaged or incomplete. Check "
                "that it plays, else copy or download it again."
            ) from error
