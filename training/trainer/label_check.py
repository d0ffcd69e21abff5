"""Checks soft labels on the CPU, where it costs nothing.

Without `config.problem_type`, float labels are soft labels of one class, whose rows sum to 1. Labels of several
classes have the same dtype and shape. On an accelerator, each step would have to wait for the comparison.
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedConfig

from ...modeling_lgi_former.classification_loss import check_probabilities, problem_type_of


def predicts_one_class(config: PreTrainedConfig) -> bool:
    """Return whether a clip or video has one of several classes."""
    return problem_type_of(config) == "single_label_classification" and config.num_labels > 1


def check_labels(labels: torch.Tensor | None, config: PreTrainedConfig):
    """Check that float labels (batch, classes) are soft labels of one class. Labels on an accelerator are not checked.

    Raises:
        ValueError: If their rows do not sum to 1 and `config.problem_type` is not set.
    """
    if not isinstance(labels, torch.Tensor) or labels.device.type != "cpu" or not labels.is_floating_point():
        return
    if getattr(config, "problem_type", None) is None and predicts_one_class(config):
        check_probabilities(labels)


class LabelCheckingCollator:
    """Collates items, then checks the labels of the batch.

    Args:
        collate: Makes a batch of a list of items.
        config: The model's configuration.
    """

    def __init__(self, collate: Callable[[list], dict], config: PreTrainedConfig):
        self.collate = collate
        self.config = config

    def __call__(self, items: list) -> dict:
        batch = self.collate(items)
        check_labels(batch.get("labels"), self.config)
        return batch
