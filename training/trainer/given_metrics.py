"""Checks what the `compute_metrics` of a user returns."""

import functools
from collections.abc import Callable, Mapping


def checked_metrics(compute_metrics: Callable | None) -> Callable | None:
    """Return `compute_metrics` with a check of its result. `Trainer` writes the loss into this result.

    Raises:
        ValueError: From the returned function, if the result is not a dictionary. With `batch_eval_metrics`, only the
            result for the last batch is checked.
    """
    if compute_metrics is None:
        return None

    @functools.wraps(compute_metrics)
    def checked(*args, **kwargs):
        figures = compute_metrics(*args, **kwargs)
        if kwargs.get("compute_result", True) and not isinstance(figures, Mapping):
            raise ValueError(
                f"compute_metrics returned {figures!r:.60}. It must return a dictionary from names to figures. Is "
                "there a `return` at its end?"
            )
        return figures

    return checked
