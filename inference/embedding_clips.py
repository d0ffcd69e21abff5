"""Clips of videos for embeddings: evenly spaced segments, or windows that slide over time. Workers may read them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ..image_processing import open_frames, reading_of, sample_in_time
from ..image_processing.decoding.local_videos import has_content, video_name
from ..image_processing.decoding.section import Section
from ..image_processing.decoding.shots import find_cuts
from ..image_processing.distinct_views import distinct_views
from .video_section import video_and_section
from .window_settings import WindowSteps, processed_picture
from .windows import PersonFrame, Windows


@dataclass
class VideoPart:
    """Clips of a video, or an error.

    Attributes:
        video (`str`): Name of the video.
        index (`int`): Its position in the list of videos.
        clips (`torch.Tensor`, *optional*): Distinct clips, float (clips, frames, channels, height, width).
        rows (`torch.Tensor`): For each view of this part, its number in `clips`. int64 (views,).
        times (`np.ndarray`): Start and end of each view in seconds. float64 (views, 2).
        failure (`str`, *optional*): Why the video cannot be read.
        is_last (`bool`): Whether the video has no more parts.
    """

    video: str
    index: int
    clips: torch.Tensor | None = None
    rows: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    times: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    failure: str | None = None
    is_last: bool = True


class SegmentClips(Dataset):
    """The clips that the processor makes of each video, as one `VideoPart`.

    Args:
        videos: Any inputs of the processor.
        processor: The processor of the model.
        num_segments: Clips of a video. The default is the setting of the processor.
        reading: `start`, `end`, `stream` and `frame_rate`, as for the processor. Others may be missing.
    """

    def __init__(
        self, videos: Sequence, processor: BaseVideoProcessor, num_segments: int | None, reading: dict | None = None
    ):
        self.videos = videos
        self.processor = processor
        self.reading = dict(reading or {})
        self.sampling = {} if num_segments is None else {"num_segments": num_segments}

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index: int) -> VideoPart:
        video, section = video_and_section(self.videos[index])
        name, reading = _name(video, index), self.reading | section
        try:
            options = {"return_tensors": "pt", "return_metadata": True, "frame_times": True}
            inputs = self.processor(video, **options, **self.sampling, **reading)
        except Exception as error:  # an error of one video must not stop the others
            return VideoPart(name, index, failure=str(error) or repr(error))
        clips, rows = distinct_views(inputs["pixel_values"])
        section = Section.of(reading.get("start"), reading.get("end"))
        times = [self._seconds(metadata, section) for metadata in inputs["video_metadata"]]
        return VideoPart(name, index, clips, rows, np.array(times))

    def _seconds(self, metadata: VideoMetadata, section: Section) -> tuple[float, float]:
        """The start of the first frame of a clip, and the time at which its last sampling step ends."""
        times, first, last = metadata.frame_times, metadata.frames_indices[0], metadata.frames_indices[-1]
        rate, step = self.processor.sampling_frame_rate, self.processor.sampling_rate
        end = times[min(last + step, len(times) - 1)] if rate is None else times[last] + step / rate
        return max(times[first], section.start), min(end, times[-1], section.end)


class WindowClips(IterableDataset):
    """The clips of windows that slide over each video, as a `VideoPart` for each window. The last part has no clip.

    Only the frames of one window are in memory. Each worker reads every n-th video.

    Args:
        videos: Any inputs of `open_frames`.
        processor: The processor of the model.
        window: Seconds of a clip. The default is that of `FacialExpressionPipeline`.
        stride: Seconds between the starts of two windows. The default is half a window.
        reading: `start`, `end`, `stream` and `frame_rate`, as for `open_frames`. Others may be missing.
        cuts: Find the hard cuts of the video. No window goes over a cut.
    """

    def __init__(
        self,
        videos: Sequence,
        processor: BaseVideoProcessor,
        window: float | None,
        stride: float | None,
        reading: dict | None = None,
        cuts: bool = True,
    ):
        self.videos = videos
        self.processor = processor
        self.reading = reading_of(processor) | (reading or {})
        self.cuts = cuts
        self.steps = WindowSteps.of(processor, processor.num_frames, window, stride)

    def __iter__(self) -> Iterator[VideoPart]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for index in range(first, len(self.videos), step):
            video, section = video_and_section(self.videos[index])
            name, failure = _name(video, index), None
            try:
                yield from self._windows(video, self.reading | section, name, index)
            except Exception as error:  # an error of one video must not stop the others
                failure = str(error) or repr(error)
            yield VideoPart(name, index, failure=failure)

    def _windows(self, video, reading: dict, name: str, index: int) -> Iterator[VideoPart]:
        with open_frames(video, **reading) as stream:
            if self.cuts:
                find_cuts(stream)
            moments = ([self._frame(frame)] for frame in sample_in_time(stream, self.steps.step))
            step, stride = self.steps
            windows = Windows(self.processor.num_frames, stride, step, lambda: stream.passed, stream.cuts)
            for clip in windows.clips(moments):
                times, row = np.array([[clip.start, clip.end]]), torch.zeros(1, dtype=torch.int64)
                yield VideoPart(name, index, clip.pixel_values[None], row, times, is_last=False)

    def _frame(self, frame) -> PersonFrame:
        return PersonFrame(0, frame.time, processed_picture(self.processor, frame.image), shot=frame.shot)


def _name(video, index: int) -> str:
    has_name = isinstance(video, (str, os.PathLike)) or has_content(video)
    return video_name(video) if has_name else f"video {index}"
