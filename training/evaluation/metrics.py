"""The metrics of each task. Those of one class are UAR, WAR, accuracy of each class, F1 and the confusion matrix."""

import tempfile
from collections.abc import Callable, Sequence

import datasets
import evaluate
import numpy as np
import torch
from transformers import EvalPrediction

from ...extras import needs_extra, require_extra
from ...hub.answer_kind import THRESHOLD, answers_of
from ..data.labels import UNREADABLE_LABEL
from ..data.tasks import PROBLEM_TYPES
from .label_metrics import mean_kl, mean_of_defined, multi_label_figures, regression_figures


CLASS_METRICS = ("uar", "war", "weighted_f1", "micro_f1", "macro_f1")

NO_VIDEO = "There is no video to compute metrics of: none was given, or none could be read."

_DESCRIPTION = """
Unweighted average recall (UAR, the mean recall of the classes), weighted average recall (WAR, the share of correct
predictions), accuracy of each class, F1 scores and confusion matrix.
"""

_INPUTS = """
Args:
    predictions (list of int): the predicted class of each video.
    references (list of int): the true class of each video.
    num_classes (int, optional): number of classes; by default one more than the highest that occurs.
    label_names (list of str, optional): names of the classes, instead of `num_classes`.
Returns:
    uar (float): mean recall of the classes that occur in `references`.
    war (float): share of correct predictions, which is the mean recall weighted by the frequencies of the classes.
    class_accuracy (list of float, or dict by name with `label_names`): recall of each class; None for a class that
        does not occur in `references`.
    weighted_f1, micro_f1, macro_f1 (float): F1 over the classes that occur in `references` or `predictions`: the mean
        weighted by frequency in `references`, F1 of all decisions, and the plain mean.
    confusion_matrix (list of lists of int): videos by true (row) and predicted class (column).
Raises:
    ValueError: if there are no videos, or a class is outside of `num_classes`.
"""


class FacialExpressionMetric(evaluate.Metric):
    """UAR, WAR and the other metrics, as an `evaluate.Metric` that does not need the Hub.

    In one process, everything is in memory. It needs no home folder and no writable cache.

    ```python
    >>> from lgi_former.training.evaluation.metrics import FacialExpressionMetric

    >>> figures = FacialExpressionMetric().compute(predictions=[0, 1, 1, 1], references=[0, 0, 1, 1])
    >>> figures["uar"], figures["war"], figures["confusion_matrix"]
    (0.75, 0.75, [[1, 1], [0, 2]])

    ```
    """

    def __init__(self, *args, **kwargs):
        if kwargs.get("num_process", 1) == 1:
            # `evaluate` makes its cache folder also for metrics in memory, by default in the home folder.
            kwargs = {"keep_in_memory": True, "cache_dir": tempfile.gettempdir()} | kwargs
        super().__init__(*args, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions, references, num_classes=None, label_names=None) -> dict:
        return compute_figures(predictions, references, num_classes, label_names)


def compute_figures(
    predictions: Sequence[int],
    references: Sequence[int],
    num_classes: int | None = None,
    label_names: Sequence[str] | None = None,
) -> dict:
    """Compute what `FacialExpressionMetric.compute` returns, without writing to disk.

    Args:
        predictions, references: Predicted and true class of each video, from 0.
        num_classes: Number of classes; by default one more than the highest that occurs.
        label_names: Names of the classes, instead of `num_classes`.

    Raises:
        ValueError: If there are no videos, or a class is outside of `num_classes`.
        MissingExtraError: If the extra `train` is not installed.
    """
    with needs_extra("train"):
        from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    predictions, references = np.asarray(predictions), np.asarray(references)
    if not references.size:
        raise ValueError(NO_VIDEO)
    if label_names is not None:
        num_classes = len(label_names)
    elif num_classes is None:
        num_classes = int(max(predictions.max(), references.max())) + 1
    _check_classes(predictions, references, num_classes)

    matrix = confusion_matrix(references, predictions, labels=np.arange(num_classes))
    videos = matrix.sum(axis=1)
    class_accuracy = [
        hits / total if total else None
        for hits, total in zip(matrix.diagonal().tolist(), videos.tolist(), strict=True)
    ]
    return {
        "uar": mean_of_defined(class_accuracy),
        "war": float(accuracy_score(references, predictions)),
        "class_accuracy": class_accuracy
        if label_names is None
        else dict(zip(label_names, class_accuracy, strict=True)),
        **{
            f"{average}_f1": float(f1_score(references, predictions, average=average, zero_division=0))
            for average in ("weighted", "micro", "macro")
        },
        "confusion_matrix": matrix.tolist(),
    }


def figures_of_task(
    task: str, values: np.ndarray, labels: np.ndarray, label_names: Sequence[str], threshold: float = THRESHOLD
) -> dict:
    """Compute the metrics of a task.

    Args:
        task: One of `TASKS`.
        values: float (videos, labels): probabilities, or for regression numbers. With frame-level labels, a row is a
            frame.
        labels: int (videos,) of single_label, otherwise float (videos, labels). None is unreadable.
        label_names: Names of the classes or quantities.
        threshold: As for `multi_label_figures`.

    Returns:
        For single_label the figures of `FacialExpressionMetric`. Otherwise `"task"` and

        - distribution: `kl`, the mean KL divergence of the prediction from the label, in nats, and the figures of the
          classes with the largest shares. The first of equal shares counts.
        - multi_label: as `multi_label_figures`.
        - regression: as `regression_figures`.

    Raises:
        ValueError: If there are no videos, or labels are impossible.
    """
    names = list(label_names)
    if not len(labels):
        raise ValueError(NO_VIDEO)
    if task == "regression":
        return {"task": task} | regression_figures(values, labels, names)
    if task == "multi_label":
        return {"task": task} | multi_label_figures(values, labels, names, threshold)
    winners = labels.argmax(axis=-1) if task == "distribution" else labels
    figures = compute_figures(predictions=values.argmax(axis=-1), references=winners, label_names=names)
    return {"task": task, "kl": mean_kl(labels, values)} | figures if task == "distribution" else figures


