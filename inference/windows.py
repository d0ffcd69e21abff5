"""Slides windows over the frames of each person and yields clips, while frames are still being read."""

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..image_processing.decoding.section import SAME_TIME


@dataclass
class PersonFrame:
    """The input of the model for one person at one time.

    Attributes:
        person (`int`): Number of the person.
        time (`float`): Seconds from the start of the video.
        pixels (`torch.Tensor`): Processed pixels, float (channels, height, width).
        box (`np.ndarray`, *optional*): The crop in the frame: left, top, right, bottom in pixels.
        angle (`float`): Clockwise rotation of the crop around its centre, in degrees.
        shot (`int`): Number of the shot.
    """

    person: int
    time: float
    pixels: torch.Tensor
    box: np.ndarray | None = None
    angle: float = 0.0
    shot: int = 0


@dataclass
class Clip:
    """The input of the model for one person in one window.

    Attributes:
        frames (`list[PersonFrame]`): Frames of one person. The last may be repeated.
        start, end (`float`): Seconds from the start of the video.
    """

    frames: list[PersonFrame]
    start: float
    end: float

    @property
    def person(self) -> int:
        """Number of the person."""
        return self.frames[0].person

    @property
    def pixel_values(self) -> torch.Tensor:
        """Float (frames, channels, height, width)."""
        return torch.stack([frame.pixels for frame in self.frames])


@dataclass
class Windows:
    """Cuts the frames of each person into windows.

    The first window starts when a person appears. The last window ends when the person leaves or the shot ends, and
    may overlap the window before it by more than the others. If a person is seen for less than a window, the last
    frame is repeated, as in the published sampling of short videos.

    Attributes:
        num_frames (`int`): Frames of a window.
        stride (`int`): Frames between the starts of two windows.
        step (`float`): Seconds between two frames.
        duration (`Callable`, *optional*): Returns the seconds of the video. No window ends later. It is called after
            the last moment, because the duration is known only then.
        cuts (`Sequence[float]`): Seconds at which a new shot begins. No window ends after the cut that follows its
            last frame. The list may grow while the video is read.
    """

    num_frames: int
    stride: int
    step: float
    duration: Callable[[], float] | None = None
    cuts: Sequence[float] = ()

    def clips(self, moments: Iterable[list[PersonFrame]]) -> Iterator[Clip]:
        """Yield the clips of all people. Each clip is yielded when the moment after its last frame is read.

        Args:
            moments: The people at each moment of the video. Moments are `step` seconds apart. A person who returns
                gets new windows.
        """
        people = {}
        complete = []
        for moment in moments:
            yield from map(self._within_shot, complete)  # this moment shows that the video goes on after them
            complete = [clip for frame in moment for clip in self._add(people, frame)]
            for gone in people.keys() - {(frame.person, frame.shot) for frame in moment}:
                yield from map(self._within_shot, self._rest(people.pop(gone)))
        for clip in (*complete, *(clip for seen in people.values() for clip in self._rest(seen))):
            yield self._within_video(self._within_shot(clip))

    def _add(self, people: dict[tuple[int, int], "_Seen"], frame: PersonFrame) -> Iterator[Clip]:
        """Add a frame of a person. Yield the clip that it completes, if any."""
        seen = people.setdefault((frame.person, frame.shot), _Seen(self.num_frames, next_clip=self.num_frames))
        seen.recent.append(frame)
        seen.count += 1
        if seen.count == seen.next_clip:
            seen.next_clip += self.stride
            seen.num_pending = 0
            yield self._clip(seen)
        else:
            seen.num_pending += 1

    def _rest(self, seen: "_Seen") -> Iterator[Clip]:
        if seen.num_pending:
            yield self._clip(seen)

    def _clip(self, seen: "_Seen") -> Clip:
        frames = list(seen.recent)
        start, end = frames[0].time, frames[-1].time + self.step
        return Clip(frames + frames[-1:] * (self.num_frames - len(frames)), start, end)

    def _within_shot(self, clip: Clip) -> Clip:
        """The clip with an end that is not after the first cut after its last frame."""
        following = bisect.bisect(self.cuts, clip.frames[-1].time + SAME_TIME)
        return replace(clip, end=min([clip.end, *self.cuts[following : following + 1]]))

    def _within_video(self, clip: Clip) -> Clip:
        """The clip with an end that is not after the end of the video."""
        if self.duration is None:
            return clip
        return replace(clip, end=min(clip.end, max(self.duration(), clip.frames[-1].time)))


class _Seen:
    """The latest frames of a person, and counts.

    Args:
        num_frames: Number of frames to hold.
        next_clip: Number of frames after which the next clip is complete.
    """

    def __init__(self, num_frames: int, next_clip: int):
        self.recent = deque(maxlen=num_frames)
        self.count = 0
        self.next_clip = next_clip
        self.num_pending = 0  # frames that are not yet in a clip
