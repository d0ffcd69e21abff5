"""Windows that slide over the frames of each person and become clips, while the frames come one after another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch


@dataclass
class PersonFrame:
    """What a model is to see of a person at a moment.

    Attributes:
        person (`int`): Who it is.
        time (`float`): Seconds into the video.
        pixels (`torch.Tensor`): Processed pixels, float (channels, height, width).
        box (`np.ndarray`, *optional*): Where that is in the frame: left, top, right, bottom in pixels.
    """

    person: int
    time: float
    pixels: torch.Tensor
    box: np.ndarray | None = None


@dataclass
class Clip:
    """What a model is to see of a person in a window.

    Attributes:
        frames (`list[PersonFrame]`): The frames, all of one person; the last may be there repeatedly.
        start, end (`float`): Seconds into the video.
    """

    frames: list[PersonFrame]
    start: float
    end: float

    @property
    def person(self) -> int:
        """Who it is."""
        return self.frames[0].person

    @property
    def pixel_values(self) -> torch.Tensor:
        """Float (frames, channels, height, width)."""
        return torch.stack([frame.pixels for frame in self.frames])


@dataclass
class Windows:
    """How windows slide.

    The first begins when a person appears. The last ends when the person is gone: it overlaps the one before it by as
    much as it takes. Of somebody who was there for less than a window, the last frame is repeated, as the published
    sampling does with short videos.

    Attributes:
        num_frames (`int`): Frames of a window.
        stride (`int`): Frames from the begin of a window to that of the next.
        step (`float`): Seconds from a frame to the next.
        duration (`Callable`, *optional*): Returns the seconds of the video, after which no window ends. Called when
            the moments are over, since only then the duration is known.
    """

    num_frames: int
    stride: int
    step: float
    duration: Callable[[], float] | None = None

    def clips(self, moments: Iterable[list[PersonFrame]]) -> Iterator[Clip]:
        """The clips of all people, each as soon as it is known that its last frame is shown to the end.

        Args:
            moments: For each moment of the video, `step` seconds apart, the people who are there. Somebody who leaves
                does not come back.
        """
        people = {}
        complete = []
        for moment in moments:
            yield from complete  # there is a next moment, so that the video lasts until then
            complete = [clip for frame in moment for clip in self._add(people, frame)]
            for person in people.keys() - {frame.person for frame in moment}:
                yield from self._rest(people.pop(person))
        for clip in (*complete, *(clip for seen in people.values() for clip in self._rest(seen))):
            yield self._within_video(clip)

    def _add(self, people: dict[int, "_Seen"], frame: PersonFrame) -> Iterator[Clip]:
        """Add a frame to those of its person; yields the clip that it completes."""
        seen = people.setdefault(frame.person, _Seen(self.num_frames, next_clip=self.num_frames))
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

    def _within_video(self, clip: Clip) -> Clip:
        """A clip whose last frame may be shown for less than a step, because the video ends."""
        if self.duration is None:
            return clip
        return replace(clip, end=min(clip.end, max(self.duration(), clip.frames[-1].time)))


class _Seen:
    """A person's latest frames, and how many there were.

    Args:
        num_frames: How many are kept.
        next_clip: After how many the next clip is due.
    """

    def __init__(self, num_frames: int, next_clip: int):
        self.recent = deque(maxlen=num_frames)
        self.count = 0
        self.next_clip = next_clip
        self.num_pending = 0  # frames that are in no clip yet
