"""Class probabilities of one video, averaged over its views."""

from collections import Counter
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..image_processing.distinct_views import distinct_views
from ..modeling_lgi_former.classification_loss import problem_type_of


@dataclass
class VideoPrediction:
    """What a model says about one video.

    Attributes:
        video (`str`): The video, as it was given.
        scores (`dict[str, float]`): Score of every label, highest first. Probabilities that sum to 1; for
            `problem_type="multi_label_classification"` one probability a label; for `"regression"` the model's values.
        num_views (`int`): Distinct clips of the video that were evaluated.
    """

    video: str
    scores: dict[str, float]
    num_views: int


@torch.inference_mode()
def predict_video(
    model: PreTrainedModel, processor: BaseVideoProcessor, video, num_segments: int | None = None
) -> VideoPrediction:
    """Predict the class probabilities of one video.

    The probabilities (softmax; sigmoid if multi-label; none for regression) are averaged over the video's views and,
    for models with logits per frame, over frames. Views that are the same clip, as those of a short video, are
    evaluated once and count as often as they occur.

    Args:
        model: A video classifier with logits (clips, classes) or (clips, frames, classes).
        processor: Its processor.
        video: What the processor takes as one video: a file, a folder of frames, a URL, ...
        num_segments: Number of clips, evenly spaced in time; the processor's own setting by default.

    Raises:
        ValueError: If the video cannot be read (from the processor), a score is not finite, or two labels of the
            model have the same name.
    """
    sampling = {} if num_segments is None else {"num_segments": num_segments}
    labels = labels_of(model.config)
    views = processor(video, return_tensors="pt", **sampling)["pixel_values"]
    distinct, view_index = distinct_views(views)
    scores = score_clips(model, distinct.to(model.device))[view_index].mean(dim=0)
    ranking = scores.argsort(descending=True).tolist()
    return VideoPrediction(
        video=str(video),
        scores={labels[index]: scores[index].item() for index in ranking},
        num_views=len(distinct),
    )


def labels_of(config: PreTrainedConfig) -> list[str]:
    """Names of a model's labels in the order of its logits.

    Raises:
        ValueError: If two labels have the same name, so that one would hide the other, or a label has no name.
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
    """A model's scores of clips: probabilities (softmax; sigmoid if multi-label), or its values for regression.

    Args:
        model: A video classifier with logits (clips, classes) or (clips, frames, classes), which are averaged over
            frames after they were made scores.
        pixel_values: Float (clips, frames, channels, height, width) on the model's device.

    Returns:
        float32 (clips, classes).

    Raises:
        ValueError: If a score is not finite.
    """
    logits = model(pixel_values=pixel_values.to(model.dtype)).logits.float()
    scores = _scores_of_logits(logits, model.config)
    if scores.ndim == 3:
        scores = scores.mean(dim=1)
    if not scores.isfinite().all():
        raise ValueError("The model's scores are not finite numbers; load it with dtype=torch.float32.")
    return scores


def _scores_of_logits(logits: torch.Tensor, config) -> torch.Tensor:
    """Turn logits (..., classes) into probabilities, or leave them for regression (as Transformers' losses decide)."""
    problem_type = problem_type_of(config)
    if problem_type == "regression":
        return logits
    if problem_type == "multi_label_classification":
        return logits.sigmoid()
    return logits.softmax(dim=-1)
