"""Checks the class weights of a training loss."""

from collections.abc import Sequence

import torch
from transformers import Trainer

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
