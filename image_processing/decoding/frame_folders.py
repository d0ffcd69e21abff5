"""Videos that are stored as images: a folder of frames, a zip archive of them, or a single image."""

import os
import re
import unicodedata
import zipfile
from pathlib import Path

from transformers.utils import logging

from .animated_images import is_animation
from .image_decoding import begins_like_an_image
from .video_sources import VideoReadError


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""By which frames are found in folders and archives."""

FRAME_ARCHIVE_SUFFIX = ".zip"
"""The suffix of a folder of frames that is packed into one file."""

FRAME_ORDERS = ("natural", "name")
"""`natural`: numbers in the names count, so that 2.png comes before 10.png. `name`: letter by letter, so that 10.png
comes before 2.png; the published code sorts this way."""


COMPLEMENTS = str.maketrans("0123456789", "9876543210")
"""Digits whose order is the opposite."""

logger = logging.get_logger(__name__)


def check_frame_order(frame_order: str):
    """
    Raises:
        ValueError: If it is none of `FRAME_ORDERS`.
    """
    if frame_order not in FRAME_ORDERS:
        raise ValueError(f"frame_order={frame_order!r} must be 'natural' or 'name'.")


def consists_of_images(path: Path) -> bool:
    """Whether a video is a folder or archive of frames, or a single still image. Otherwise it is a video file.

    The content decides about a file whose name has no suffix.
    """
    if path.is_dir():
        return True
    is_image = begins_like_an_image(path) if path.suffix == "" else path.suffix.lower() in IMAGE_SUFFIXES
    return path.suffix.lower() == FRAME_ARCHIVE_SUFFIX or (is_image and not is_animation(path))


def frame_files(path: Path, frame_order: str = "natural") -> list[Path | zipfile.Path]:
    """The frames of a folder or archive, in order; for a single image, the image itself.

    Args:
        path: Folder, archive or image.
        frame_order: One of `FRAME_ORDERS`.

    Raises:
        VideoReadError: If a folder or archive holds none, or an archive is damaged.
    """
    folder, names = frame_names(path, frame_order)
    return [folder / name for name in names]


def frame_names(path: Path, frame_order: str = "natural") -> tuple[Path | zipfile.Path, list[str]]:
    """The folder or archive that frames are in, and their names, in order. Otherwise as `frame_files`."""
    if path.is_dir():
        folder, names = path, os.listdir(path)
    elif path.suffix.lower() == FRAME_ARCHIVE_SUFFIX:
        folder, names = _open_archive(path)
    else:
        return path.parent, [path.name]
    names = in_order(filter(_is_frame, names), frame_order)
    if not names:
        raise VideoReadError(
            f"The folder '{path}' holds no frames ({', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}). "
            "Give a folder that holds the frames of one video. Give several videos one by one, such as FOLDER/*.mp4."
        )
    if len({os.path.splitext(name)[0] for name in names}) < len(names):
        first, second = _same_picture(names)
        logger.warning_once(
            f"'{path}' holds '{first}' and '{second}'. Both count as frames. Remove one of them if they are the same."
        )
    return folder, names


def _same_picture(names: list[str]) -> tuple[str, str]:
    """The first two names that differ in their suffix alone."""
    seen = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        if stem in seen:
            return seen[stem], name
        seen[stem] = name
    raise ValueError("All names are different.")


def in_order(names, frame_order: str = "natural") -> list[str]:
    """Names of frames in one of `FRAME_ORDERS`."""
    return sorted(names, key=_natural_key if frame_order == "natural" else None)


def _natural_key(name: str) -> tuple:
    stem, suffix = os.path.splitext(name)
    parts = re.split(r"(\d+)", stem)
    parts[1::2] = [_number_key(part) for part in parts[1::2]]
    if parts[0] == "-" and len(parts) > 1:  # a whole name such as -2.png is negative; a-2.png is not
        length, digits = parts[1]
        parts[0], parts[1] = "", (-length, digits.translate(COMPLEMENTS))
    return parts, suffix, name  # the name itself decides between 1.png and 01.png


def _number_key(digits: str) -> tuple[int, str]:
    # Numbers are compared by length first, which needs no conversion, however long they are.
    if not digits.isascii():  # such as Arabic or full-width digits
        digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    digits = digits.lstrip("0")
    return len(digits), digits


def holds_frames(folder: str | os.PathLike) -> bool:
    """Whether a folder holds frames. Stops at the first one. An animated image is not a frame."""
    with os.scandir(folder) as entries:
        return any(_is_frame(entry.name) and not is_animation(Path(entry.path)) for entry in entries)


def _holds_frames(folder: zipfile.Path) -> bool:
    return any(_is_frame(file.name) for file in folder.iterdir())


def _is_frame(name: str) -> bool:
    # macOS leaves files whose names begin with a dot beside copied files ("._0001.jpg"); they are no images.
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _open_archive(path: Path) -> tuple[zipfile.Path, list[str]]:
    try:
        folder = zipfile.Path(path)
        names = list(dict.fromkeys(file.name for file in folder.iterdir()))  # the last one of equal names counts
        if not any(map(_is_frame, names)):
            inner = [name for name in names if (folder / name).is_dir() and _holds_frames(folder / name)]
            if inner:
                raise VideoReadError(
                    f"The frames of '{path}' are in its folder '{inner[0]}'. Pack them without this folder."
                )
        return folder, names
    except zipfile.BadZipFile as error:
        raise VideoReadError(
            f"'{path}' cannot be read as a zip archive of frames: {error}. Copy or download it again."
        ) from error
