"""The pipeline from a video to the expressions in it over time."""

import itertools
import math
import os
import types
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm
from transformers import Pipeline
from transformers.video_utils import is_valid_video_frame

from ..image_processing import FaceCropper, FrameStream, TimedFrame, open_frames, reading_of, sample_in_time
from ..image_processing.decoding.decoder_backends import check_backend_name
from ..image_processing.decoding.frame_folders import check_frame_order
from ..image_processing.decoding.section import SECTION, Section, check_frame_rate
from ..image_processing.decoding.shots import find_cuts
from ..image_processing.decoding.video_streams import check_stream_number
from .exported_model import ExportedModel
from .frame_iterator import is_frame_by_frame, open_iterator
from .frame_scores import FrameScores
from .prediction import answer_kind, score_frames
from .timeline import summarise
from .window_settings import (
    WindowSteps,
    check_batch_size,
    check_seconds,
    num_frames_of,
    processed_picture,
)
from .windows import Clip, PersonFrame, Windows


DEFAULT_BATCH_SIZE = 8
READING = (*SECTION, "backend", "frame_order")  # settings of `open_frames`


class FacialExpressionPipeline(Pipeline):
    """
    Facial expression recognition in whole videos. It finds and follows faces, slides a window over the frames of each
    person, and classifies the clip of each window. The model may be any `AutoModelForVideoClassification` with
    `pixel_values` of a fixed number of frames, or an [`ExportedModel`].

    A video is read once, and only a few seconds are in memory. The `num_frames` frames of a clip are evenly spaced in
    its window, for every frame rate. `num_frames` and `sampling_rate` are those of the processor. If it has none, as
    that of VideoMAE, they are `num_frames` of the configuration and 4.

    Args:
        face_cropper ([`~image_processing.FaceCropper`], *optional*):
            Finds, follows and crops faces. The default is created at first use and needs
            `pip install "lgi-former[faces]"`.
        kwargs:
            As for every pipeline: `model`, `video_processor`, `device`, `batch_size` (8 clips by default). Also the
            settings of a call, as defaults of all calls.

    Example:

    ```python
    import lgi_former  # registers the task
    from transformers import pipeline

    recognise = pipeline("facial-expression-recognition", model="mae-dfer-dfew")
    result = recognise("holiday.mp4")
    print(result["scores"])
    for entry in recognise.stream("lecture.mp4"):
        print(entry["start"], entry["person"], entry["scores"])
    ```
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False
    _load_video_processor = True

    def __init__(self, model, *args, face_cropper: FaceCropper | None = None, device=None, **kwargs):
        if device is None and isinstance(model, ExportedModel):
            device = model.device  # the default of Transformers is an accelerator
        super().__init__(model, *args, device=device, **kwargs)
        if self.video_processor is None:
            raise ValueError("facial-expression-recognition needs a model with a video processor, or one passed.")
        self._num_frames = num_frames_of(self.video_processor, self.model.config)
        self.kind = answer_kind(self.model.config)
        self._face_cropper = face_cropper
        check_batch_size(self._batch_size)

    def _sanitize_parameters(
        self,
        crop_faces=None,
        align=None,
        window=None,
        stride=None,
        frame_rate=None,
        return_boxes=None,
        show_progress=None,
        on_frame=None,
        backend=None,
        frame_order=None,
        start=None,
        end=None,
        stream=None,
        cuts=None,
        identify=None,
    ):
        check_seconds(window=window, stride=stride)
        check_frame_rate("frame_rate", frame_rate)
        check_backend_name(backend)
        check_frame_order(frame_order or "natural")
        check_stream_number(stream)
        Section.of(start, end)
        settings = {"start": start, "end": end, "stream": stream, "frame_rate": frame_rate}
        settings |= {"backend": backend, "frame_order": frame_order, "window": window, "stride": stride}
        settings |= {"crop_faces": crop_faces, "align": align, "cuts": cuts, "identify": identify}
        settings |= {"show_progress": show_progress, "on_frame": on_frame}
        return _given(settings), {}, _given({"return_boxes": return_boxes})

    def __call__(self, videos, batch_size: int | None = None, **kwargs) -> dict | list[dict] | Iterator[dict]:
        """
        Recognise the expressions in one or several videos.

        Args:
            videos: A video file, folder of frames, image or URL. Or frames: an array (frames, height, width, channels)
                or (frames, channels, height, width) of pixels from 0 to 255, or a list of PIL images. Or a list of
                videos. A generator or data set of videos is read lazily.
            batch_size (`int`, *optional*): Clips in a batch of the model.
            crop_faces (`bool`, defaults to `True`): Find and follow faces. If false, each whole frame is the face of
                one person, for videos that are already cropped.
            align (`bool`, *optional*): Rotate and scale the faces so that the eyes are level and the size of a face is
                constant, as in the training corpora. The default is the setting of the face cropper, which is true if
                none is passed.
            window (`float`, *optional*): Seconds of a clip. The default is `num_frames * sampling_rate` frames at the
                `sampling_frame_rate` of the processor, or else at 25 frames per second, as in the training corpora:
                2.56 seconds for the published models.
            stride (`float`, *optional*): Seconds between the starts of two windows. It is rounded to a multiple of the
                time between two frames of a clip. The default is half a window.
            frame_rate (`float`, defaults to 25): Frames per second of folders and arrays.
            cuts (`bool`, defaults to `True`): Find the hard cuts of the video. No window goes over a cut. A face in
                a new shot has the number of a new person, unless people are identified.
            identify (`bool`, defaults to `False`): Recognise people who are seen again, after a cut or a pause, and
                give them their number. Needs `pip install "lgi-former[identify]"`.
            return_boxes (`bool`, defaults to `False`): Add the boxes of the faces to the timeline.
            show_progress (`bool`, defaults to `False`): Show a progress bar in seconds of the video.
            on_frame (callable, *optional*): Called with the time in seconds of each frame that is read, such as
                for your progress bar. An error that it raises ends the call.
            backend, frame_order (`str`, *optional*): As for `LGIFormerVideoProcessor`. The defaults are those of the
                processor.
            start, end (`float` or `str`, *optional*): Analyse only this section: seconds from the first frame, or
                "1:30" (mm:ss) or "1:02:03.5" (hh:mm:ss). Only its frames are decoded, from the keyframe before it.
                Times in the result stay times in the video.
            stream (`int`, *optional*): Number of the video stream in a file with several, as FFmpeg counts. The
                default is the first one that is not a cover picture.

        Returns:
            A dictionary that JSON can store. For a list of videos a list, for a generator or data set an iterator.

            - `video` (`str`, *optional*): Path or URL. None for arrays.
            - `duration` (`float`): Seconds of the video, or of the section.
            - `start`, `end` (`float`): Only of a section: the times in the video between which it is.
            - `cuts` (`list[float]`): Seconds at which a new shot begins. Empty with `cuts=False`.
            - `problem_type` (`str`): What the scores are. `"single_label_classification"`: softmax, they sum to 1.
              `"multi_label_classification"`: the probability of each label. `"regression"`: quantities.
            - `units` (`dict[str, str]`): Units of quantities. Present only if `config.label_units` names them.
            - `scores` (`dict[str, float]`, *optional*): Scores of the whole video by label: the mean over people,
              weighted by their time. The highest is first; quantities are in the order of the model. None if no face
              was found.
            - `note` (`str`): Present only if no face was found, or the video is incomplete or unusual. Says why.
            - `people` (`list[dict]`): `person`, `start`, `end` (seconds) and `scores`, the mean over windows.
            - `timeline` (`list[dict]`): For each window `person`, `start`, `end` and `scores`, in the order of the
              labels. With `return_boxes` also `boxes`: a row `time, left, top, right, bottom` (seconds, pixels) for
              each frame. Also `angles`: for each row, the clockwise rotation of the box around its centre, in
              degrees. For a model with `config.frame_level`, each entry is a frame: its scores are the mean over
              the windows that hold it.

        Raises:
            VideoReadError: If a video cannot be read. It is a `ValueError`.
            FacesExtraMissingError: If faces are to be cropped and the extra `faces` is not installed.
            MissingExtraError: If people are to be identified and the extra `identify` is not installed.
            ValueError: If a setting is impossible, or a score is not finite.
        """
        if isinstance(videos, types.GeneratorType | Dataset):
            return (self._result(video, batch_size, kwargs) for video in videos)
        if _are_several(videos):
            return [self._result(video, batch_size, kwargs) for video in videos]
        return self._result(videos, batch_size, kwargs)

    def stream(
        self, video, batch_size: int | None = None, *, times=None, channel_order: str = "rgb", **kwargs
    ) -> Iterator[dict]:
        """
        Yield the timeline of one video entry by entry, while it is read, or while its frames arrive.

        Frames that arrive one by one, such as those of a camera, have the entries of a video of the same frames.
        Memory is bounded. `docs/live.md` states the delay of entries. Closing this generator closes the iterators.

        Args:
            video: One video as for a call. Or an iterator of frames: uint8 arrays or tensors (height, width, channels)
                or (channels, height, width), PIL images, or frames of PyAV. Or of pairs of a frame and its time.
            batch_size (`int`, *optional*): Clips in a batch of the model. The default for an iterator is 1, because a
                larger batch waits for later clips.
            times (iterable of `float`, *optional*): Seconds of each frame. Entries count from the first frame. Frames
                of PyAV have their own times. Otherwise pass pairs, `times` or `frame_rate`.
            channel_order (`str`, defaults to `"rgb"`): `"bgr"` for arrays of OpenCV.
            kwargs: Further arguments of a call. For an iterator, `frame_rate` is the rate of its frames, and there is
                no `backend` and no `frame_order`.

        Yields:
            Entries as in the `timeline` of a call.

        Raises:
            ValueError: As for a call. Also if a frame is not uint8, changes its size or has no time. Also if a time is
                not finite, goes back, or follows after more than 10 seconds.
        """
        reading, *settings = self.settings(kwargs)
        if not is_frame_by_frame(video, times, channel_order):
            opened, default_batch_size = open_frames(video, **reading), DEFAULT_BATCH_SIZE
        else:
            for name in filter("frame_rate".__ne__, READING):
                # The pipeline itself may have a backend for files.
                if kwargs.get(name) is not None or (name in SECTION and reading.get(name) is not None):
                    raise ValueError(f"{name} is for files. Leave it out for an iterator of frames.")
            rates = kwargs.get("frame_rate"), reading.get("frame_rate")
            opened, default_batch_size = open_iterator(video, times, channel_order, *rates), 1
        with opened as frames:
            yield from self._entries(frames, batch_size, *settings, default_batch_size)

    def _result(self, video, batch_size: int | None, kwargs: dict) -> dict:
        reading, *settings = self.settings(kwargs)
        with open_frames(video, **reading) as frames:
            timeline = list(self._entries(frames, batch_size, *settings))
        return self.result(video, timeline, frames.times, frames.notes)

    def result(self, video, timeline: list[dict], times: dict, notes: list[str]) -> dict:
        """The result of a video, as a call returns it.

        Args:
            timeline: Entries of `postprocess`, in any order.
            times: The fields of the result in seconds: `FrameStream.times`.
            notes: Sentences about missing or unusual parts of the video.
        """
        timeline = sorted(timeline, key=lambda entry: (entry["start"], entry["person"]))
        name = os.fspath(video) if isinstance(video, (str, os.PathLike)) else None
        summary = summarise(timeline, self.kind)
        if notes := [*([summary["note"]] if "note" in summary else []), *notes]:
            summary["note"] = " ".join(notes)
        return {"video": name, **times, **self.kind.fields(), **summary, "timeline": timeline}

    def settings(self, kwargs: dict) -> tuple[dict, dict, dict]:
        """Settings of `open_frames`, `preprocess` and `postprocess`, from a call or else from the pipeline."""
        preprocess_params, _, postprocess_params = self._sanitize_parameters(**kwargs)
        preprocess_params = {**self._preprocess_params, **preprocess_params}
        reading = reading_of(self.video_processor)
        reading |= {name: preprocess_params.pop(name) for name in READING if name in preprocess_params}
        return reading, preprocess_params, {**self._postprocess_params, **postprocess_params}

    def _entries(
        self,
        frames: FrameStream,
        batch_size: int | None,
        preprocess: dict,
        postprocess: dict,
        default_batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Iterator[dict]:
        check_batch_size(batch_size)
        clips = self.preprocess(frames, **preprocess)
        batch_size = batch_size or self._batch_size or default_batch_size
        yield from self.entries(iter(lambda: list(itertools.islice(clips, batch_size)), []), **postprocess)

    def entries(self, batches: Iterable[list[Clip]], **postprocess) -> Iterator[dict]:
        """Yield the entries of the timeline for batches of clips of one video, in the order of `preprocess`."""
        frame_scores = FrameScores()
        for batch in batches:
            scores = self.forward({"pixel_values": torch.stack([clip.pixel_values for clip in batch])})
            yield from self.postprocess(frame_scores.add(batch, scores), **postprocess)
        yield from self.postprocess(frame_scores.rest(), **postprocess)

    def preprocess(
        self,
        frames: FrameStream,
        crop_faces: bool = True,
        align: bool | None = None,
        window: float | None = None,
        stride: float | None = None,
        show_progress: bool = False,
        on_frame: Callable[[float], None] | None = None,
        cuts: bool = True,
        identify: bool = False,
    ) -> Iterator[Clip]:
        """Yield the clips of a video, each as soon as it is complete."""
        if align and not crop_faces:
            raise ValueError("align=True aligns the faces that are cropped: leave out crop_faces=False or align=True.")
        if identify and not crop_faces:
            raise ValueError("identify=True recognises faces, but crop_faces=False looks for none: leave out one.")
        if cuts:
            find_cuts(frames)
        step, stride_frames = WindowSteps.of(self.video_processor, self._num_frames, window, stride)
        # Faces can be followed only in small steps, also if the frames of a window are far apart.
        parts = math.ceil(step / self._cropper().interval) if crop_faces else 1
        sampled = _with_progress(sample_in_time(frames, step / parts), frames, show_progress, on_frame)
        people = self._cropped(sampled, parts, align, identify) if crop_faces else self._whole(sampled)
        yield from Windows(self._num_frames, stride_frames, step, lambda: frames.passed, frames.cuts).clips(people)

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return score_frames(self.model, model_inputs["pixel_values"])

    def postprocess(self, model_outputs: tuple[list[Clip], torch.Tensor], return_boxes: bool = False) -> list[dict]:
        """Make entries of the timeline from clips and their scores (clips, labels)."""
        clips, scores = model_outputs
        return [
            {
                "person": clip.person,
                "start": round(clip.start, 3),
                "end": round(clip.end, 3),
                "scores": dict(zip(self.kind.labels, clip_scores, strict=True)),
                **(_boxes(clip) if return_boxes else {}),
            }
            for clip, clip_scores in zip(clips, scores.tolist(), strict=True)
        ]

    def _cropper(self) -> FaceCropper:
        if self._face_cropper is None:
            self._face_cropper = FaceCropper()
        return self._face_cropper

    def _cropped(
        self, frames: Iterable[TimedFrame], every: int, align: bool | None, identify: bool
    ) -> Iterator[list[PersonFrame]]:
        size = self.model.config.image_size
        for frame, faces in itertools.islice(self._cropper().follow(frames, align, identify), 0, None, every):
            yield [
                PersonFrame(
                    face.person,
                    frame.time,
                    self._pixels(face.crop(frame.image, size)),
                    face.box,
                    face.angle,
                    frame.shot,
                )
                for face in faces
            ]

    def _whole(self, frames: Iterable[TimedFrame]) -> Iterator[list[PersonFrame]]:
        for frame in frames:
            yield [PersonFrame(0, frame.time, self._pixels(frame.image), shot=frame.shot)]

    def _pixels(self, image: np.ndarray) -> torch.Tensor:
        return processed_picture(self.video_processor, image)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs):
        """Save the model and its processor. The method of Transformers does not save the processor."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.video_processor.save_pretrained(save_directory, **kwargs)


def _given(settings: dict) -> dict:
    return {name: value for name, value in settings.items() if value is not None}


def _are_several(videos) -> bool:
    if isinstance(videos, (list, tuple)):
        return not (videos and all(is_valid_video_frame(frame) for frame in videos))
    return isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 5


def _with_progress(
    frames: Iterable[TimedFrame], stream: FrameStream, show: bool, on_frame: Callable[[float], None] | None
) -> Iterator[TimedFrame]:
    total = None if stream.duration is None else round(stream.duration)
    with tqdm(total=total, unit=" s of the video", leave=False, disable=not show) as progress:
        for frame in frames:
            progress.update(int(frame.time - stream.start) - progress.n)
            if on_frame is not None:
                on_frame(frame.time)
            yield frame


def _boxes(clip: Clip) -> dict[str, list]:
    frames = {frame.time: frame for frame in clip.frames if frame.box is not None}.values()
    boxes = [[round(frame.time, 3), *(round(float(edge), 1) for edge in frame.box)] for frame in frames]
    return {"boxes": boxes, "angles": [round(frame.angle, 1) for frame in frames]}
