"""Views of a video that are the same clip, as those of a short video, need to be computed only once."""

import torch


def distinct_views(views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the views of a video that differ.

    Args:
        views: (views, ...) clips of one video, as from the processor.

    Returns:
        Each distinct view once, (distinct views, ...) in an order of its own, and the row of each view there, int64
        (views,): `distinct[rows]` equals `views`.
    """
    return torch.unique(views, dim=0, return_inverse=True)
