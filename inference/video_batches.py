"""Puts clips of many videos into batches of a model."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..messages import first_line, is_out_of_memory
from .video_reading import Part, Reader, read_videos


class Collector(Protocol):
    """Collects the outputs for one video."""

    def add(self, clips: Sequence, outputs: torch.Tensor):
        """Add the next clips of the video and their outputs (clips, ...)."""

    def result(self, video, end) -> Any:
        """The result of the whole video. `end` is that of its last `Part`."""


class Task(Protocol):
    """What to compute."""

    reader: Reader

    def compute(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """The outputs (clips, ...) of clips (clips, frames, channels, height, width), on the CPU."""

    def collector(self) -> Collector:
        """A new collector."""


@dataclass
class _Video:
    """A video that is not complete."""

    collector: Collector
    waiting: int = 0  # clips without outputs
    end: Any = None


@dataclass
class _Clip:
    index: int  # of its video
    pixels: torch.Tensor
    description: Any


def compute_videos(
    task: Task, videos: Sequence, batch_size: int, num_workers: int
) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the number, the result and the error of each video, as soon as it is complete.

    One of result and error is None. Errors of the model and of a collector fail only the videos that
    cause them.

    Args:
        num_workers: As for `read_videos`.

    Raises:
        RuntimeError: If the device runs out of memory.
        ValueError, RuntimeError: As for `read_videos`.
    """
    batches = _Batches(task, videos)
    for part in read_videos(task.reader, videos, num_workers):
        yield from batches.add(part)
        while len(batches.clips) >= batch_size:
            yield from batches.compute(batch_size)
    yield from batches.compute(batch_size)


class _Batches:
    """The clips that wait for a full batch, and their videos.

    The methods yield complete videos, as `compute_videos`.
    """

    def __init__(self, task: Task, videos: Sequence):
        self.task, self.videos = task, videos
        self.clips: list[_Clip] = []
        self.open: dict[int, _Video] = {}
        self.failed: set[int] = set()

    def add(self, part: Part) -> Iterator[tuple[int, Any, str | None]]:
        """Add a part of a video."""
        index = part.index
        if index in self.failed:  # the model failed for an earlier part
            return
        if part.begins:
            self._drop(index)
            self.open[index] = _Video(self.task.collector())
            return
        if part.error is not None:
            yield self._fail(index, part.error)
            return
        if part.clips:
            pixels = torch.from_numpy(part.pixel_values)
            self.clips += [_Clip(index, *clip) for clip in zip(pixels, part.clips, strict=True)]
        self.open[index].waiting += len(part.clips)
        self.open[index].end = part.end
        yield from self._collect(index)

    def compute(self, num_clips: int) -> Iterator[tuple[int, Any, str | None]]:
        """Compute the next `num_clips` clips, or those that are left."""
        batch, self.clips = self.clips[:num_clips], self.clips[num_clips:]
        if batch:
            yield from self._compute(sorted(batch, key=lambda clip: clip.index))  # one group for each video

    def _compute(self, batch: list[_Clip]) -> Iterator[tuple[int, Any, str | None]]:
        of_videos = {i: list(clips) for i, clips in itertools.groupby(batch, key=lambda clip: clip.index)}
        try:
            outputs = self.task.compute(torch.stack([clip.pixels for clip in batch]))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if len(of_videos) == 1:
                yield self._fail(batch[0].index, first_line(error))
            else:
                for clips in of_videos.values():
                    yield from self._compute(clips)
            return
        parts = outputs.split([len(clips) for clips in of_videos.values()])
        for (index, clips), its_outputs in zip(of_videos.items(), parts, strict=True):
            yield from self._collect(index, [clip.description for clip in clips], its_outputs)

    def _collect(
        self, index: int, clips: Sequence = (), outputs: torch.Tensor | None = None
    ) -> Iterator[tuple[int, Any, str | None]]:
        """Collect the outputs for clips of a video. Yield the video if it is complete now."""
        video = self.open[index]
        try:
            if outputs is not None:
                video.collector.add(clips, outputs)
                video.waiting -= len(clips)
            if video.end is None or video.waiting:
                return
            result = video.collector.result(self.videos[index], video.end)
        except Exception as error:  # an error of one video must not stop the others
            if is_out_of_memory(error):
                raise
            yield self._fail(index, first_line(error))
            return
        del self.open[index]
        yield index, result, None

    def _fail(self, index: int, error: str) -> tuple[int, None, str]:
        self._drop(index)
        self.failed.add(index)
        return index, None, error

    def _drop(self, index: int):
        """Forget what is known of a video."""
        self.open.pop(index, None)
        self.clips = [clip for clip in self.clips if clip.index != index]
