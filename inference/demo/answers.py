"""Answers of the demo to an uploaded video. The page is in `page.py`."""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ...figures import draw_reconstruction, reconstruct
from ...hub.answer_kind import SEPARATOR, THRESHOLD
from ...image_processing import FaceCropper, open_frames, reading_of, sample_in_time
from ...image_processing.decoding.frame_stream import TimedFrame
from ...image_processing.decoding.shots import find_cuts
from ...modeling_lgi_former import LGIFormerForPreTraining
from ..annotated_video import annotate_video
from ..pipeline import FacialExpressionPipeline
from ..timeline import shown_number
from ..timeline_figure import draw_timeline
from ..window_settings import seconds_between_frames
from .uploads import UploadLimits


NO_FACE_ADVICE = 'If the video shows one face and nothing else, untick "Find faces".'
NO_FACE_TO_RECONSTRUCT = f"No face was found, so there is nothing to reconstruct. {NO_FACE_ADVICE}"
PERSON_AND_TIMES, EXPRESSION = ("person", "start", "end"), "expression"


@dataclass
class RecognitionAnswer:
    """
    Attributes:
        note (`str`): The answer in sentences, as Markdown.
        people (`list[list]`): A row with `Recognition.columns` for each person, with the mean scores. If there are
            several people, the last row is for all of them.
        windows (`list[list]`): The same columns for each window in time.
        timeline (`Figure`, *optional*): Scores over time. None without a face.
        video (`bytes`, *optional*): The annotated video as an MP4 file. None without a face.
    """

    note: str
    people: list[list] = field(default_factory=list)
    windows: list[list] = field(default_factory=list)
    timeline: Figure | None = None
    video: bytes | None = None


class Recognition:
    """Recognises the expressions in uploaded videos.

    Args:
        model: A fine-tuned classifier.
        video_processor: The processor of the model.
        limits: Limits of uploads.
        face_cropper: Finds and follows faces.

    Attributes:
        pipeline (`FacialExpressionPipeline`): The pipeline of the model.
        kind (`AnswerKind`): What the numbers are.
        labels (`list[str]`): The labels in the order of the model.
        columns (`list[str]`): Columns of the tables: number of the person from 1, start and end in seconds, the
            predicted labels (not for regression), and the number of each label.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        video_processor: BaseVideoProcessor,
        limits: UploadLimits,
        face_cropper: FaceCropper,
    ):
        self.limits = limits
        self._reading = reading_of(video_processor)
        self.pipeline = FacialExpressionPipeline(
            model=model,
            video_processor=video_processor,
            face_cropper=face_cropper,
            device=model.device,
            return_boxes=True,
            show_progress=True,
        )
        self.kind = self.pipeline.kind
        self.labels = self.kind.labels
        expression = [EXPRESSION] if self.kind.is_probability else []
        titles = self.kind.titles({*PERSON_AND_TIMES, EXPRESSION})
        self.columns = [*PERSON_AND_TIMES, *expression, *titles.values()]

    def __call__(
        self, video: str, crop_faces: bool = True, on_frame: Callable[[float], None] | None = None
    ) -> RecognitionAnswer:
        """Answer to a video file.

        Args:
            video: Path of the file.
            crop_faces: Find and follow faces. If false, each whole frame is the face of one person.
            on_frame: Called with the time of each frame that is read. An error that it raises ends the call.

        Raises:
            ValueError: If the video exceeds the limits or cannot be read.
        """
        result = self.recognise(video, crop_faces, on_frame)
        if result["scores"] is None:
            return RecognitionAnswer(f"{as_markdown(result['note'])} {NO_FACE_ADVICE}")
        return RecognitionAnswer(
            note=self._note(result, crop_faces),
            people=self._people(result),
            windows=[self._row(shown_number(entry["person"]), entry) for entry in result["timeline"]],
            timeline=draw_timeline(result, title=f"{self.kind.word.capitalize()}s over time"),
            video=self._annotate(video, result),
        )

    def recognise(self, video: str, crop_faces: bool = True, on_frame: Callable[[float], None] | None = None) -> dict:
        """Recognise the expressions in a video file. Arguments and errors are those of a call.

        Returns:
            The result of `FacialExpressionPipeline`, with boxes.
        """
        self.limits.check(video)
        return self.pipeline(video, crop_faces=crop_faces, on_frame=on_frame)

    def _annotate(self, video: str, result: dict) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "annotated.mp4")
            annotate_video(video, result, path, show_progress=True, **self._reading)
            return path.read_bytes()

    def _note(self, result: dict, crop_faces: bool) -> str:
        people = len(result["people"])
        seen = "whole frames" if not crop_faces else "1 person" if people == 1 else f"{people} people"
        sentences = [
            *self._answer(result["scores"]),
            f"The model saw {seen} in {result['duration']:.1f} seconds of video.",
        ]
        if "note" in result:
            sentences.append(as_markdown(result["note"]))
        return " ".join(sentences)

    def _answer(self, scores: dict[str, float]) -> list[str]:
        texts = {label: f"**{as_markdown(label)}** {self.kind.shown(score)}" for label, score in scores.items()}
        if not self.kind.is_probability:
            return [f"The model estimates {', '.join(texts.values())}.", as_markdown(self.kind.units_in_words)]
        if self.kind.sums_to_1:
            label, score = next(iter(scores.items()))
            return [f"The highest score is **{as_markdown(label)}** with {self.kind.shown(score)}."]
        top = [texts[label] for label in self.kind.top(scores)]
        return [f"Labels with a score of at least {THRESHOLD:.0%}: {', '.join(top) or 'none'}."]

    def _people(self, result: dict) -> list[list]:
        rows = [self._row(shown_number(person["person"]), person) for person in result["people"]]
        if len(rows) > 1:
            rows.append(self._row("all", {"start": 0.0, "end": result["duration"], "scores": result["scores"]}))
        return rows

    def _row(self, person: int | str, scored: dict) -> list:
        expression = [SEPARATOR.join(self.kind.top(scored["scores"]))] if self.kind.is_probability else []
        scores = (scored["scores"][label] for label in self.labels)
        return [person, scored["start"], scored["end"], *expression, *scores]


def as_markdown(text: str) -> str:
    """Escape a text so that Markdown shows it letter by letter."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


