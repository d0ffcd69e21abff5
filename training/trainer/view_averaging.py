"""Averages the predictions for the views of a video."""

import torch
from torch.nn import functional as F

from ..data.labels import UNREADABLE_LABEL


def average_views(
    logits: torch.Tensor, video_index: torch.Tensor, view_weights: torch.Tensor, num_videos: int
) -> torch.Tensor:
    """Average the probabilities over the views of each video, as published.

    Args:
        logits: (clips, classes).
        video_index: long (clips,), the index of the video of each clip.
        view_weights: float (clips,), which sum to 1 over a video.
        num_videos: Number of videos.

    Returns:
        Log-probabilities, float32 (videos, classes). They are very small for a video without a view.
    """
    probabilities = logits.float().softmax(dim=-1) * view_weights.float()[:, None]
    sums = probabilities.new_zeros(num_videos, logits.shape[-1]).index_add_(0, video_index, probabilities)
    return sums.clamp_min(torch.finfo(sums.dtype).tiny).log()


def mean_cross_entropy(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Average the cross entropy over the readable videos; 0 if there are none.

    Args:
        scores: (..., classes), logits or log-probabilities.
        labels: long (...), -100 for unreadable videos.
    """
    losses = F.cross_entropy(scores.flatten(0, -2), labels.flatten(), ignore_index=UNREADABLE_LABEL, reduction="sum")
    return losses / (labels != UNREADABLE_LABEL).sum().clamp_min(1)
