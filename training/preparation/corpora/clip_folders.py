"""Finds the clips in the folders of a corpus, and detects empty clips."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from ....image_processing.decoding.frame_folders import holds_frames
from ....image_processing.decoding.video_decoding import VIDEO_SUFFIXES


_GIT_LFS_POINTER = b"version https://git-lfs"
_LARGEST_POINTER = 1024  # bytes


class ClipFolder(NamedTuple):
    """The clips of one folder, sorted by name. The path is relative to the start of the search, with `/`."""

    path: str
    clips: list[os.DirEntry]


def clips_below(folder: str | os.PathLike, depth: int, path: str = "") -> Iterator[ClipFolder]:
    """Yield all clips on level `depth` below a folder. Only one folder and its parents are in memory at a time."""
    entries = _sorted_entries(folder)
    if depth == 1:
        yield ClipFolder(path, [entry for entry in entries if _is_clip(entry)])
        return
    for entry in entries:
        if entry.is_dir():
            yield from clips_below(entry.path, depth - 1, joined(path, entry.name))


def first_file_below(folder: str | os.PathLike) -> str | None:
    """The path of a visible file at any depth in a folder, or None."""
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


def problem_of_clip(clip: os.DirEntry) -> str | None:
    """The problem of an empty clip, as the end of a sentence. None for other clips. Nothing is decoded."""
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


def clips_by_name(folder: str | os.PathLike) -> dict[str, os.DirEntry]:
    """The clips of a folder by name without the suffix of a video file. Empty if the folder does not exist."""
    found = {}
    if os.path.isdir(folder):
        for entry in _sorted_entries(folder):
            if _is_clip(entry):
                found.setdefault(without_suffix(entry.name), entry)  # a folder of frames precedes a video file
    return found


def _sorted_entries(folder: str | os.PathLike) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_clip(entry: os.DirEntry) -> bool:
    return entry.name.lower().endswith(VIDEO_SUFFIXES) or entry.is_dir()


def _is_pointer(file: str) -> bool:
    with open(file, "rb") as content:
        return content.read(len(_GIT_LFS_POINTER)) == _GIT_LFS_POINTER