@dataclass
class ReconstructionAnswer:
    """
    Attributes:
        note (`str`): The answer in sentences.
        figure (`Figure`, *optional*): Original, visible and reconstructed frames. None without a face.
        loss (`float`, *optional*): Loss of the model for the clip. None without a face.
        masked (`float`, *optional*): Share of the clip that was masked. None without a face.
    """

    note: str
    figure: Figure | None = None
    loss: float | None = None
    masked: float | None = None


class Reconstruction:
    """Masks a clip of an uploaded video and lets a pre-trained model reconstruct it.

    The arguments are those of `Recognition`, with a masked autoencoder as the model.
    """

    def __init__(
        self,
        model: LGIFormerForPreTraining,
        video_processor: BaseVideoProcessor,
        limits: UploadLimits,
        face_cropper: FaceCropper,
    ):
        self.limits = limits
        self.mask_ratio = model.config.mask_ratio
        self._model = model
        self._video_processor = video_processor
        self._face_cropper = face_cropper

    def __call__(
        self,
        video: str,
        crop_faces: bool = True,
        mask_ratio: float | None = None,
        seed: int = 0,
        on_frame: Callable[[float], None] | None = None,
    ) -> ReconstructionAnswer:
        """Answer to a video file.

        Args:
            video: Path of the file.
            crop_faces: Reconstruct the first face that is seen for a whole clip. If there is none, reconstruct the
                face that is seen for the longest time. If false, reconstruct whole frames.
            mask_ratio: Share of tokens to mask. The default is that of the model.
            seed: Random seed of the mask.
            on_frame: As for `Recognition`. It is not called for whole frames, which are few.

        Raises:
            ValueError: If the video exceeds the limits or cannot be read, or the model cannot mask that share.
        """
        self.limits.check(video)
        clip = self._face_clip(video, on_frame) if crop_faces else self._whole_clip(video)
        if clip is None:
            return ReconstructionAnswer(NO_FACE_TO_RECONSTRUCT)
        reconstruction = reconstruct(self._model, clip, mask_ratio, seed)
        masked = reconstruction.masked.float().mean().item()
        note = f"{masked:.0%} of the clip was masked. The loss of the reconstruction is {reconstruction.loss:.4f}."
        return ReconstructionAnswer(note, draw_reconstruction(reconstruction), reconstruction.loss, masked)

    def _whole_clip(self, video: str) -> torch.Tensor:
        return self._video_processor(video, num_segments=1, return_tensors="pt")["pixel_values"]

    def _face_clip(self, video: str, on_frame: Callable[[float], None] | None) -> torch.Tensor | None:
        """A clip (1, frames, 3, height, width) of a face, or None. The last frame of a short clip is repeated."""
        crops = self._crops(video, on_frame)
        if not crops:
            return None
        crops += [crops[-1]] * (self._video_processor.num_frames - len(crops))
        frames = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return self._video_processor(frames, do_sample_frames=False, return_tensors="pt")["pixel_values"]

    def _crops(self, video: str, on_frame: Callable[[float], None] | None) -> list[np.ndarray]:
        step = seconds_between_frames(self._video_processor)
        by_person = {}
        with open_frames(video, **reading_of(self._video_processor)) as stream:
            find_cuts(stream)
            sampled = sample_in_time(stream, step)
            for frame, faces in self._face_cropper.follow(sampled if on_frame is None else _noted(sampled, on_frame)):
                for face in faces:
                    crops = by_person.setdefault(face.person, [])
                    crops.append(face.crop(frame.image, self._model.config.image_size))
                    if len(crops) == self._video_processor.num_frames:
                        return crops
        return max(by_person.values(), key=len, default=[])


def _noted(frames: Iterable[TimedFrame], on_frame: Callable[[float], None]) -> Iterator[TimedFrame]:
    for frame in frames:
        on_frame(frame.time)
        yield frame
