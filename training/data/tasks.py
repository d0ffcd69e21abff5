"""The kinds of labels that a model can learn."""

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


def task_of(config: PreTrainedConfig) -> str:
    """The task of a model. A model of distributions cannot be told from one of single labels: `"single_label"`."""
    problem_type = problem_type_of(config)
    return next(task for task in TASKS if PROBLEM_TYPES[task] == problem_type)
