"""The metrics of facial expression recognition: UAR, WAR, accuracy of each class, F1, confusion matrix."""

import tempfile
from collections.abc import Callable, Sequence

import datasets
import evaluate
import numpy as np
from transformers import EvalPrediction

from ...extras import needs_extra
from ..data.labels import UNREADABLE_LABEL


with needs_extra("train"):
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score


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
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    if not references.size:
        raise ValueError("There is no video to compute metrics of: none was given, or none could be read.")
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
        "uar": float(np.mean([accuracy for accuracy in class_accuracy if accuracy is not None])),
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


def make_compute_metrics(label_names: Sequence[str]) -> Callable[[EvalPrediction], dict[str, float]]:
    """Make the `compute_metrics` of a `Trainer`. Each metric can be logged and can select the best model.

    The function takes predictions (videos, classes), such as logits or probabilities, and labels (videos,). Videos of
    label -100 are unreadable and do not count. It returns `uar`, `war`, `weighted_f1`, `micro_f1`, `macro_f1` and
    `accuracy_<name>` for each class that occurs. It raises a ValueError if no video could be read.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        read = prediction.label_ids != UNREADABLE_LABEL
        figures = compute_figures(
            predictions=prediction.predictions[read].argmax(axis=-1),
            references=prediction.label_ids[read],
            label_names=label_names,
        )
        del figures["confusion_matrix"]
        class_accuracy = figures.pop("class_accuracy")
        return figures | {f"accuracy_{name}": value for name, value in class_accuracy.items() if value is not None}

    return compute_metrics


def _check_classes(predictions, references, num_classes):
    for what, classes in (("predictions", predictions), ("references", references)):
        outside = classes[(classes < 0) | (classes >= num_classes)]
        if outside.size:
            raise ValueError(
                f"{what} hold class {outside[0]}, but with {num_classes} classes they go from 0 to {num_classes - 1}. "
                "Give all label names, or remove videos without a label."
            )
