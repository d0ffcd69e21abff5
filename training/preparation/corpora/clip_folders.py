"""Finds the clips in the folders of a corpus, and clips that are empty."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from ....image_processing.decoding.frame_folders import holds_frames
from ....image_processing.decoding.video_decoding import VIDEO_SUFFIXES


_GIT_LFS_POINTER = b"version https://git-lfs"
_LARGEST_POINTER = 1024  # bytes


class ClipFolder(NamedTuple):
    """The clips of one folder.

    Attributes:
        path: The folder, relative to the start of the search, with `/`. Empty for the start itself.
        clips: The clips, sorted by name.
    """

    path: str
    clips: list[os.DirEntry]


def clips_below(folder: str | os.PathLike, depth: int, path: str = "") -> Iterator[ClipFolder]:
    """Yield all clips `depth` folders down, folder by folder. A clip is a video file or a folder of frames.

    Only one folder and its parents are in memory at a time.
    """
    entries = _sorted_entries(folder)
    if depth == 1:
        yield ClipFolder(path, [entry for entry in entries if _is_clip(entry)])
        return
    for entry in entries:
        if entry.is_dir():
            yield from clips_below(entry.path, depth - 1, joined(path, entry.name))


def first_file_below(folder: str | os.PathLike) -> str | None:
    """The path of a file at any depth in a folder, or None."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if visible := [name for name in files if not name.startswith(".")]:
            return os.path.join(parent, min(visible))
    return None


def joined(folder: str, name: str) -> str:
    """Join relative paths with `/`. The folder may be `""` or `"."`."""
    return name if folder in ("", ".") else f"{folder}/{name}"  # pathlib takes three times as long


def without_suffix(name: str) -> str:
    """The name of a clip without the suffix of a video file. Other dots of the name stay."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def what_is_wrong(clip: os.DirEntry) -> str | None:
    """Say why a clip is empty, as the end of a sentence, without decoding it. None if it is not empty."""
    try:
        if clip.is_dir():
            return None if holds_frames(clip.path) else "holds no frames"
        size = clip.stat().st_size
        if size == 0:
            return "is empty"
        if size <= _LARGEST_POINTER and _is_pointer(clip.path):
            return "is a pointer of Git LFS; get the file with `git lfs pull`"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


class ClipFinder:
    """Finds clips by name. Lists every folder once.

    Args:
        folder: The folder of clips.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        self._listed = {}

    def find(self, name: str) -> os.DirEntry | None:
        """Find a clip by its name relative to the folder of clips. Suffixes of video files may differ."""
        parent, _, last = name.rpartition("/")
        if parent not in self._listed:
            self._listed[parent] = _clips_by_name(os.path.join(self.folder, parent))
        return self._listed[parent].get(without_suffix(last))


def _clips_by_name(folder: str) -> dict[str, os.DirEntry]:
    found = {}
    if os.path.isdir(folder):
        for entry in _sorted_entries(folder):
            if _is_clip(entry):
                found.setdefault(without_suffix(entry.name), entry)  # a folder of frames comes before a video file
    return found


def _sorted_entries(folder: str | os.PathLike) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_clip(entry: os.DirEntry) -> bool:
    return entry.name.lower().endswith(VIDEO_SUFFIXES) or entry.is_dir()


def _is_pointer(file: str) -> bool:
    with open(file, "rb") as content:
        return content.read(len(_GIT_LFS_POINTER)) == _GIT_LFS_POINTER
