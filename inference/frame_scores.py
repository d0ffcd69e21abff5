"""Scores of windows, or of their single frames if the model gives scores for each frame."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from .windows import Clip


class FrameScores:
    """Averages the scores of each frame over the windows of its person that hold the frame."""

    def __init__(self):
        self._waiting = {}  # for each person, by time: the frame as a clip, and its scores in each window

    def add(self, clips: list[Clip], scores: torch.Tensor) -> tuple[list[Clip], torch.Tensor]:
        """Add windows, in their order for each person.

        Args:
            clips: The windows.
            scores: float32 (windows, frames, labels), or (windows, labels) of a model that does not score frames.

        Returns:
            Frames that no later window holds, as clips of one frame without pixels, and their scores (frames, labels).
            Such a clip ends when the next frame of the window begins, or with the window. Windows and scores of a
            model that does not score frames are returned unchanged.
        """
        if scores.ndim == 2:
            return clips, scores
        complete = []
        for clip, clip_scores in zip(clips, scores, strict=True):
            waiting = self._waiting.setdefault(clip.person, {})
            complete += self._before(clip)
            for frame, frame_scores in zip(_single_frames(clip), clip_scores, strict=False):
                earlier = waiting[frame.start][1] if frame.start in waiting else []
                waiting[frame.start] = frame, [*earlier, frame_scores]
        return _means(complete)

    def _before(self, clip: Clip) -> list:
        """Remove and return the frames that neither this window nor a later one holds.

        All later windows start later, except short ones. So the frames of people who left do not wait for the end.
        """
        is_full = len({frame.time for frame in clip.frames}) == len(clip.frames)
        complete = []
        for person, waiting in list(self._waiting.items()):
            if person == clip.person or is_full:
                complete += [waiting.pop(time) for time in list(waiting) if time < clip.start]
            if not waiting and person != clip.person:
                del self._waiting[person]
        return complete

    def rest(self) -> tuple[list[Clip], torch.Tensor]:
        """The remaining frames, after the last window. The result is that of `add`."""
        return _means([each for waiting in self._waiting.values() for each in waiting.values()])


def _single_frames(clip: Clip) -> Iterator[Clip]:
    """The frames of a window as clips without pixels. Repetitions of the last frame are omitted."""
    frames = list({frame.time: replace(frame, pixels=torch.empty(0)) for frame in clip.frames}.values())
    ends = [*(frame.time for frame in frames[1:]), clip.end]
    for frame, end in zip(frames, ends, strict=True):
        yield Clip([frame], frame.time, end)


def _means(frames: list[tuple[Clip, list[torch.Tensor]]]) -> tuple[list[Clip], torch.Tensor]:
    means = [torch.stack(scores).mean(dim=0) for _, scores in frames]
    return [clip for clip, _ in frames], torch.stack(means) if means else torch.empty(0)
