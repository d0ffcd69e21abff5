"""The kinds of labels that a model can learn."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedConfig

from ...modeling_lgi_former.classification_loss import problem_type_of


TASKS = ("single_label", "multi_label", "regression", "distribution")
"""Labels of a video: one class, the classes that apply, numbers such as valence and arousal, or votes for classes."""

PROBLEM_TYPES = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
    "distribution": "single_label_classification",
}
"""`config.problem_type` for each task. A distribution is a soft label of a model that predicts one class."""


def check_task(task: str):
    """Raise a `ValueError` for a task that is none of `TASKS`."""
    if task not in TASKS:
        raise ValueError(f"task={task!r} is unknown. Choose one of {', '.join(TASKS)}.")


def task_of(config: PreTrainedConfig) -> str:
    """The task of a model. It is `"single_label"` for a model of distributions, which has the same configuration."""
    problem_type = problem_type_of(config)
    return next(task for task in TASKS if PROBLEM_TYPES[task] == problem_type)


@dataclass(frozen=True)
class Wanted:
    """What a caller knows about the labels of a list.

    Args:
        task: One of `TASKS`; None infers it from the labels.
        label_names: The classes or quantities in their order; None takes those of the list.
        may_be_columns: Whether the columns of a table without the column `label` are labels if no task is named.
        frame_level: Whether labels are of frames; None infers it from the labels.
    """

    task: str | None = None
    label_names: Sequence[str] | None = None
    may_be_columns: bool = True
    frame_level: bool | None = None

    def __post_init__(self):
        if self.task is not None:
            check_task(self.task)
