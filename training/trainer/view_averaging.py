"""Averages the predictions for the views of a video, and the loss over videos."""

from collections.abc import Callable

import torch

from ...hub.answer_kind import answers_of
from ..data.labels import UNREADABLE_LABEL


CERTAIN = 1e-7  # a probability of 0 or 1 has no finite logit


def average_views(
    logits: torch.Tensor,
    video_index: torch.Tensor,
    view_weights: torch.Tensor,
    num_videos: int,
    problem_type: str = "single_label_classification",
) -> torch.Tensor:
    """Average the predictions over the views of each video.

    Args:
        logits: (clips, labels), or (clips, frames, labels) of a frame-level model.
        video_index: long (clips,), the index of the video of each clip.
        view_weights: float (clips,), which sum to 1 over a video.
        num_videos: Number of videos.
        problem_type: Selects what is averaged.

    Returns:
        float32 (videos, labels) or (videos, frames, labels), the scores of a video:

        - `"single_label_classification"`: the log of the mean softmax, as published.
        - `"multi_label_classification"`: the logit of the mean sigmoid.
        - `"regression"`: the mean number.

        So the softmax or sigmoid of a score is the mean probability. A video without a view has scores of zero
        probability, or the number 0.

    Raises:
        ValueError: If a frame-level model has several views of a video. Their frames differ.
    """
    if logits.ndim > 2 and len(logits) != num_videos:
        raise ValueError(
            "The model predicts each frame of a clip, and the clips of a video show different frames, so they have no "
            "average. Evaluate one clip of each video (--num_segments 1)."
        )
    values = answers_of(logits.float(), problem_type)
    weighted = values * view_weights.float().view(-1, *[1] * (values.ndim - 1))
    sums = values.new_zeros(num_videos, *values.shape[1:]).index_add_(0, video_index, weighted)
    if problem_type == "single_label_classification":
        return sums.clamp_min(torch.finfo(sums.dtype).tiny).log()
    return sums.logit(eps=CERTAIN) if problem_type == "multi_label_classification" else sums


def loss_of_readable(
    scores: torch.Tensor, labels: torch.Tensor, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """The loss of the videos that could be read; 0 if there are none.

    Args:
        scores: float (..., labels).
        labels: Class indices, long (...), with -100 for unreadable videos. Or float (..., labels), with NaN for them.
        loss: `loss(scores, labels)` of (rows, labels) and (rows,) or (rows, labels).
    """
    labels = labels.reshape(scores.shape) if labels.numel() == scores.numel() else labels
    has_row = labels.ndim == scores.ndim
    read = ~labels.isnan().all(-1) if has_row else labels != UNREADABLE_LABEL
    return loss(scores[read], labels[read]) if read.any() else scores.new_zeros(())
