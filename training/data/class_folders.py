"""A folder of class folders: the clips in it, with the names of the folders as labels."""

import os
from pathlib import Path

import pyarrow as pa
from transformers.utils import logging

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES, holds_frames
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ...messages import printable
from .labels import AnnotationError
from .list_text import Annotations


logger = logging.get_logger(__name__)

_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
"""Folders that operating systems and archives add."""


def list_class_folders(root: Path) -> Annotations:
    """List the clips in the class folders of a folder.

    Clips are video files, folders of frames, zip archives of frames, and images. An image is a still, which is
    repeated. Other files are left out. An `AnnotationError` names a folder that is not a class folder.
    """
    entries = _visible(root)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders or (root / "dataset_dict.json").is_file():
        raise AnnotationError(
            f"The folder '{root}' holds no folders of classes. Videos are expected in '{root / 'CLASS'}'. (A folder "
            "of `save_to_disk` is loaded in Python, see docs/datasets.md.)"
        )
    beside = [entry for entry in entries if not entry.is_dir() and (_may_be_video(entry) or _is_image(entry))]
    if beside:
        logger.warning(
            f"'{root}': {len(beside)} videos or images beside the class folders are left out, such as "
            f"'{beside[0].name}'. Put each into the folder of its class."
        )
    paths, labels, num_images = [], [], 0
    for folder in folders:
        clips = _clips_in(folder.path)
        if not clips:
            raise AnnotationError(
                f"The class folder '{folder.path}' holds no videos: neither video files nor folders of frames, and no "
                "images. Add some or remove the folder."
            )
        num_images += sum(map(_is_image, clips))
        paths += [f"{folder.name}/{clip.name}" for clip in clips]  # the same list on all systems
        labels += [folder.name] * len(clips)
    if num_images:
        others = f", beside {len(paths) - num_images} videos" if num_images < len(paths) else ""
        logger.warning(
            f"'{root}': {num_images} images are taken as clips, each a still{others}. (Put the frames of a video into "
            "a separate folder.)"
        )

    def place(row: int) -> str:
        return f"The class folder '{printable(str(root / labels[row]), keeps='')}'"

    try:
        return Annotations(pa.array(paths), pa.array(labels), place)
    except UnicodeEncodeError as error:
        raise AnnotationError(f"'{root}' holds {error.object!r}, a name that is not in UTF-8. Rename it.") from error


def _clips_in(folder: str) -> list[os.DirEntry]:
    """The videos and images in a class folder, sorted."""
    clips = [entry for entry in _visible(folder) if _may_be_video(entry) or _is_image(entry)]
    # One folder shows the level. Checking all of them takes minutes on a shared disk.
    inner = next((clip for clip in clips if clip.is_dir()), None)
    if inner is not None and not holds_frames(inner) and any(map(_may_be_video, _visible(inner.path))):
        raise AnnotationError(
            f"'{inner.path}' in the class folder '{folder}' holds no frames but videos or folders. Give the folder "
            "whose folders are the classes."
        )
    return clips


def _visible(folder: str | os.PathLike) -> list[os.DirEntry]:
    """The entries of a folder, sorted by name, without hidden ones."""
    with os.scandir(folder) as entries:  # it knows which entries are folders, without a call for each
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted((entry for entry in visible if entry.name not in _SYSTEM_FOLDERS), key=lambda entry: entry.name)


def _may_be_video(entry: os.DirEntry) -> bool:
    # An empty folder is a broken video. It is reported when it is read.
    return _suffix(entry) in (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX) or entry.is_dir()


def _is_image(entry: os.DirEntry) -> bool:
    return _suffix(entry) in IMAGE_SUFFIXES and entry.is_file()


def _suffix(entry: os.DirEntry) -> str:
    return os.path.splitext(entry.name)[1].lower()
