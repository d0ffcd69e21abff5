"""A folder of class folders: the clips in it, with the names of the folders as labels."""

import os
from pathlib import Path

import pyarrow as pa
from transformers.utils import logging

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES, holds_frames
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .labels import AnnotationError
from .list_text import Annotations


logger = logging.get_logger(__name__)

_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
"""Folders that operating systems and archives add."""


def list_class_folders(root: Path) -> Annotations:
    """List the clips in the class folders of a folder.

    Clips are video files, folders of frames and zip archives of frames. In a class folder without any of these, each
    image is a clip: a still, which is repeated. An `AnnotationError` names a folder that is not a class folder.
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
    paths, labels, num_stills, num_left_out = [], [], 0, 0
    for folder in folders:
        videos, images = _clips_in(folder)
        clips = videos or images
        if not clips:
            raise AnnotationError(
                f"The class folder '{folder}' holds no videos: neither video files nor folders of frames, and no "
                "images. Add some or remove the folder."
            )
        num_stills += 0 if videos else len(images)
        num_left_out += len(images) if videos else 0
        paths += [os.path.join(folder.name, clip) for clip in clips]
        labels += [folder.name] * len(clips)
    if num_stills:
        logger.warning(
            f"'{root}': {num_stills} images are taken as clips, each a still. (Put the frames of a video into a "
            "separate folder.)"
        )
    if num_left_out:
        logger.warning(f"'{root}': {num_left_out} images beside videos are left out. Move stills to another root.")
    try:
        return Annotations(pa.array(paths), pa.array(labels), lambda row: f"The class folder '{root / labels[row]}'")
    except UnicodeEncodeError as error:
        raise AnnotationError(f"'{root}' holds {error.object!r}, a name that is not in UTF-8. Rename it.") from error


def _clips_in(folder: Path) -> tuple[list[str], list[str]]:
    """The names of videos and of images in a class folder, sorted."""
    entries = _visible(folder)
    videos = [entry for entry in entries if _may_be_video(entry)]
    # One folder shows the level. Checking all of them takes minutes on a shared disk.
    inner = next((entry for entry in videos if entry.is_dir()), None)
    if inner is not None and not holds_frames(inner) and any(_may_be_video(entry) for entry in inner.iterdir()):
        raise AnnotationError(
            f"'{inner}' in the class folder '{folder}' holds no frames but videos or folders. Give the folder whose "
            "folders are the classes."
        )
    return [video.name for video in videos], [entry.name for entry in entries if _is_image(entry)]


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder, sorted, without hidden ones."""
    entries = (entry for entry in folder.iterdir() if entry.name not in _SYSTEM_FOLDERS)
    return sorted(entry for entry in entries if not entry.name.startswith("."))


def _may_be_video(entry: Path) -> bool:
    # An empty folder is a broken video. It is reported when it is read.
    return entry.suffix.lower() in (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX) or entry.is_dir()


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()
