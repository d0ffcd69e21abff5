"""A loss in which each class has a weight, for training on classes of different sizes."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F
from transformers import PreTrainedConfig, Trainer

from ...modeling_lgi_former.classification_loss import problem_type_of


def checked_class_weights(weights: Sequence[float] | torch.Tensor | None, trainer: Trainer) -> torch.Tensor | None:
    """Return the class weights of a trainer's loss as a tensor on its device, float32 (classes,), or None.

    Raises:
        ValueError: If the model has no classes, these are not as many finite weights of at least 0 as it has classes,
            or the trainer has another loss.
    """
    if weights is None:
        return None
    config = trainer.model.config
    if problem_type_of(config) == "regression":
        raise ValueError("class_weights need classes, but a regression model has none. Leave them out.")
    if trainer.compute_loss_func is not None:
        raise ValueError("class_weights have no effect on compute_loss_func. Leave one of the two out.")
    weights = torch.as_tensor(weights, dtype=torch.float32)
    if weights.shape != (config.num_labels,) or not (weights.isfinite() & (weights >= 0)).all():
        raise ValueError(
            f"class_weights={weights.tolist()} must be {config.num_labels} finite numbers of at least 0, one for each "
            "class of the model."
        )
    return weights.to(trainer.args.device)


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, config: PreTrainedConfig
) -> torch.Tensor:
    """Loss with a weight for each class.

    - One class a clip: the mean over the clips of sum_c w_c y_c (-log p_c). y are soft labels, mixed and smoothed, or
      one-hot labels. The mean is over clips, so it is not divided by the weights of the batch's labels.
    - Several classes: binary cross entropy, in which a present label c counts w_c times (`pos_weight`).

    Args:
        logits: float (..., classes).
        labels: As for `classification_loss`.
        weights: float (classes,).
        config: The configuration of the model.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    weights = weights.to(logits.device, logits.dtype)
    labels = labels.to(logits.device)
    if problem_type_of(config) == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weights)
    logits = logits.flatten(0, -2)
    if labels.is_floating_point():
        return F.cross_entropy(logits, labels.to(logits.dtype).flatten(0, -2), weight=weights)
    labels = labels.flatten().long()
    losses = F.cross_entropy(logits, labels, weight=weights, reduction="none")
    return losses.sum() / (labels >= 0).sum().clamp_min(1)
