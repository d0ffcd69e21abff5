"""Folds in which no actor is in both training and test data."""

from collections.abc import Sequence


def actors_of_folds(actors: Sequence[int], num_folds: int, actors_per_fold: int) -> dict[int, list[int]]:
    """Choose the test actors of each fold by the published rule.

    Args:
        actors: Numbers of all actors, in any order.
        num_folds: Number of folds.
        actors_per_fold: Number of actors of a fold, in sorted order. The last fold gets all remaining actors.

    Returns:
        The actors of each fold. Folds count from 1.

    Raises:
        ValueError: If a fold would get no actor.

    Example:

    ```python
    >>> from lgi_former.training.preparation.corpora.folds import actors_of_folds

    >>> actors_of_folds([13, 11, 12, 14, 15], num_folds=2, actors_per_fold=2)
    {1: [11, 12], 2: [13, 14, 15]}

    ```
    """
    if len(actors) <= (num_folds - 1) * actors_per_fold:
        raise ValueError(f"{len(actors)} actors are too few for {num_folds} folds of {actors_per_fold}.")
    starts = [fold * actors_per_fold for fold in range(num_folds)]
    ends = [*starts[1:], len(actors)]
    return {fold: sorted(actors)[start:end] for fold, (start, end) in enumerate(zip(starts, ends, strict=True), 1)}
