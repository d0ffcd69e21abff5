"""Finds equal views of a video, such as those of a short video, so that each is computed once."""

import torch


def distinct_views(views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the distinct views among the clips (views, ...) of a video.

    Returns:
        The distinct views (distinct views, ...) in any order, and the row of each view in them, int64 (views,):
        `distinct[rows]` equals `views`.
    """
    return torch.unique(views, dim=0, return_inverse=True)
