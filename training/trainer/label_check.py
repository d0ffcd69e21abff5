"""Checks that labels fit the model: their task, their classes, and soft labels.

Soft labels are checked on the CPU. On an accelerator, each step would have to wait for the comparison.
"""

from collections.abc import Callable

import datasets
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedConfig

from ...modeling_lgi_former.classification_loss import check_probabilities, problem_type_of
from ..data.tasks import PROBLEM_TYPES


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


def check_collator(collator: Callable[[list], dict], config: PreTrainedConfig):
    """Check that a collator makes labels for the model.

    Raises:
        ValueError: If its `task` needs another problem type.
    """
    wanted = PROBLEM_TYPES.get(getattr(collator, "task", None))
    if wanted not in (None, problem_type_of(config)):
        raise ValueError(
            f"The collator has the task {collator.task!r}, but the model's problem type is "
            f"{problem_type_of(config)!r}. Load the model with problem_type={wanted!r}."
        )


def check_class_names(dataset: Dataset, config: PreTrainedConfig):
    """Check that class indices of a `datasets.Dataset` mean the model's classes. Generic names are not compared.

    Raises:
        ValueError: If the classes have other names or another order.
    """
    feature = (getattr(dataset, "features", None) or {}).get("label")
    feature = feature.feature if isinstance(feature, datasets.List) else feature
    names = [config.id2label.get(index) for index in range(config.num_labels)]
    generic = [f"LABEL_{index}" for index in range(config.num_labels)]
    if isinstance(feature, datasets.ClassLabel) and names != generic and feature.names != names:
        raise ValueError(
            f"The classes of the data set are {', '.join(feature.names)}, but those of the model are "
            f"{', '.join(map(str, names))}. Load the data with label_names=list(model.config.id2label.values())."
        )


def collate_and_check(collate: Callable[[list], dict], config: PreTrainedConfig, items: list) -> dict:
    """Collate items, and check the labels of the batch."""
    batch = collate(items)
    if "labels" in batch:
        check_labels(batch["labels"], config)
    return batch
