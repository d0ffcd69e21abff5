"""Metrics of several labels, of numbers and of shares."""

from collections.abc import Sequence

import numpy as np

from ...extras import needs_extra
from ...hub.answer_kind import THRESHOLD, is_predicted


REGRESSION_METRICS = ("ccc", "pearson", "mae", "rmse", "mse")


def regression_figures(predictions: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> dict:
    """Compute the metrics of predicted numbers.

    Args:
        predictions, labels: float (videos, quantities).
        names: Names of the quantities.

    Returns:
        `ccc` (Lin, https://doi.org/10.2307/2532051, with variances that divide by the number of videos), `pearson`,
        `mae`, `rmse` and `mse`: means over the quantities. `quantities`: the same of each, by name. `notes`, where
        something is undefined: CCC and Pearson of equal labels, and Pearson of equal predictions. These are None and
        do not count in the means.

    Raises:
        ValueError: If a label or prediction is not finite.
    """
    _check_finite(labels, "labels")
    _check_finite(predictions, "predictions")
    quantities, notes = {}, []
    for name, predicted, true in zip(names, predictions.T.astype(float), labels.T.astype(float), strict=True):
        error = predicted - true
        quantities[name] = {
            "ccc": concordance(predicted, true),
            "pearson": None if _is_constant(true) or _is_constant(predicted) else _pearson(predicted, true),
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt((error**2).mean())),
            "mse": float((error**2).mean()),
        }
        if _is_constant(true):
            notes.append(f"CCC and Pearson of {name} are undefined: all labels are {true[0]:g}.")
        elif _is_constant(predicted):
            notes.append(f"Pearson of {name} is undefined: all predictions are {predicted[0]:g}.")
    means = {
        metric: mean_of_defined([figures[metric] for figures in quantities.values()]) for metric in REGRESSION_METRICS
    }
    return means | {"quantities": quantities} | ({"notes": notes} if notes else {})


def concordance(predicted: np.ndarray, true: np.ndarray) -> float | None:
    """The concordance correlation coefficient of float (videos,); None if all `true` are equal."""
    if _is_constant(true):
        return None
    covariance = ((predicted - predicted.mean()) * (true - true.mean())).mean()
    return float(2 * covariance / (predicted.var() + true.var() + (predicted.mean() - true.mean()) ** 2))


def multi_label_figures(
    probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str], threshold: float = THRESHOLD
) -> dict:
    """Compute the metrics of labels that do not exclude each other.

    Args:
        probabilities: float (videos, labels).
        labels: float (videos, labels), 0 or 1.
        names: Names of the labels.
        threshold: As for `is_predicted`.

    Returns:
        `map`: mean of the average precisions. `micro_f1`: F1 of all decisions. `macro_f1`: mean of the F1. `labels`:
        `average_precision`, `f1` and `support` (number of videos that have it) of each label, by name. `threshold`.
        A label of no video has no average precision. If it is not predicted either, it has no F1. These are None and
        do not count in the means. `notes` name such labels.

    Raises:
        ValueError: If a label is not 0 or 1, or a probability is not finite.
    """
    with needs_extra("train"):
        from sklearn.metrics import average_precision_score

    if not np.isin(labels, (0, 1)).all():
        raise ValueError("Labels of several classes must be 0 or 1 for each class.")
    _check_finite(probabilities, "predictions")
    true, predicted = labels == 1, is_predicted(probabilities, threshold)
    hits, support, claims = (true & predicted).sum(0), true.sum(0), predicted.sum(0)
    of_labels = {
        name: {
            "average_precision": float(average_precision_score(true[:, index], probabilities[:, index]))
            if support[index]
            else None,
            "f1": _f1(hits[index], support[index] + claims[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(names)
    }
    without = [name for name, figures in of_labels.items() if not figures["support"]]
    return {
        "map": mean_of_defined([figures["average_precision"] for figures in of_labels.values()]),
        "micro_f1": _f1(hits.sum(), support.sum() + claims.sum()),
        "macro_f1": mean_of_defined([figures["f1"] for figures in of_labels.values()]),
        "threshold": threshold,
        "labels": of_labels,
        **({"notes": [f"No video has {', '.join(without)}."]} if without else {}),
    }


def mean_kl(shares: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of KL(shares || probabilities) in nats, of float (videos, classes)."""
    tiny = np.finfo(np.float32).tiny
    shares, probabilities = shares.astype(float), probabilities.astype(float)
    ratio = np.log(shares.clip(tiny)) - np.log(probabilities.clip(tiny))
    return float((shares * ratio).sum(axis=-1).mean())


def _f1(hits: int, total: int) -> float | None:
    """F1 of the number of hits and the sum of the numbers of true and predicted labels."""
    return float(2 * hits / total) if total else None


def _pearson(predicted, true):
    return float(np.corrcoef(predicted, true)[0, 1])


def _is_constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _check_finite(values: np.ndarray, what: str):
    broken = ~np.isfinite(values).all(axis=-1)
    if broken.any():
        raise ValueError(f"{broken.sum()} of {len(values)} {what} are not finite numbers.")
