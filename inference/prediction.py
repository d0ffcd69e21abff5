"""Scores of one video, averaged over its views."""

from collections import Counter
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub.answer_kind import AnswerKind, answers_of
from ..image_processing.decoding.local_videos import video_name
from ..image_processing.distinct_views import distinct_views
from ..modeling_lgi_former.classification_loss import problem_type_of


@dataclass
class VideoPrediction:
    """Scores of one video.

    Attributes:
        video (`str`): The path or URL of the video; a digest of its content if it is bytes.
        scores (`dict[str, float]`): Score of every label, highest first. Scores sum to 1, unless the model has
            `problem_type="multi_label_classification"`: then each label has its own probability. For `"regression"`,
            the value of every quantity, in the order of the model.
        num_views (`int`): Number of distinct clips that were evaluated.
    """

    video: str
    scores: dict[str, float]
    num_views: int


@torch.inference_mode()
def predict_video(
    model: PreTrainedModel, processor: BaseVideoProcessor, video, num_segments: int | None = None, **reading
) -> VideoPrediction:
    """Predict the scores of one video.

    The scores of `score_clips` are averaged over the views of the video. Equal views of a short video are evaluated
    once. They count as often as they occur.

    Args:
        model: A video classifier with logits (clips, classes) or (clips, frames, classes).
        processor: The processor of the model.
        video: Any input of the processor: a file, a folder of frames, a URL, ...
        num_segments: Number of clips, evenly spaced in time. The default is the setting of the processor.
        **reading: `start`, `end`, `stream` and `frame_rate`, as for `LGIFormerVideoProcessor.preprocess`.

    Raises:
        ValueError: If the video cannot be read, a score is not finite, or two labels have the same name.
    """
    sampling = {} if num_segments is None else {"num_segments": num_segments}
    kind = answer_kind(model.config)
    views = processor(video, return_tensors="pt", **sampling, **reading)["pixel_values"]
    distinct, view_index = distinct_views(views)
    return prediction_of(video, score_clips(model, distinct.to(model.device)), view_index, kind)


def prediction_of(video, scores: torch.Tensor, view_index: torch.Tensor, kind: AnswerKind) -> VideoPrediction:
    """The prediction of a video from the scores of its distinct views.

    Args:
        video: As for `predict_video`.
        scores: float32 (distinct views, labels).
        view_index: The row of each view in `scores`, int64 (views,).
        kind: The kind of the scores.
    """
    means = scores[view_index].mean(dim=0)
    ordered = kind.ordered(dict(zip(kind.labels, means.tolist(), strict=True)))
    return VideoPrediction(video=video_name(video), scores=ordered, num_views=len(scores))


def answer_kind(config: PreTrainedConfig) -> AnswerKind:
    """The kind of a classifier's answers.

    Raises:
        ValueError: As for `labels_of`.
    """
    labels_of(config)
    return AnswerKind.of(config)


def labels_of(config: PreTrainedConfig) -> list[str]:
    """Names of the labels in the order of the logits.

    Raises:
        ValueError: If two labels have the same name, or a label has no name.
    """
    names = config.id2label
    labels = [names[index] for index in range(config.num_labels) if index in names]
    if len(labels) < config.num_labels:
        raise ValueError(
            f"The model's configuration names only {len(labels)} of its {config.num_labels} labels. Name all of them "
            "in 'id2label' of its config.json, from 0 on."
        )
    if repeated := next((name for name, count in Counter(labels).items() if count > 1), None):
        raise ValueError(
            f"Two labels of the model are called '{repeated}', so their scores cannot be distinguished. Give each its "
            "own name in 'id2label' of its config.json."
        )
    return labels


def score_clips(model: PreTrainedModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """Scores of clips: softmax, or sigmoid for several labels, or the outputs of a regression model.

    Scores of frames are averaged over the frames of a clip.

    Args:
        model: A video classifier with logits (clips, labels) or (clips, frames, labels).
        pixel_values: Float (clips, frames, channels, height, width) on the device of the model.

    Returns:
        float32 (clips, labels).

    Raises:
        ValueError: If a score is not finite.
    """
    scores = score_frames(model, pixel_values)
    return scores.mean(dim=1) if scores.ndim == 3 else scores


def score_frames(model: PreTrainedModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """As `score_clips`, without the average over frames.

    Returns:
        float32 (clips, labels), or (clips, frames, labels) of a frame-level model.
    """
    logits = model(pixel_values=pixel_values.to(model.dtype)).logits
    scores = answers_of(logits.float(), problem_type_of(model.config))
    if not scores.isfinite().all():
        raise ValueError("The model's scores are not finite numbers; load it with dtype=torch.float32.")
    return scores
