"""The loss of the classification head."""

from collections.abc import Callable

import torch
from torch.nn import functional as F
from transformers import PreTrainedConfig

from ..configuration import LGIFormerConfig


def problem_type_of(config: PreTrainedConfig) -> str:
    """The problem type of a classifier of any family.

    Without a `problem_type`, a model with one label does regression, and a model with several labels does single-label
    classification, as in Transformers.

    Returns:
        `"regression"`, `"single_label_classification"` or `"multi_label_classification"`.
    """
    if config.problem_type is not None:
        return config.problem_type
    return "regression" if config.num_labels == 1 else "single_label_classification"


def classification_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    config: LGIFormerConfig,
    problem_type: str | None = None,
    regression_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.mse_loss,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of `logits` (..., classes), as `config.problem_type` says.

    - `"single_label_classification"`, the default for several classes: cross entropy. `labels` are long (...). Mixup
      and label smoothing give float (..., classes) whose rows sum to 1.
    - `"multi_label_classification"`: binary cross entropy. `labels` are 0 or 1, (..., classes).
    - `"regression"`, the default for one class: mean squared error. `labels` are as many numbers as `logits`.

    Unlike in `transformers.loss`, float labels do not mean multi-label classification, and the configuration does not
    change.

    Args:
        problem_type: Replaces that of the configuration. The sums of soft labels are then not checked.
        regression_loss: Replaces the mean squared error. It takes predicted and true numbers, both (..., quantities).
        class_weights: Weights of the classes, float (classes,), on any device. Cross entropy is then the mean over
            rows of sum_c w_c y_c (-log p_c). It is not divided by the weights of the batch's labels. In binary cross
            entropy, a present label c counts w_c times. Regression does not use them.

    Raises:
        ValueError: If `labels` do not fit `logits`, or if no `problem_type` is set and the rows of float labels do not
            sum to 1.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(logits.device)
    weights = None if class_weights is None else class_weights.to(logits)
    is_known = problem_type is not None or config.problem_type is not None
    problem_type = problem_type or problem_type_of(config)
    if problem_type == "regression":
        fits = labels.shape == logits.shape or (logits.shape[-1] == 1 and labels.shape == logits.shape[:-1])
        _check_shape(labels, logits, fits, "as many numbers as the logits")
        return regression_loss(logits, labels.to(logits.dtype).reshape(logits.shape))
    if problem_type == "multi_label_classification":
        if getattr(config, "head_activation", None) is not None:  # VideoMAE has no such field
            raise ValueError(
                f"config.head_activation={config.head_activation!r} clashes with "
                "problem_type='multi_label_classification', whose loss applies the sigmoid itself. Use None."
            )
        _check_shape(labels, logits, labels.shape == logits.shape, "one 0 or 1 a class")
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weights)
    if labels.is_floating_point():
        _check_shape(labels, logits, labels.shape == logits.shape, "one probability a class")
        if not is_known:
            check_probabilities(labels)
        return F.cross_entropy(logits.flatten(0, -2), labels.to(logits.dtype).flatten(0, -2), weight=weights)
    _check_shape(labels, logits, labels.shape == logits.shape[:-1], "one class index a row of logits")
    logits, labels = logits.flatten(0, -2), labels.flatten().long()
    if weights is None:
        return F.cross_entropy(logits, labels)
    # With the default reduction, PyTorch would divide by the weights of the labels.
    return F.cross_entropy(logits, labels, weight=weights, reduction="sum") / (labels >= 0).sum().clamp_min(1)


def _check_shape(labels, logits, fits, wanted):
    if not fits:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} and dtype {labels.dtype} do not fit logits of shape "
            f"{tuple(logits.shape)}: expected {wanted}. For another task, set config.problem_type."
        )


def check_probabilities(labels: torch.Tensor):
    """Check that float `labels` (..., classes) are soft labels of one class. Waits for the device.

    Raises:
        ValueError: If their rows do not sum to 1.
    """
    if torch.compiler.is_compiling():
        return
    if not ((labels.float().sum(-1) - 1).abs() < 0.02).all():  # half precision rounds each of many labels
        raise ValueError(
            "labels are float (batch, classes), but their rows do not sum to 1. Set "
            "config.problem_type='multi_label_classification' if a clip can have several classes, or 'regression' if "
            "labels are numbers."
        )