def flat_figures(figures: dict) -> dict[str, float]:
    """The metrics of `figures_of_task` as numbers: those of a class or quantity are named `<metric>_<name>`.

    Undefined metrics are left out.
    """
    flat = {name: value for name, value in figures.items() if isinstance(value, float) and name != "threshold"}
    flat |= {f"accuracy_{name}": value for name, value in figures.get("class_accuracy", {}).items()}
    for kind in ("quantities", "labels"):
        for name, metrics in figures.get(kind, {}).items():
            flat |= {f"{metric}_{name}": value for metric, value in metrics.items() if metric != "support"}
    return {name: value for name, value in flat.items() if value is not None}


def is_readable(labels: np.ndarray, task: str) -> np.ndarray:
    """Whether each row was read: bool (videos,), or (videos, frames) of frame-level labels.

    Args:
        labels: Class indices, with -100 for unreadable videos, or float (..., labels), with NaN for them.
        task: One of `TASKS`.

    Raises:
        ValueError: If labels of single_label are not whole numbers.
    """
    if task != "single_label":
        return ~np.isnan(labels).all(axis=-1)
    if labels.dtype.kind == "f":
        raise ValueError(
            f"The labels are fractions of shape {labels.shape}, but a single label is a whole number. Name the task "
            "of the labels, such as distribution."
        )
    return labels != UNREADABLE_LABEL


def make_compute_metrics(
    label_names: Sequence[str], task: str = "single_label"
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Make the `compute_metrics` of a `Trainer`. Each metric can be logged and can select the best model.

    The function takes predictions (videos, labels), which are logits or the scores of `average_views`, and labels.
    If a model returns more, such as hidden states, the first of the predictions are the logits. Videos of label -100
    or NaN are unreadable and do not count. A frame counts as a video with frame-level labels. It raises a ValueError
    if no video could be read, or if the predictions are not one number for each label. It returns:

    - single_label: `uar`, `war`, `weighted_f1`, `micro_f1`, `macro_f1`, and `accuracy_<name>` of each class that
      occurs. Distribution: also `kl`.
    - multi_label: `map`, `micro_f1`, `macro_f1`, `average_precision_<name>` and `f1_<name>`. A label is
      predicted if its probability is at least `THRESHOLD`.
    - regression: `ccc`, `pearson`, `mae`, `rmse`, `mse`, and the same as `ccc_<name>` of each quantity.

    Args:
        label_names: Names of the classes or quantities.
        task: One of `TASKS`.

    Raises:
        MissingExtraError: If the extra `train` is not installed.
    """
    require_extra("train")

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        labels, values = prediction.label_ids, _logits_in(prediction.predictions, label_names)
        if task != "single_label":
            labels, values = labels.reshape(values.shape), values_of(values, task)
        read = is_readable(labels, task)
        return flat_figures(figures_of_task(task, values[read], labels[read], label_names))

    return compute_metrics


def _logits_in(predictions: np.ndarray | tuple, label_names: Sequence[str]) -> np.ndarray:
    logits = predictions[0] if isinstance(predictions, (tuple, list)) else predictions
    if np.ndim(logits) < 2 or np.shape(logits)[-1] != len(label_names):
        raise ValueError(
            f"The predictions have the shape {np.shape(logits)}, but the last dimension should be the "
            f"{len(label_names)} labels {', '.join(label_names[:20])}. Give make_compute_metrics the labels of the "
            "model."
        )
    return logits


def values_of(scores: np.ndarray, task: str) -> np.ndarray:
    """The probabilities of logits or of scores of `average_views`, float64 (..., labels). Numbers do not change."""
    return answers_of(torch.from_numpy(scores).double(), PROBLEM_TYPES[task]).numpy()


BEST_METRICS = {"multi_label": "map", "regression": "ccc"}
"""The metric that selects the best model where UAR and WAR do not exist."""
_OF_ONE_CLASS = (*CLASS_METRICS, "accuracy", "kl")
_ERRORS = ("kl", "mse", "mae", "rmse")


def best_metric(task: str, wanted: str) -> str:
    """The metric that selects the best model of a task.

    Args:
        task: One of `TASKS`.
        wanted: `metric_for_best_model` of the options, perhaps of a recipe for another task. A metric of classes is
            replaced by that of `BEST_METRICS` where it does not exist.
    """
    name = wanted.removeprefix("eval_")
    exists = ("micro_f1", "macro_f1") if task == "multi_label" else ()
    is_of_one_class = any(name == metric or name.startswith(f"{metric}_") for metric in _OF_ONE_CLASS)
    is_replaced = task in BEST_METRICS and is_of_one_class and name not in exists
    return BEST_METRICS[task] if is_replaced else wanted


def is_error(metric: str) -> bool:
    """Whether a smaller value of a metric is better. `Trainer` knows it of losses only."""
    name = metric.removeprefix("eval_")
    return name.endswith("loss") or name.split("_")[0] in _ERRORS


def _check_classes(predictions, references, num_classes):
    for what, classes in (("predictions", predictions), ("references", references)):
        outside = classes[(classes < 0) | (classes >= num_classes)]
        if outside.size:
            raise ValueError(
                f"{what} hold class {outside[0]}, but with {num_classes} classes they go from 0 to {num_classes - 1}. "
                "Give all label names, or remove videos without a label."
            )
