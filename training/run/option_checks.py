"""Checks that the options of `finetune` fit the labels of the videos."""

from collections.abc import Sequence

from ...configuration import DATASET_LABELS
from ..data.clip_stream import LABEL_COLUMNS
from .arguments import LabelledDataArguments
from .run_data import TrainingVideos


def check_that_labels_are_there(option: str, videos: TrainingVideos):
    """Check that the videos of `option` have labels.

    Raises:
        ValueError: If they have none.
    """
    columns = videos.features  # None for a stream without this information
    if columns is not None and not any(name in columns for name in LABEL_COLUMNS):
        raise ValueError(
            f"{option} has no labels, but fine-tuning needs them. Write 'path label' in each line, or name the "
            "column of labels 'label'."
        )


def check_dataset_name(data: LabelledDataArguments, label_names: Sequence[str]):
    """Check that the classes are those of the corpus that the card will name.

    Raises:
        ValueError: If `--dataset_name` is a known corpus of other classes.
    """
    known = DATASET_LABELS.get((data.dataset_name or "").lower())
    if known is not None and set(known) != set(label_names):
        raise ValueError(
            f"The classes are {', '.join(label_names)}, but dataset_name={data.dataset_name} has {', '.join(known)}. "
            "For your own videos, take the recipe finetune_own, or give them another --dataset_name."
        )


def check_units(label_units: list[str] | None, label_names: list[str], task: str):
    """Check that `--label_units` fits the labels.

    Raises:
        ValueError: If the labels are no quantities, or the units are more or fewer.
    """
    if label_units is not None and task != "regression":
        raise ValueError(f"label_units are for --task regression, but the task is {task}.")
    if label_units is not None and len(label_units) != len(label_names):
        raise ValueError(
            f"label_units has the length {len(label_units)}, but the quantities are {', '.join(label_names)}."
        )
