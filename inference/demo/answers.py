"""Answers of the demo to an uploaded video. The page is in `page.py`."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ...figures import draw_reconstruction, reconstruct
from ...image_processing import FaceCropper, crop_face, open_frames, reading_of, sample_in_time
from ...image_processing.decoding.frame_stream import FRAME_RATE
from ...modeling_lgi_former import LGIFormerForPreTraining
from ...modeling_lgi_former.classification_loss import problem_type_of
from ..annotated_video import annotate_video
from ..pipeline import FacialExpressionPipeline
from ..prediction import labels_of
from ..timeline import NO_FACE_NOTE
from ..timeline_figure import draw_timeline
from .uploads import UploadLimits


NO_FACE_TO_RECONSTRUCT = "No face was found, so there is nothing to reconstruct."


@dataclass
class RecognitionAnswer:
    """
    Attributes:
        note (`str`): The answer in a sentence.
        rows (`list[list]`): A row with `Recognition.columns` for each person: number, start and end in seconds, and
            the score of each label. If there are several people, the last row is for all of them.
        timeline (`Figure`, *optional*): Scores over time. None without a face.
        video (`bytes`, *optional*): The annotated video as an MP4 file. None without a face.
    """

    note: str
    rows: list[list] = field(default_factory=list)
    timeline: Figure | None = None
    video: bytes | None = None


class Recognition:
    """Recognises the expressions in uploaded videos.

    Args:
        model: A fine-tuned classifier.
        video_processor: The processor of the model.
        limits: Limits of uploads.
        face_cropper: Finds and follows faces.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        video_processor: BaseVideoProcessor,
        limits: UploadLimits,
        face_cropper: FaceCropper,
    ):
        self.limits = limits
        self.labels = labels_of(model.config)
        self._is_regression = problem_type_of(model.config) == "regression"
        self.columns = ["person", "from (s)", "to (s)", *self.labels]
        self._reading = reading_of(video_processor)
        self._recognise = FacialExpressionPipeline(
            model=model,
            video_processor=video_processor,
            face_cropper=face_cropper,
            device=model.device,
            return_boxes=True,
            show_progress=True,
        )

    def __call__(self, video: str, crop_faces: bool = True) -> RecognitionAnswer:
        """Answer to a video file.

        Args:
            video: Path of the file.
            crop_faces: Find and follow faces. If false, each whole frame is the face of one person.

        Raises:
            ValueError: If the video exceeds the limits or cannot be read.
        """
        self.limits.check(video)
        result = self._recognise(video, crop_faces=crop_faces)
        if result["scores"] is None:
            return RecognitionAnswer(NO_FACE_NOTE)
        people = len(result["people"])
        seen = "1 person" if people == 1 else f"{people} people"
        return RecognitionAnswer(
            note=f"{self._best(result['scores'])}, from {seen} in {result['duration']:.1f} seconds.",
            rows=self._rows(result),
            timeline=draw_timeline(result, title="Scores over time"),
            video=self._annotate(video, result),
        )

    def _annotate(self, video: str, result: dict) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "annotated.mp4")
            annotate_video(video, result, path, show_progress=True, **self._reading)
            return path.read_bytes()

    def _best(self, scores: dict[str, float]) -> str:
        if self._is_regression:
            return ", ".join(f"**{label}** {scores[label]:.2f}" for label in self.labels)
        label, score = next(iter(scores.items()))
        return f"Mostly **{label}** ({score:.2f})"

    def _rows(self, result: dict) -> list[list]:
        rows = [[str(one["person"]), one["start"], one["end"], *self._scores(one)] for one in result["people"]]
        if len(rows) > 1:
            rows.append(["all", 0.0, result["duration"], *self._scores(result)])
        return rows

    def _scores(self, scored: dict) -> list[float]:
        return [round(scored["scores"][label], 3) for label in self.labels]


@dataclass
class ReconstructionAnswer:
    """
    Attributes:
        note (`str`): The answer in a sentence.
        figure (`Figure`, *optional*): Original, visible and reconstructed frames. None without a face.
    """

    note: str
    figure: Figure | None = None


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
        self, video: str, crop_faces: bool = True, mask_ratio: float | None = None, seed: int = 0
    ) -> ReconstructionAnswer:
        """Answer to a video file.

        Args:
            video: Path of the file.
            crop_faces: Reconstruct the first face that is seen for a whole clip. If there is none, reconstruct the
                face that is seen for the longest time. If false, reconstruct whole frames.
            mask_ratio: Share of tokens to mask. The default is that of the model.
            seed: Random seed of the mask.

        Raises:
            ValueError: If the video exceeds the limits or cannot be read, or the model cannot mask that share.
        """
        self.limits.check(video)
        clip = self._face_clip(video) if crop_faces else self._whole_clip(video)
        if clip is None:
            return ReconstructionAnswer(NO_FACE_TO_RECONSTRUCT)
        reconstruction = reconstruct(self._model, clip, mask_ratio, seed)
        note = f"Loss {reconstruction.loss:.4f} with {mask_ratio or self.mask_ratio:.0%} masked."
        return ReconstructionAnswer(note, draw_reconstruction(reconstruction))

    def _whole_clip(self, video: str) -> torch.Tensor:
        return self._video_processor(video, num_segments=1, return_tensors="pt")["pixel_values"]

    def _face_clip(self, video: str) -> torch.Tensor | None:
        """A clip (1, frames, 3, height, width) of a face, or None. The last frame of a short clip is repeated."""
        crops = self._crops(video)
        if not crops:
            return None
        crops += [crops[-1]] * (self._video_processor.num_frames - len(crops))
        frames = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return self._video_processor(frames, do_sample_frames=False, return_tensors="pt")["pixel_values"]

    def _crops(self, video: str) -> list[np.ndarray]:
        step = self._video_processor.sampling_rate / FRAME_RATE
        by_person = {}
        with open_frames(video, **reading_of(self._video_processor)) as stream:
            for frame, faces in self._face_cropper.follow(sample_in_time(stream, step)):
                for face in faces:
                    crops = by_person.setdefault(face.person, [])
                    crops.append(crop_face(frame.image, face.box, self._model.config.image_size))
                    if len(crops) == self._video_processor.num_frames:
                        return crops
        return max(by_person.values(), key=len, default=[])
