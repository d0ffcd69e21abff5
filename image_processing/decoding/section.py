"""Sections of videos: from one time in the video to another."""

import math
import numbers
import re
from typing import NamedTuple

import numpy as np

from .video_sources import VideoReadError


FRAME_RATE = 25.0
"""Frames per second of folders and arrays. The videos of the training corpora have this rate."""

SECTION = ("start", "end", "stream", "frame_rate")
"""Settings of a single video: the section that is read, its stream, and the frame rate of a folder or an array."""

SAME_TIME = 1e-3  # seconds; containers round timestamps

_TIME = re.compile(r"(?:(?:([0-9]+):)?([0-9]+):)?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


class Section(NamedTuple):
    """The part of a video that is shown from `start` until before `end`, in seconds from its first frame.

    The frame that is shown at `start` belongs to it, even if it appeared earlier.
    """

    start: float = 0.0
    end: float = math.inf

    @classmethod
    def of(cls, start: float | str | None, end: float | str | None) -> "Section":
        """The section between two times, as `seconds_of` reads them. None is the start or the end of the video.

        Raises:
            ValueError: If a time is wrong, or the end is not after the start.
        """
        section = cls(seconds_of("start", start, 0.0), seconds_of("end", end, math.inf))
        if section.end - section.start <= SAME_TIME:
            first = 0 if start is None else start
            raise ValueError(f"end={end!r} must be later than start={first!r}, by more than {SAME_TIME:g} seconds.")
        return section

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole video."""
        return self == Section()

    def check(self, duration: float, name: str):
        """
        Raises:
            VideoReadError: If a video of `duration` seconds ends before the section starts.
        """
        if self.start > 0 and self.start >= duration - SAME_TIME:
            raise VideoReadError(
                f"{name} ends after {duration:.3f} seconds, so it has nothing from start={self.start:g} on. Give an "
                "earlier start."
            )


def seconds_of(option: str, time: float | str | None, default: float) -> float:
    """Seconds of a time that a user gives: a number, or "90.5", "1:30" (mm:ss) or "1:02:03.5" (hh:mm:ss).

    Args:
        option: The name of the setting, for messages.
        time: The time. None means `default`.

    Raises:
        ValueError: If it is negative, not finite, or not a time.
    """
    if time is None:
        return default
    if isinstance(time, str) and (match := _TIME.fullmatch(time)):
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        # "90" and "90:00" are common, "1:75" and "1:60:00" are mistakes.
        is_time = (seconds < 60 or match[2] is None) and (minutes < 60 or match[1] is None)
        time = 3600 * hours + 60 * minutes + seconds if is_time else time
    is_number = isinstance(time, numbers.Real) and not isinstance(time, bool)
    if not (is_number and math.isfinite(time) and time >= 0):
        raise ValueError(
            f"{option}={time!r} is not a time in a video. Give seconds (90.5), minutes and seconds (1:30), or hours, "
            "minutes and seconds (1:02:03)."
        )
    return float(time)


WHOLE = Section()
"""The whole video."""


class Sampling(NamedTuple):
    """The frames of a video that clips may hold.

    Attributes:
        section (`Section`): They are shown in this part of the video.
        frame_rate (`float`, *optional*): They are the frames that are shown so many times a second, at regular times.
            A slow video repeats frames, and a fast one skips some. None: each frame of the section, once.
    """

    section: Section = WHOLE
    frame_rate: float | None = None

    @property
    def needs_times(self) -> bool:
        """Whether the times of frames matter."""
        return not self.section.is_whole or self.frame_rate is not None

    def indices(self, times: np.ndarray, name: str) -> np.ndarray:
        """The indices of these frames, int64 (frames,), in ascending order.

        Args:
            times: Seconds from the first frame at which frames are shown, in ascending order. The last number is the
                end of the video. float64 (frames of the video + 1,).
            name: The video, as the subject of a message.

        Raises:
            VideoReadError: If the video ends before the section starts.
        """
        shown, duration = times[:-1], times[-1]
        start, end = self.section
        self.section.check(duration, name)
        if self.frame_rate is None:
            first = np.searchsorted(shown, start + SAME_TIME, side="right") - 1
            return np.arange(first, max(np.searchsorted(shown, end - SAME_TIME), first + 1))
        count = max(math.ceil((min(end, duration) - start - SAME_TIME) * self.frame_rate), 1)
        moments = start + np.arange(count) / self.frame_rate
        return np.searchsorted(shown, moments + SAME_TIME, side="right") - 1


def regular_times(num_frames: int, frame_rate: float) -> np.ndarray:
    """The times of frames at a constant rate, and the end of the last one: float64 (num_frames + 1,)."""
    return np.arange(num_frames + 1) / frame_rate


def check_frame_rate(option: str, frame_rate: float | None):
    """
    Raises:
        ValueError: If it is neither None nor a positive, finite number. `option` is its name in the message.
    """
    is_number = isinstance(frame_rate, numbers.Real) and not isinstance(frame_rate, bool)
    if frame_rate is not None and not (is_number and 0 < frame_rate < math.inf):
        raise ValueError(f"{option}={frame_rate!r} must be a positive number of frames per second.")
