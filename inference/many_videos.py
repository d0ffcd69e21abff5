"""Predicts many videos. Processes read them, and clips of several videos share a batch of the model."""

import copy
import itertools
import os
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub.loading import set_reading
from ..image_processing import CenterFaceDetector, FaceCropper, open_frames
from ..image_processing.decoding.local_videos import video_name
from ..image_processing.decoding.section import SECTION
from ..image_processing.distinct_views import distinct_views
from .frame_scores import FrameScores
from .pipeline import DEFAULT_BATCH_SIZE, FacialExpressionPipeline
from .prediction import answer_kind, prediction_of, score_clips, score_frames
from .video_batches import compute_videos
from .video_reading import Part
from .video_section import VideoSection, video_and_section
from .window_settings import check_batch_size
from .windows import Clip, PersonFrame


CLIPS_AT_ONCE = 8  # in a message of a process; bounds its memory for every batch size
SMALL_PICTURE = 256 * 256  # pixels; its processed form needs as much memory as the picture


@dataclass
class VideoOutcome:
    """The result of a video, or why there is none.

    Attributes:
        index (`int`): Position in the list of videos.
        video (`str`): The path or URL.
        result (`dict`, *optional*): What `FacialExpressionPipeline` returns for the video. With `num_segments`, the
            fields of a `VideoPrediction`, and `problem_type`. None if the video failed.
        error (`str`, *optional*): Why the video failed, in a sentence.
    """

    index: int
    video: str
    result: dict | None = None
    error: str | None = None


def predict_videos(
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    videos: Iterable[str | os.PathLike | VideoSection],
    *,
    face_cropper: FaceCropper | None = None,
    num_segments: int | None = None,
    batch_size: int | None = None,
    num_workers: int = 0,
    **settings,
) -> Iterator[VideoOutcome]:
    """Predict many videos. Each is yielded when it is complete, so the order may differ from that of the list.

    The results are those of one video at a time, except for the rounding of a batch. Memory holds a few batches, for
    any number and length of videos.

    Args:
        model: A video classifier in eval mode, or an `ExportedModel`.
        processor: The processor of the model.
        videos: Paths and URLs, or other single videos of the processor that have a name. The times of a
            `VideoSection` replace `start` and `end` of the settings.
        face_cropper: As for `FacialExpressionPipeline`.
        num_segments: Average so many clips of whole frames, as `predict_video`, instead of windows over time. This
            needs `crop_faces=False`.
        batch_size: Clips in a batch of the model, 8 by default. They may belong to several videos.
        num_workers: Processes that decode videos and find faces. With 0, this process does so.
        settings: Settings of a call of `FacialExpressionPipeline`, such as `crop_faces`, `window` and `stride`.

    Raises:
        ValueError: If a setting is impossible, or processes are to find faces on a GPU. Errors of single videos are in
            their outcomes.
        MissingExtraError: If faces are to be cropped and the extra `faces` is not installed.
        RuntimeError: If the device runs out of memory, or a process cannot start.

    Example:

    ```python
    >>> from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor
    >>> from lgi_former.inference import predict_videos

    >>> model = LGIFormerForVideoClassification(LGIFormerConfig(num_hidden_layers=2)).eval()
    >>> videos = ["missing.mp4", "also missing.mp4"]
    >>> outcomes = predict_videos(model, LGIFormerVideoProcessor(), videos, crop_faces=False)
    >>> [(outcome.video, outcome.result) for outcome in outcomes]
    [('missing.mp4', None), ('also missing.mp4', None)]

    ```
    """
    videos = list(videos)
    check_batch_size(batch_size)
    batch_size = batch_size or DEFAULT_BATCH_SIZE
    if num_workers < 0:
        raise ValueError(f"num_workers={num_workers} must be at least 0.")
    if num_segments is None:
        task = _Windows(model, processor, face_cropper, batch_size, num_workers, settings)
    else:
        task = _Views(model, processor, num_segments, settings)
    names = [video_name(video_and_section(video)[0]) for video in videos]
    computed = compute_videos(task, videos, batch_size, num_workers)
    return (VideoOutcome(index, names[index], result, error) for index, result, error in computed)


