"""Divides a list of videos into a part to train on and a part to evaluate on, or into folds.

All rows of a group, such as a person, are in one part. So are all rows of one video. The division depends only on the
seed, the paths, the classes and the groups.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ...extras import needs_extra
from .repeated_videos import plain_paths


with needs_extra("train"):
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold


def held_out(
    share: float, videos: Sequence[str], strata: np.ndarray, groups: Sequence[str] | None, seed: int
) -> np.ndarray:
    """Choose the videos to evaluate on.

    Without groups, each stratum gives the share, rounded to whole videos: at least one video, and not all of them.
    With groups, whole groups are chosen so that the share of each stratum is as near as possible.

    Args:
        share: Share of the videos that are held out, between 0 and 1.
        videos: Paths. The rows of a repeated path stay together.
        strata: Class of each video, int (videos,). All are 0 if there are no classes.
        groups: Name of the group of each video, such as a person.
        seed: Seed of the random draws.

    Returns:
        bool (videos,), true for videos to evaluate on.

    Raises:
        ValueError: If there is only one group, or no class has two videos.
    """
    units, strata_of_units, unit_of_row = _units(videos, strata)
    generator = np.random.default_rng(seed)
    if groups is not None:
        return _held_out_groups(share, strata, np.unique(groups, return_inverse=True)[1], generator)
    held = np.zeros(units, dtype=bool)
    for stratum in np.unique(strata_of_units):
        rows = generator.permutation(np.flatnonzero(strata_of_units == stratum))
        held[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    if not held.any():
        raise ValueError("No class has two videos, so none can be held out. Add videos, or give --eval_data.")
    return held[unit_of_row]


def fold_of_each(
    number: int, videos: Sequence[str], strata: np.ndarray, groups: Sequence[str] | None, seed: int
) -> np.ndarray:
    """Divide videos into folds, stratified by class, with scikit-learn. The arguments are those of `held_out`.

    Returns:
        int (videos,), the number of a fold for each video. The first fold is 1. This fold evaluates the video, and the
        other folds train on it.

    Raises:
        ValueError: If a fold would have no video.
    """
    units, strata_of_units, unit_of_row = _units(videos, strata)
    what, available = ("videos", units) if groups is None else ("groups", len(set(groups)))
    if number > available:
        advice = "Take fewer folds." if groups is None else "Take fewer folds, or --group_column none."
        raise ValueError(f"--folds {number} needs as many {what}, but there are {available}. {advice}")
    if number > np.bincount(strata_of_units).max():
        raise ValueError(f"--folds {number} is more than the largest class has videos. Take fewer folds.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes that a fold lacks are reported when it is opened
        if groups is None:
            folds = StratifiedKFold(number, shuffle=True, random_state=seed).split(strata_of_units, strata_of_units)
        else:
            folds = StratifiedGroupKFold(number, shuffle=True, random_state=seed).split(strata, strata, groups)
        tested = [rows for _, rows in folds]
    fold = np.zeros(units if groups is None else len(strata), dtype=np.int64)
    for index, rows in enumerate(tested, start=1):
        if len(rows) == 0:
            raise ValueError(f"Fold {index} of {number} would have no video. Take fewer folds.")
        fold[rows] = index
    return fold[unit_of_row] if groups is None else fold


def _units(videos: Sequence[str], strata: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of distinct videos, the stratum of each, and the distinct video of each row."""
    paths = np.asarray(plain_paths(pa.array(videos, pa.string())), dtype=object)
    _, first_rows, unit_of_row = np.unique(paths, return_index=True, return_inverse=True)
    return len(first_rows), strata[first_rows], unit_of_row


def _held_out_groups(
    share: float, strata: np.ndarray, group_of_row: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Add groups, each time the one that brings the shares of the strata nearest to `share`, while they get nearer."""
    counts = np.zeros((group_of_row.max() + 1, strata.max() + 1))
    np.add.at(counts, (group_of_row, strata), 1)
    if len(counts) < 2:
        raise ValueError(
            "All videos are of one group, so no group can be held out. Give --eval_data, or --group_column none."
        )
    shares = (counts / counts.sum(axis=0).clip(min=1))[:, counts.any(axis=0)]
    waiting, chosen = generator.permutation(len(counts)), []  # the order decides between equal groups
    reached = np.zeros(shares.shape[1])
    while len(waiting) > 1:
        distances = ((reached + shares[waiting] - share) ** 2).sum(axis=1)
        nearest = distances.argmin()
        if chosen and distances[nearest] >= ((reached - share) ** 2).sum():
            break
        chosen.append(waiting[nearest])
        reached = reached + shares[waiting[nearest]]
        waiting = np.delete(waiting, nearest)
    return np.isin(group_of_row, chosen)
