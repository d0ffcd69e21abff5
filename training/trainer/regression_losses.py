"""Losses of models that predict numbers, such as valence and arousal."""

import torch
from torch.nn import functional as F
from transformers import Trainer

from ...modeling_lgi_former.classification_loss import problem_type_of


SMALLEST_VARIANCE = 1e-8
"""Below it, numbers count as constant. Rounding errors of a constant batch would otherwise give huge gradients."""


def concordance_loss(predictions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """1 - CCC, the mean over the quantities.

    CCC is the concordance correlation coefficient (Lin, https://doi.org/10.2307/2532051):
    2 covariance / (variance of predictions + variance of labels + (difference of the means)^2), with variances over
    the clips (and frames) of the batch. So a batch needs several clips; a single clip has the loss 1 and no gradient.
    Each process and each step of gradient accumulation computes the CCC of its clips only.

    Args:
        predictions, labels: float (..., quantities).
    """
    predictions, labels = predictions.flatten(0, -2), labels.flatten(0, -2)
    predicted_mean, true_mean = predictions.mean(0), labels.mean(0)
    covariance = ((predictions - predicted_mean) * (labels - true_mean)).mean(0)
    spread = predictions.var(0, correction=0) + labels.var(0, correction=0) + (predicted_mean - true_mean) ** 2
    return (1 - 2 * covariance / spread.clamp_min(SMALLEST_VARIANCE)).mean()


REGRESSION_LOSSES = {"mse": F.mse_loss, "mae": F.l1_loss, "ccc": concordance_loss}
"""Values of `LGIFormerTrainingArguments.regression_loss`."""


def check_regression_loss(trainer: Trainer):
    """Check `trainer.regression_loss`.

    Raises:
        ValueError: If it is unknown, the model does not predict numbers, or each batch has one clip, where 1 - CCC
            teaches nothing.
    """
    name = trainer.regression_loss
    if name not in REGRESSION_LOSSES:
        raise ValueError(f"regression_loss={name!r} is unknown. Choose one of {', '.join(REGRESSION_LOSSES)}.")
    if name == "mse":
        return
    config = trainer.model.config
    if (problem_type := problem_type_of(config)) != "regression":
        raise ValueError(
            f"regression_loss={name!r} is for models that predict numbers, but the model's problem_type is "
            f"{problem_type!r}. Leave the option out."
        )
    if name == "ccc" and trainer.args.train_batch_size < 2 and not getattr(config, "frame_level", False):
        raise ValueError(
            "regression_loss='ccc' compares the clips of a batch, but per_device_train_batch_size is 1. Train with at "
            "least 2 clips a batch; 8 or more are better."
        )