class _Windows:
    """Predicts windows over time, as `FacialExpressionPipeline`."""

    def __init__(self, model, processor, face_cropper, batch_size: int, num_workers: int, settings: dict):
        if settings.get("crop_faces") in (None, True):
            face_cropper = face_cropper or FaceCropper()
            face_cropper = _with_one_thread(face_cropper) if num_workers else face_cropper
        self.pipeline = FacialExpressionPipeline(
            model=model,
            video_processor=processor,
            face_cropper=face_cropper,
            device=model.device,
            batch_size=batch_size,
            **settings,
        )
        reading_pipeline = copy.copy(self.pipeline)
        reading_pipeline.model = types.SimpleNamespace(config=model.config)  # processes do not need the weights
        reading_pipeline.video_processor = _LargePictures(processor)
        reading, preprocessing, self.postprocessing = self.pipeline.settings({})
        reading |= {"num_threads": 1 if num_workers else 0}
        self.reader = _WindowReader(reading_pipeline, processor, reading, preprocessing)

    @torch.inference_mode()
    def compute(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Scores, float32 (clips, labels) or (clips, frames, labels)."""
        model = self.pipeline.model
        return score_frames(model, pixel_values.to(model.device)).cpu()

    def collector(self) -> "_Timeline":
        """Collects the scores of one video."""
        return _Timeline(self.pipeline, self.postprocessing)


def _with_one_thread(cropper: FaceCropper) -> FaceCropper:
    """A copy of a cropper whose detector runs in one thread, if it is CenterFace. Threads do not survive a fork."""
    if not isinstance(cropper.detector, CenterFaceDetector):
        return cropper
    if cropper.detector.gpu is not None:  # a fork cannot use the GPU of its parent
        raise ValueError(
            "Processes find faces on the CPU: give face_cropper a detector with device='cpu', or pass num_workers=0."
        )
    cropper = copy.copy(cropper)
    cropper.detector = copy.copy(cropper.detector)
    cropper.detector.num_threads = 1
    return cropper


@dataclass
class _LargePictures:
    """A processor that leaves small pictures unprocessed, because many at once take a fraction of the time."""

    processor: BaseVideoProcessor

    def __call__(self, clip: torch.Tensor, **settings) -> dict[str, torch.Tensor]:
        is_small = clip.shape[-2] * clip.shape[-1] <= SMALL_PICTURE
        return {"pixel_values": clip[None]} if is_small else self.processor(clip, **settings)


@dataclass
class _WindowReader:
    """Yields the clips of the windows of a video.

    Attributes:
        pipeline (`FacialExpressionPipeline`): Makes the clips. Its processor is `_LargePictures`.
        processor (`BaseVideoProcessor`): Processes small pictures.
        reading, preprocessing (`dict`): Settings of `open_frames` and of `pipeline.preprocess`.
    """

    pipeline: FacialExpressionPipeline
    processor: BaseVideoProcessor
    reading: dict
    preprocessing: dict

    def __call__(self, video) -> Iterator[Part]:
        video, section = video_and_section(video)
        with open_frames(video, **self.reading | section) as frames:
            clips = self.pipeline.preprocess(frames, **self.preprocessing)
            while some := list(itertools.islice(clips, CLIPS_AT_ONCE)):
                self._process({id(frame): frame for clip in some for frame in clip.frames}.values())
                pixel_values = torch.stack([clip.pixel_values for clip in some]).numpy()
                yield Part(pixel_values=pixel_values, clips=[_without_pixels(clip) for clip in some])
            yield Part(end=(frames.times, frames.notes))

    def _process(self, frames: Iterable[PersonFrame]):
        """Process, in place, the frames whose pictures are not processed. Windows share frames."""
        by_size = {}
        for frame in frames:
            if frame.pixels.dtype == torch.uint8:
                by_size.setdefault(frame.pixels.shape, []).append(frame)
        for same_size in by_size.values():
            pictures = torch.stack([frame.pixels for frame in same_size])
            processed = self.processor(pictures, do_sample_frames=False, return_tensors="pt")["pixel_values"][0]
            for frame, pixels in zip(same_size, processed, strict=True):
                frame.pixels = pixels


def _without_pixels(clip: Clip) -> Clip:
    return replace(clip, frames=[replace(frame, pixels=None) for frame in clip.frames])


class _Timeline:
    """Collects the scores of the windows of a video."""

    def __init__(self, pipeline: FacialExpressionPipeline, postprocessing: dict):
        self.pipeline, self.postprocessing = pipeline, postprocessing
        self.frame_scores = FrameScores()
        self.entries = []

    def add(self, clips: list[Clip], scores: torch.Tensor):
        """Add scores, as `_Windows.compute` returns them."""
        self._add(self.frame_scores.add(clips, scores))

    def _add(self, scored: tuple[list[Clip], torch.Tensor]):
        self.entries += self.pipeline.postprocess(scored, **self.postprocessing)

    def result(self, video, end: tuple[dict, list[str]]) -> dict:
        """The result of the video."""
        self._add(self.frame_scores.rest())
        return self.pipeline.result(video_and_section(video)[0], self.entries, *end)


class _Views:
    """Predicts the average of views, as `predict_video`."""

    def __init__(self, model, processor, num_segments: int, settings: dict):
        given = {name for name, setting in settings.items() if setting is not None}
        others = given - {"crop_faces", "backend", "frame_order", *SECTION}
        if settings.get("crop_faces") is not False or others:
            raise ValueError(
                "num_segments evaluates whole frames, as the paper does: pass crop_faces=False"
                + (f", and leave out {', '.join(sorted(others))}." if others else ".")
            )
        processor = copy.copy(processor)
        set_reading(processor, settings.get("backend"), settings.get("frame_order"))
        self.model, self.kind = model, answer_kind(model.config)
        section = {name: settings[name] for name in SECTION if settings.get(name) is not None}
        self.reader = _ViewReader(processor, {"num_segments": num_segments} | section)

    @torch.inference_mode()
    def compute(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Scores, float32 (clips, labels)."""
        return score_clips(self.model, pixel_values.to(self.model.device)).cpu()

    def collector(self) -> "_MeanOfViews":
        """Collects the scores of one video."""
        return _MeanOfViews(self.kind)


@dataclass
class _ViewReader:
    """Yields the distinct views of a video."""

    processor: BaseVideoProcessor
    settings: dict  # of a call of the processor

    def __call__(self, video) -> Iterator[Part]:
        video, section = video_and_section(video)
        views = self.processor(video, return_tensors="pt", **self.settings | section)["pixel_values"]
        distinct, view_index = distinct_views(views)
        yield Part(pixel_values=distinct.numpy(), clips=[None] * len(distinct), end=view_index.numpy())


class _MeanOfViews:
    """Collects the scores of the distinct views of a video."""

    def __init__(self, kind):
        self.kind = kind
        self.scores = []

    def add(self, clips: Sequence, scores: torch.Tensor):
        """Add scores, as `_Views.compute` returns them."""
        self.scores.append(scores)

    def result(self, video, view_index) -> dict:
        """The result of the video."""
        scores, video = torch.cat(self.scores), video_and_section(video)[0]
        return vars(prediction_of(video, scores, torch.from_numpy(view_index), self.kind)) | self.kind.fields()
