"""Finds the videos that the arguments of a command name. An argument may be a folder of videos."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..image_processing.decoding.animated_images import is_animation
from ..image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, IMAGE_SUFFIXES
from ..image_processing.decoding.video_decoding import VIDEO_SUFFIXES


@dataclass
class FoundVideo:
    """A video that an argument names, or an argument that names no video.

    Attributes:
        video (`str`): Path or address.
        name (`str`): For a video in a folder argument, its path below that folder. For other arguments, the last
            part of the path or address.
        problem (`str`, *optional*): Why the argument or folder gives no video. None if it may be read.
    """

    video: str
    name: str
    problem: str | None = None


@dataclass
class FoundVideos:
    """All videos of a command.

    Attributes:
        videos (`list[FoundVideo]`): In the order of the arguments. Videos of a folder are sorted by path.
        skipped (`list[str]`): Paths of files in folders that are neither videos nor images.
    """

    videos: list[FoundVideo] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def find_videos(arguments: list[str], output_dir: str | None = None) -> FoundVideos:
    """Find videos.

    A folder with images is one video: its frames. A folder without images stands for the videos in it and in its
    subfolders: video files, animated images, zip archives, folders of frames. Names that begin with a dot are skipped.

    Args:
        arguments: Paths and addresses. All except folders count as videos. They are not opened here.
        output_dir: A folder that is not searched, because it gets the results.

    Raises:
        ValueError: If an argument is `output_dir`.
    """
    found = FoundVideos()
    output_dir = None if output_dir is None else os.path.realpath(output_dir)
    for argument in arguments:
        if not os.path.isdir(argument):
            found.videos.append(FoundVideo(argument, _last_part(argument)))
            continue
        if os.path.realpath(argument) == output_dir:
            raise ValueError(
                f"'{argument}' is both a folder of videos and the folder of the results. Choose another --output."
            )
        _Search(argument, output_dir, found).run()
    return found


def skipped_note(skipped: list[str]) -> str:
    """A sentence about `FoundVideos.skipped`."""
    if len(skipped) == 1:
        return f"'{skipped[0]}' is skipped, because it is neither a video nor an image."
    return f"{len(skipped)} files are skipped, because they are neither videos nor images, such as '{skipped[0]}'."


class _Search:
    """The search in one folder.

    Args:
        argument: The folder.
        output_dir: As for `find_videos`, an absolute path.
        found: Gets the videos.
    """

    def __init__(self, argument: str, output_dir: str | None, found: FoundVideos):
        self.argument, self.found = argument, found
        self.seen = {output_dir}  # symbolic links may lead back to a folder

    def run(self):
        """Search the folder. If it holds no video, add it with a problem."""
        before = len(self.found.videos)
        self._visit(self.argument)
        if len(self.found.videos) == before:
            suffixes = ", ".join(VIDEO_SUFFIXES)
            problem = f"The folder '{self.argument}' holds no videos ({suffixes}) and no frames, at any depth."
            self._add(self.argument, problem)

    def _visit(self, folder: str):
        real = os.path.realpath(folder)
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            contents = _Contents(folder)
        except OSError as error:
            self._add(folder, f"The folder '{folder}' cannot be read: {error.strerror}.")
            return
        if contents.has_frames:
            video = contents.videos[0] if contents.videos else self._first_video_below(contents.folders)
            self._add(folder, video and _mixture(folder, video))
            return
        self.found.skipped += contents.others
        visits = dict.fromkeys(contents.folders, self._visit) | dict.fromkeys(contents.videos, self._add)
        for path in sorted(visits):
            visits[path](path)

    def _first_video_below(self, folders: list[str]) -> str | None:
        """A video in subfolders of a folder of frames. It would be skipped if the frames were one video."""
        inner = FoundVideos()
        for folder in folders:
            search = _Search(folder, None, inner)
            search.seen |= self.seen
            search._visit(folder)
        return inner.videos[0].video if inner.videos else None

    def _add(self, path: str, problem: str | None = None):
        below = os.path.relpath(path, self.argument)
        name = _last_part(self.argument) if below == "." else below
        self.found.videos.append(FoundVideo(path, name, problem))


class _Contents:
    """The content of a folder, as paths. Hidden files are left out.

    Raises:
        OSError: If the folder cannot be read.
    """

    def __init__(self, folder: str):
        images = []
        self.videos, self.folders, self.others = [], [], []
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    self.folders.append(entry.path)
                elif suffix in (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX):
                    self.videos.append(entry.path)
                elif suffix in IMAGE_SUFFIXES:
                    images.append(entry.path)
                else:
                    self.others.append(entry.path)
        self.has_frames = any(not is_animation(Path(image)) for image in images)
        if not self.has_frames:
            self.videos += images
        self.videos.sort()


def _mixture(folder: str, video: str) -> str:
    return (
        f"The folder '{folder}' holds both images and a video ('{os.path.relpath(video, folder)}'), so it may be one "
        "video or several. Move the images away, or name the videos one by one, such as FOLDER/*.mp4."
    )


def _last_part(argument: str) -> str:
    """The last part of a path or address, without the query of an address."""
    if "://" in argument:
        argument = argument.partition("?")[0].partition("#")[0]
    return os.path.basename(os.path.abspath(argument))
