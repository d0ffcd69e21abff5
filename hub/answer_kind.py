"""The kind of a classifier's answers: what its numbers mean, and how people read them."""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedConfig

from ..messages import printable
from ..modeling_lgi_former.classification_loss import problem_type_of


THRESHOLD = 0.5
"""A multi-label model predicts the labels with at least this score."""

SEPARATOR = ";"
"""Between several labels in one cell of a table, as in lists of videos."""

UNKNOWN_UNIT = "in the unit of the training labels"

_CALIBRATION = "It is not a probability that is calibrated on your videos."
_FEELING = "It is not a measurement of what somebody feels."
_MEANING = {
    "single_label_classification": "A score is the softmax of a model that was trained on one label per clip, or on "
    "the votes of several people about it. It says how strongly the model prefers this label among its labels. "
    f"{_CALIBRATION} It is not a share of annotators. {_FEELING}",
    "multi_label_classification": "A score is the sigmoid of a model that was trained on several labels per clip. It "
    "says how strongly the model expects this label. Labels are independent, so their scores do not sum to 1. "
    f"{_CALIBRATION} It is not a share of annotators. {_FEELING}",
    "regression": "A value is the output of a model that was trained on numbers, such as ratings of clips. It "
    f"estimates the number that such a clip has in the training data. {{units}} {_FEELING}",
}


def is_predicted(score, threshold: float = THRESHOLD):
    """Whether a multi-label model predicts a label with this score: bool, or an array of bool for an array."""
    return score >= threshold


def answers_of(logits: torch.Tensor, problem_type: str) -> torch.Tensor:
    """The scores or values of float logits (..., labels), with the same shape and dtype."""
    if problem_type == "regression":
        return logits
    return logits.sigmoid() if problem_type == "multi_label_classification" else logits.softmax(dim=-1)


@dataclass(frozen=True)
class AnswerKind:
    """What the numbers that a classifier gives for a clip are.

    Everything that shows answers (tables, pictures, the demo, model cards) takes words and formats from here.

    Attributes:
        problem_type (`str`): `"single_label_classification"`, `"multi_label_classification"` or `"regression"`.
        labels (`list[str]`): The labels in the order of the model. The labels of a regression model are quantities.
        units (`dict[str, str]`): Units of the quantities that have one in `config.label_units`.
    """

    problem_type: str
    labels: list[str]
    units: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: PreTrainedConfig) -> "AnswerKind":
        """The kind of a classifier of any family, from its configuration.

        Raises:
            ValueError: If a label or unit has a line break or another control character.
        """
        labels = [config.id2label.get(index, f"LABEL_{index}") for index in range(config.num_labels)]
        problem_type, units = problem_type_of(config), getattr(config, "label_units", None)
        for name in (*labels, *(units or ())):
            if printable(str(name), keeps="") != str(name):
                raise ValueError(
                    f"The label or unit {name!r} of the model has a line break or control character. Remove it from "
                    "'id2label' or 'label_units' in its config.json."
                )
        named = zip(labels, units or (), strict=False) if problem_type == "regression" else ()
        return cls(problem_type, labels, {label: unit for label, unit in named if unit})

    @classmethod
    def of_result(cls, result: dict) -> "AnswerKind":
        """The kind of a result of `FacialExpressionPipeline`.

        Results of earlier versions have no `problem_type`. Numbers outside of 0 to 1 are then quantities, and scores
        that do not sum to 1 are those of several labels.
        """
        scores = [entry["scores"] for entry in result["timeline"]]
        labels = list(scores[0]) if scores else []
        return cls(result.get("problem_type") or _guessed_problem_type(scores), labels, result.get("units", {}))

    def fields(self) -> dict:
        """The fields of a result that `of_result` reads: `problem_type`, and `units` if the model names them."""
        return {"problem_type": self.problem_type} | ({"units": self.units} if self.units else {})

    @property
    def is_probability(self) -> bool:
        """Whether the numbers are from 0 to 1. Otherwise they are quantities."""
        return self.problem_type != "regression"

    @property
    def sums_to_1(self) -> bool:
        """Whether the scores of all labels sum to 1."""
        return self.problem_type == "single_label_classification"

    @property
    def function(self) -> str:
        """The function from logits to answers, as `function_to_apply` of Transformers' pipelines."""
        return {"regression": "none", "multi_label_classification": "sigmoid"}.get(self.problem_type, "softmax")

    @property
    def word(self) -> str:
        """What one number is called."""
        return "score" if self.is_probability else "value"

    @property
    def none(self) -> str:
        """What is shown instead of labels if a multi-label model predicts none."""
        return f"none reaches {THRESHOLD:.0%}"

    @property
    def meaning(self) -> str:
        """What a number means, in sentences."""
        return _MEANING[self.problem_type].format(units=self.units_in_words)

    @property
    def units_in_words(self) -> str:
        """The units in a sentence. Empty for scores."""
        if self.is_probability:
            return ""
        if not self.units:
            return f"Values are {UNKNOWN_UNIT}."
        named = [f"{label} in {unit}" for label, unit in self.units.items()]
        return f"Units: {', '.join(named)}."

    def ordered(self, scores: dict[str, float]) -> dict[str, float]:
        """Scores with the highest first, or values in the order of the model."""
        if not self.is_probability:
            return {label: scores[label] for label in self.labels}
        return dict(sorted(scores.items(), key=lambda item: item[1], reverse=True))

    def top(self, scores: dict[str, float]) -> list[str]:
        """The predicted labels: the best one, or all that `is_predicted` accepts, in the order of the model."""
        if self.sums_to_1:
            return [max(scores, key=lambda label: scores[label])]
        return [label for label in self.labels if self.is_probability and is_predicted(scores.get(label, 0))]

    def titles(self, others: Collection[str]) -> dict[str, str]:
        """The title of each label's column. Titles that `others` or earlier labels have become "score of ..."."""
        titles: dict[str, str] = {}
        for label in self.labels:
            title = label
            while title in others or title in titles.values():
                title = f"{self.word} of {title}"
            titles[label] = title
        return titles

    def exact(self, number: float) -> str:
        """A number for tables and files: 4 decimals for scores, 6 digits for values."""
        return f"{number:.4f}" if self.is_probability else f"{number:.6g}"

    def short(self, number: float) -> str:
        """A number for pictures: 2 decimals, or 2 digits for small values."""
        is_small = not self.is_probability and 0 < abs(number) < 0.005
        return f"{number:.2g}" if is_small else f"{number:.2f}"

    def shown(self, number: float) -> str:
        """A number for people: a percentage for scores."""
        return f"{number:.1%}" if self.is_probability else self.short(number)

    def with_unit(self, label: str) -> str:
        """A label, with its unit if that is known."""
        return f"{label} ({self.units[label]})" if label in self.units else label


def _guessed_problem_type(scores: list[dict[str, float]]) -> str:
    if not all(0 <= score <= 1 for each in scores for score in each.values()):
        return "regression"
    if all(abs(sum(each.values()) - 1) < 1e-3 for each in scores):
        return "single_label_classification"
    return "multi_label_classification"
