"""Words and formats of each kind of answers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lgi_former import LGIFormerConfig
from lgi_former.hub.answer_kind import AnswerKind, answers_of
from lgi_former.training.evaluation.label_metrics import multi_label_figures


LOGITS = torch.tensor([[-0.5, 2.0, 0.25]])


def kind_of(problem_type, names=("a", "b", "c"), units=None):
    config = SimpleNamespace(
        problem_type=problem_type, num_labels=len(names), id2label=dict(enumerate(names)), label_units=units
    )
    return AnswerKind.of(config)


@pytest.mark.parametrize(
    ("problem_type", "function", "scores", "top", "shown", "exact", "word"),
    [
        (None, LOGITS.softmax(-1), {"a": 0.2, "b": 0.5, "c": 0.3}, ["b"], "12.3%", "0.1234", "score"),
        (
            "multi_label_classification",
            LOGITS.sigmoid(),
            {"a": 0.6, "b": 0.49, "c": 0.9},
            ["a", "c"],
            "12.3%",
            "0.1234",
            "score",
        ),
        (
            "multi_label_classification",
            LOGITS.sigmoid(),
            {"a": 0.1, "b": 0.49, "c": 0.3},
            [],
            "12.3%",
            "0.1234",
            "score",
        ),
        ("regression", LOGITS, {"a": -4.0, "b": 0.0, "c": 2.0}, [], "0.12", "0.123449", "value"),
    ],
    ids=["one label", "several labels", "no label", "quantities"],
)
def test_each_kind_has_its_function_top_and_formats(problem_type, function, scores, top, shown, exact, word):
    kind = kind_of(problem_type)
    assert torch.equal(answers_of(LOGITS, kind.problem_type), function)
    assert kind.top(scores) == top and kind.word == word
    assert (kind.shown(0.1234492), kind.exact(0.1234492)) == (shown, exact)
    order = list(kind.ordered(scores))
    assert order == (["a", "b", "c"] if word == "value" else sorted(scores, key=scores.get, reverse=True))
    assert kind.meaning.startswith(f"A {word} is the ") and "{" not in kind.meaning


def test_prediction_and_evaluation_have_one_threshold():
    kind, scores = kind_of("multi_label_classification"), {"a": 0.5, "b": 0.4999, "c": 0.9}
    predicted = kind.top(scores)
    figures = multi_label_figures(np.array([[*scores.values()]]), np.ones((1, 3)), list(scores))
    assert predicted == [name for name, row in figures["labels"].items() if row["f1"]] == ["a", "c"]


@pytest.mark.parametrize(
    ("number", "text"), [(-0.354, "-0.35"), (0.0, "0.00"), (0.00123, "0.0012"), (-2e-7, "-2e-07"), (1234.5, "1234.50")]
)
def test_small_quantities_are_not_shown_as_0(number, text):
    assert kind_of("regression").shown(number) == text


def test_one_output_is_a_quantity():
    kind = AnswerKind.of(LGIFormerConfig(id2label={0: "valence"}))
    assert (kind.word, kind.labels, kind.units) == ("value", ["valence"], {})


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (None, "Values are in the unit of the training labels."),
        (["points", "", "mV"], "Units: a in points, c in mV."),
        (["", "", ""], "Values are in the unit of the training labels."),
    ],
)
def test_units_are_named(units, words):
    kind = kind_of("regression", units=units)
    assert kind.units_in_words == words and words in kind.meaning
    assert kind.with_unit("b") == "b" and (kind.with_unit("a") == "a (points)") == ("points" in words)
    assert kind_of("multi_label_classification", units=units).units_in_words == ""


@pytest.mark.parametrize(
    ("scores", "problem_type"),
    [
        ({"a": 0.3, "b": 0.7}, "single_label_classification"),
        ({"a": 0.3, "b": 0.9}, "multi_label_classification"),
        ({"a": -0.3, "b": 1.3}, "regression"),
    ],
)
def test_the_kind_of_an_earlier_result_is_inferred(scores, problem_type):
    assert AnswerKind.of_result({"timeline": [{"scores": scores}]}).problem_type == problem_type


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
@pytest.mark.parametrize("units", [None, ["points", "mV"]])
def test_a_result_says_its_kind(problem_type, units):
    kind = kind_of(problem_type, ("a", "b"), units)
    assert AnswerKind.of_result({"timeline": [{"scores": {"a": 0.1, "b": 0.9}}], **kind.fields()}) == kind


def test_titles_of_labels_differ_from_other_titles():
    labels = ["person", "sad", "score of person", "end"]
    kind = AnswerKind("multi_label_classification", labels)
    titles = ["score of person", "sad", "score of score of person", "score of end"]
    assert kind.titles({"person", "end"}) == dict(zip(labels, titles, strict=True))
    assert AnswerKind("regression", ["end"]).titles(["end"]) == {"end": "value of end"}
