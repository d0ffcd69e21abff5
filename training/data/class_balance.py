"""The videos of each class, and the weights that balance classes of different sizes."""

import numpy as np

from .joined_sources import JoinedVideos, ListedVideos
from .label_values import is_frame_level, label_values
from .sharded_videos import ShardedVideos


EFFECTIVE_BETA = 0.999
"""Beta of the effective number of videos (Cui et al., https://arxiv.org/abs/1901.05555)."""


def label_shares(videos: ListedVideos, num_labels: int, task: str = "single_label") -> np.ndarray:
    """How far each label applies to each video: float32 (videos, num_labels), or (frames of all videos, num_labels).

    The class of a video is 1, and the others are 0. If a video may have several labels, those that apply are 1. Votes
    are shares of 1.

    Args:
        videos: Videos with labels.
        num_labels: Number of labels.
        task: One of `TASKS`, except for regression.
    """
    if isinstance(videos, JoinedVideos):
        return np.concatenate([label_shares(part, num_labels, task) for part in videos.datasets])
    if isinstance(videos, ShardedVideos):
        return np.eye(num_labels, dtype=np.float32)[videos.labels_of_videos()]
    feature = videos.features["label"]
    join = np.concatenate if is_frame_level(feature, task) else np.stack
    values = join([np.asarray(label_values(label, feature, task)) for label in videos["label"][:]])
    return np.eye(num_labels, dtype=np.float32)[values] if task == "single_label" else values


def strata_of(videos: ListedVideos, num_labels: int, task: str) -> np.ndarray:
    """The stratum of each video, int (videos,). Each part of a divided list gets its share of every stratum.

    - One class, or votes: the stratum is the class, or the class with most votes.
    - Several labels: it is the combination of labels. All combinations that only one video has are one stratum.
    - Numbers, and labels of frames: all videos are in one stratum.
    """
    if task == "regression" or (videos.features is not None and is_frame_level(videos.features["label"], task)):
        return np.zeros(len(videos), dtype=np.int64)
    shares = label_shares(videos, num_labels, task)
    if task != "multi_label":
        return shares.argmax(axis=1)
    _, combinations, counts = np.unique(shares, axis=0, return_inverse=True, return_counts=True)
    return np.where(counts[combinations] > 1, combinations + 1, 0)


def balancing_weights(counts: np.ndarray, rule: str) -> np.ndarray:
    """Weights of classes, whose mean over all videos is 1.

    - `"balanced"`: videos / (classes x videos of the class), as scikit-learn computes them.
    - `"effective"`: proportional to (1 - beta) / (1 - beta ^ videos of the class), with beta = `EFFECTIVE_BETA`.

    A class without a video has weight 1. Only label smoothing gives it a share of the loss.

    Args:
        counts: Number of videos of each class, float (classes,). Votes may give fractions.
        rule: `"balanced"` or `"effective"`.
    """
    weights = np.ones(len(counts))
    present = counts > 0
    inverse = 1 / _effective_number(counts[present], rule)
    weights[present] = inverse * counts.sum() / (inverse * counts[present]).sum()
    return weights


def positive_weights(counts: np.ndarray, num_videos: int, rule: str) -> np.ndarray:
    """Weights of present labels against absent ones, if a video may have several labels: float (labels,).

    The weight is the number of videos without the label over the number with it, or the same with effective numbers. A
    label that no video or every video has gets weight 1.

    Args:
        counts: Number of videos with each label, (labels,).
        num_videos: Number of all videos.
        rule: As for `balancing_weights`.
    """
    weights = np.ones(len(counts))
    varies = (counts > 0) & (counts < num_videos)
    present = counts[varies]
    weights[varies] = _effective_number(num_videos - present, rule) / _effective_number(present, rule)
    return weights


def _effective_number(counts: np.ndarray, rule: str) -> np.ndarray:
    if rule == "balanced":
        return counts
    return (1 - EFFECTIVE_BETA**counts) / (1 - EFFECTIVE_BETA)
