"""From the views of a video to its prediction."""

import torch
from torch.nn import functional as F

from ..data.labels import UNREADABLE_LABEL


def average_views(
    logits: torch.Tensor, video_index: torch.Tensor, view_weights: torch.Tensor, num_videos: int
) -> torch.Tensor:
    """Probabilities averaged over the views of each video, as published.

    Args:
        logits: (clips, classes).
        video_index: long (clips,), which video a clip is a view of.
        view_weights: float (clips,), summing to 1 over a video.
        num_videos: how many videos there are; one without a view that counts has next to no probability anywhere.

    Returns:
        Log-probabilities, float32 (videos, classes).
    """
    probabilities = logits.float().softmax(dim=-1) * view_weights.float()[:, None]
    sums = probabilities.new_zeros(num_videos, logits.shape[-1]).index_add_(0, video_index, probabilities)
    return sums.clamp_min(torch.finfo(sums.dtype).tiny).log()


def mean_cross_entropy(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over those of `labels` (...) that are not of unreadable videos; 0 if there are none.

    `scores` (..., classes) are logits or log-probabilities.
    """
    losses = F.cross_entropy(scores.flatten(0, -2), labels.flatten(), ignore_index=UNREADABLE_LABEL, reduction="sum")
    return losses / (labels != UNREADABLE_LABEL).sum().clamp_min(1)
