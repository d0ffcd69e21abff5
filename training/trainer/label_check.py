"""Checks soft labels on the CPU. On an accelerator, each step would have to wait for the comparison."""

from collections.abc import Callable

import torch
from transformers import PreTrainedConfig

from ...modeling_lgi_former.classification_loss import check_probabilities, problem_type_of


def predicts_one_class(config: PreTrainedConfig) -> bool:
    """Return whether the model predicts exactly one of several classes."""
    return problem_type_of(config) == "single_label_classification" and config.num_labels > 1


def check_labels(labels: torch.Tensor, config: PreTrainedConfig):
    """Check that float labels (batch, classes) are soft labels of one class, unless `config.problem_type` is set.

    Labels of several classes have the same dtype and shape. Labels on an accelerator are not checked. Rows of NaN are
    those of unreadable videos.

    Raises:
        ValueError: If the rows do not sum to 1.
    """
    is_checkable = isinstance(labels, torch.Tensor) and labels.device.type == "cpu" and labels.is_floating_point()
    if is_checkable and config.problem_type is None and predicts_one_class(config):
        check_probabilities(labels[~labels.isnan().all(-1)])


def collate_and_check(collate: Callable[[list], dict], config: PreTrainedConfig, items: list) -> dict:
    """Collate items, and check the labels of the batch."""
    batch = collate(items)
    if "labels" in batch:
        check_labels(batch["labels"], config)
    return batch
