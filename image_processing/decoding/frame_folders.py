"""Videos that are stored as images: a folder of frames, a zip archive of it, or a single image."""

import os
import re
import zipfile
from decimal import Decimal
from pathlib import Path

from transformers.utils import logging

from .animated_images import is_animation
from .image_decoding import begins_like_an_image
from .video_sources import VideoReadError


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of the frames in folders and archives."""

FRAME_ARCHIVE_SUFFIX = ".zip"
"""Suffix of a folder of frames that is packed into one file."""

FRAME_ORDERS = ("natural", "name")
"""`natural` compares numbers by their value, so that 2.png comes before 10.png. `name` compares letter by letter, so
that 10.png comes before 2.png. The published code sorts by `name`."""

logger = logging.get_logger(__name__)


def check_frame_order(frame_order: str):
    """
    Raises:
        ValueError: If it is not one of `FRAME_ORDERS`.
    """
    if frame_order not in FRAME_ORDERS:
        raise ValueError(f"frame_order={frame_order!r} must be 'natural' or 'name'.")


def consists_of_images(path: Path) -> bool:
    """Whether a video is a folder or archive of frames, or a single still image. Otherwise it is a video file.

    If the name of a file has no suffix, its content decides.
    """
    if path.is_dir():
        return True
    is_image = begins_like_an_image(path) if path.suffix == "" else path.suffix.lower() in IMAGE_SUFFIXES
    return path.suffix.lower() == FRAME_ARCHIVE_SUFFIX or (is_image and not is_animation(path))


def frame_files(path: Path, frame_order: str = "natural") -> list[Path | zipfile.Path]:
    """The paths of the frames in `frame_names`."""
    folder, names = frame_names(path, frame_order)
    return [folder / name for name in names]


def frame_names(path: Path, frame_order: str = "natural") -> tuple[Path | zipfile.Path, list[str]]:
    """The folder or archive of the frames, and their names in one of `FRAME_ORDERS`. A single image is one frame.

    Raises:
        VideoReadError: If a folder or archive holds no frames, or an archive is damaged.
    """
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
    name_of_stem = {}
    for name in names:
        first = name_of_stem.setdefault(os.path.splitext(name)[0], name)
        if first != name:
            logger.warning_once(
                f"'{path}' holds '{first}' and '{name}'. Both count as frames. Remove one of them if they are equal."
            )
            break
    return folder, names


def in_order(names, frame_order: str = "natural") -> list[str]:
    """Sort names of frames in one of `FRAME_ORDERS`."""
    return sorted(names, key=_natural_key if frame_order == "natural" else None)


def _natural_key(name: str) -> tuple:
    stem, suffix = os.path.splitext(name)
    parts = re.split(r"(\d+)", stem)
    parts[1::2] = map(Decimal, parts[1::2])  # unlike int, Decimal has no limit of digits
    if parts[0] == "-" and len(parts) > 1:  # a whole name such as -2.png is negative; a-2.png is not
        parts[:2] = "", parts[1].copy_negate()
    return parts, suffix, name  # the name itself decides between 1.png and 01.png


def holds_frames(folder: str | os.PathLike) -> bool:
    """Whether a folder holds frames. Stops at the first one. An animated image is not a frame."""
    with os.scandir(folder) as entries:
        return any(_is_frame(entry.name) and not is_animation(Path(entry.path)) for entry in entries)


def _is_frame(name: str) -> bool:
    # On other file systems, macOS writes hidden files such as "._0001.jpg" beside images. They are not images.
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _open_archive(path: Path) -> tuple[zipfile.Path, list[str]]:
    try:
        archive = zipfile.Path(path)
        entries = {entry.name: entry for entry in archive.iterdir()}  # the last one of equal names counts
    except zipfile.BadZipFile as error:
        raise VideoReadError(
            f"'{path}' cannot be read as a zip archive of frames: {error}. Copy or download it again."
        ) from error
    has_frames = any(map(_is_frame, entries))
    if not has_frames:
        for name, entry in entries.items():
            if entry.is_dir() and any(_is_frame(file.name) for file in entry.iterdir()):
                raise VideoReadError(
                    f"The frames of '{path}' are in its folder '{name}'. Pack them without this folder."
                )
    return archive, list(entries)
