"""Videos that are stored as images: a folder of frames, a zip archive of them, or a single image."""

import os
import re
import zipfile
from pathlib import Path

from .animated_images import is_animation
from .video_sources import VideoReadError


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""By which frames are found in folders and archives."""

FRAME_ARCHIVE_SUFFIX = ".zip"
"""The suffix of a folder of frames that is packed into one file."""

FRAME_ORDERS = ("natural", "name")
"""`natural`: numbers in the names count, so that 2.png comes before 10.png. `name`: letter by letter, so that 10.png
comes before 2.png; the published code sorts this way."""


def check_frame_order(frame_order: str):
    """
    Raises:
        ValueError: If it is none of `FRAME_ORDERS`.
    """
    if frame_order not in FRAME_ORDERS:
        raise ValueError(f"frame_order={frame_order!r} must be 'natural' or 'name'.")


def consists_of_images(path: Path) -> bool:
    """Whether a video is a folder or archive of frames, or a single still image. Otherwise it is a video file."""
    if path.is_dir():
        return True
    return path.suffix.lower() in (*IMAGE_SUFFIXES, FRAME_ARCHIVE_SUFFIX) and not is_animation(path)


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
    return folder, names


def in_order(names, frame_order: str = "natural") -> list[str]:
    """Names of frames in one of `FRAME_ORDERS`."""
    return sorted(names, key=_natural_key if frame_order == "natural" else None)


def _natural_key(name: str) -> tuple:
    stem, suffix = os.path.splitext(name)
    parts = re.split("([0-9]+)", stem)
    # Numbers are compared by length first, which needs no conversion, however long they are.
    numbers = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = [(len(number), number) for number in numbers]
    return parts, suffix, name  # the name itself decides between 1.png and 01.png


def holds_frames(folder: str | os.PathLike) -> bool:
    """Whether a folder holds frames. Stops at the first one. An animated image is not a frame."""
    with os.scandir(folder) as entries:
        return any(_is_frame(entry.name) and not is_animation(Path(entry.path)) for entry in entries)


def _is_frame(name: str) -> bool:
    # macOS leaves files whose names begin with a dot beside copied files ("._0001.jpg"); they are no images.
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _open_archive(path: Path) -> tuple[zipfile.Path, list[str]]:
    try:
        folder = zipfile.Path(path)
        return folder, [file.name for file in folder.iterdir()]
    except zipfile.BadZipFile as error:
        raise VideoReadError(
            f"'{path}' cannot be read as a zip archive of frames: {error}. Copy or download it again."
        ) from error
