"""Sections of single videos among many."""

import os
from dataclasses import dataclass
from typing import Any

from ..image_processing.decoding.section import Section


@dataclass(frozen=True)
class VideoSection:
    """A section of a video. It replaces a video in the list of `predict_videos` and `embed_videos`.

    Attributes:
        video (`str` or `os.PathLike`): Path or URL.
        start, end (`float` or `str`, *optional*): Seconds from the first frame, or "1:30" (mm:ss) or "1:02:03.5"
            (hh:mm:ss). The default is the start or the end of the video.

    Raises:
        ValueError: If a time is wrong, or the end is not after the start.
    """

    video: str | os.PathLike
    start: float | str | None = None
    end: float | str | None = None

    def __post_init__(self):
        Section.of(self.start, self.end)


def video_and_section(video) -> tuple[Any, dict]:
    """A video without its section, and the section as settings of `open_frames`. Other videos have no settings."""
    if isinstance(video, VideoSection):
        return video.video, {"start": video.start, "end": video.end}
    return video, {}
