"""What clips there are in the folders of a corpus, and whether there is something in them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from ....image_processing.decoding.frame_folders import holds_frames
from ....image_processing.decoding.video_decoding import VIDEO_SUFFIXES


_GIT_LFS_POINTER = b"version https://git-lfs"
_LARGEST_POINTER = 1024  # bytes


class ClipFolder(NamedTuple):
    """Clips that are side by side in a folder.

    Attributes:
        path: The folder, relative to where the search began, with `/`; empty for that itself.
        clips: In the order of their names.
    """

    path: str
    clips: list[os.DirEntry]


def clips_below(folder: str | os.PathLike, depth: int, path: str = "") -> Iterator[ClipFolder]:
    """All clips, which are video files or folders of frames, `depth` folders down, folder by folder.

    Only one folder's content is in memory at a time, and its parents'.
    """
    entries = _sorted_entries(folder)
    if depth == 1:
        yield ClipFolder(path, [entry for entry in entries if _is_clip(entry)])
        return
    for entry in entries:
        if entry.is_dir():
            yield from clips_below(entry.path, depth - 1, joined(path, entry.name))


def first_file_below(folder: str | os.PathLike) -> str | None:
    """The path of a file in a folder, at any depth; None if there is none."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if visible := [name for name in files if not name.startswith(".")]:
            return os.path.join(parent, min(visible))
    return None


def joined(folder: str, name: str) -> str:
    """The path of `name` in `folder`, both relative and with `/`; a folder `""` or `"."` is where paths begin."""
    return name if folder in ("", ".") else f"{folder}/{name}"  # pathlib takes three times as long


def without_suffix(name: str) -> str:
    """The name of a clip without the suffix of a video file; names of folders may have other points."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def what_is_wrong(clip: os.DirEntry) -> str | None:
    """Why there is nothing to read in a clip, as the end of a sentence; None if there is. Nothing is decoded."""
    try:
        if clip.is_dir():
            return None if holds_frames(clip.path) else "holds no frames"
        size = clip.stat().st_size
        if size == 0:
            return "is empty"
        if size <= _LARGEST_POINTER and _is_pointer(clip.path):
            return "is a pointer of Git LFS; fetch the file itself with `git lfs pull`"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


class ClipFinder:
    """Finds clips of known names; every folder is listed once.

    Args:
        folder: The folder of clips.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        self._listed = {}

    def find(self, name: str) -> os.DirEntry | None:
        """The clip of a name that is relative to the folder of clips, whichever suffix either has."""
        parent, _, last = name.rpartition("/")
        if parent not in self._listed:
            self._listed[parent] = _clips_by_name(os.path.join(self.folder, parent))
        return self._listed[parent].get(without_suffix(last))


def _clips_by_name(folder: str) -> dict[str, os.DirEntry]:
    found = {}
    if os.path.isdir(folder):
        for entry in _sorted_entries(folder):
            if _is_clip(entry):
                found.setdefault(without_suffix(entry.name), entry)  # the frames of a video before the file
    return found


def _sorted_entries(folder: str | os.PathLike) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_clip(entry: os.DirEntry) -> bool:
    return entry.name.lower().endswith(VIDEO_SUFFIXES) or entry.is_dir()


def _is_pointer(file: str) -> bool:
    with open(file, "rb") as content:
        return content.read(len(_GIT_LFS_POINTER)) == _GIT_LFS_POINTER
