"""Metrics of numbers, of several labels and of shares."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score
from transformers import EvalPrediction

from lgi_former.training.evaluation.label_metrics import mean_kl, multi_label_figures, regression_figures
from lgi_former.training.evaluation.metrics import best_metric, is_error, make_compute_metrics


def test_a_worked_example_of_numbers():
    """Means 3 and 2, variances 2/3, covariance 1/3: CCC = (2/3) / (4/3 + 1), Pearson = 1/2."""
    predictions, labels = np.array([[2.0, 1.0], [3, 2], [4, 3]]), np.array([[1.0, 1.0], [3, 2], [2, 3]])
    figures = regression_figures(predictions, labels, ["valence", "arousal"])
    assert figures["quantities"]["valence"] == {
        "ccc": pytest.approx(2 / 7),
        "pearson": pytest.approx(0.5),
        "mae": pytest.approx(1),
        "rmse": pytest.approx(math.sqrt(5 / 3)),
        "mse": pytest.approx(5 / 3),
    }
    assert figures["quantities"]["arousal"]["ccc"] == pytest.approx(1)
    assert figures["ccc"] == pytest.approx((2 / 7 + 1) / 2)
    assert figures["mse"] == pytest.approx(5 / 6)
    assert "notes" not in figures


def test_equal_labels_have_no_correlation():
    predictions, labels = np.array([[0.0, 1], [1, 1]]), np.array([[0.5, 0], [0.5, 1]])
    figures = regression_figures(predictions, labels, ["a", "b"])
    assert figures["quantities"]["a"]["ccc"] is None and figures["quantities"]["a"]["pearson"] is None
    assert figures["quantities"]["b"]["ccc"] == 0 and figures["quantities"]["b"]["pearson"] is None
    assert figures["ccc"] == 0 and figures["pearson"] is None
    assert figures["notes"] == [
        "CCC and Pearson of a are undefined: all labels are 0.5.",
        "Pearson of b is undefined: all predictions are 1.",
    ]


def test_several_labels_as_in_scikit_learn():
    generator = np.random.default_rng(0)
    labels = (generator.random((40, 3)) < [0.5, 0.2, 0.7]).astype(float)
    probabilities = generator.random((40, 3)).round(1)  # with ties
    figures = multi_label_figures(probabilities, labels, ["a", "b", "c"], threshold=0.4)
    predicted = probabilities >= 0.4
    assert figures["map"] == pytest.approx(average_precision_score(labels, probabilities, average="macro"))
    for average in ("micro", "macro"):
        assert figures[f"{average}_f1"] == pytest.approx(f1_score(labels, predicted, average=average))
    for index, name in enumerate("abc"):
        assert figures["labels"][name]["f1"] == pytest.approx(f1_score(labels[:, index], predicted[:, index]))
        assert figures["labels"][name]["support"] == labels[:, index].sum()


def test_labels_that_no_video_has():
    labels = np.array([[1.0, 0, 0], [0, 0, 0]])
    figures = multi_label_figures(np.array([[0.9, 0.6, 0.1], [0.1, 0.1, 0.1]]), labels, ["a", "b", "c"])
    assert figures["labels"]["b"] == {"average_precision": None, "f1": 0, "support": 0}
    assert figures["labels"]["c"] == {"average_precision": None, "f1": None, "support": 0}
    assert (figures["map"], figures["macro_f1"], figures["micro_f1"]) == (1, 0.5, pytest.approx(2 / 3))
    assert figures["notes"] == ["No video has b, c."]


def test_one_label_is_not_taken_for_two_classes():
    figures = multi_label_figures(np.array([[0.9], [0.2], [0.1]]), np.array([[1.0], [1], [0]]), ["smile"])
    assert figures["micro_f1"] == figures["macro_f1"] == pytest.approx(2 / 3)


def test_divergence_by_hand():
    shares, probabilities = np.array([[0.5, 0.5], [1, 0]]), np.array([[0.25, 0.75], [1, 0]])
    assert mean_kl(shares, probabilities) == pytest.approx((0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2)
    assert math.isfinite(mean_kl(np.array([[1.0, 0]]), np.array([[0.0, 1]])))


@pytest.mark.parametrize("labels", [[[1.0, 0.5]], [[2.0, 0]]])
def test_labels_of_several_classes_are_0_or_1(labels):
    with pytest.raises(ValueError, match="must be 0 or 1"):
        multi_label_figures(np.full((1, 2), 0.5), np.array(labels), ["a", "b"])


def test_a_part_of_the_numbers_may_not_be_missing():
    with pytest.raises(ValueError, match="1 of 2 labels are not finite"):
        regression_figures(np.zeros((2, 2)), np.array([[0, 1], [0, np.nan]]), ["a", "b"])


def test_trainers_get_numbers_of_readable_videos():
    nan = [math.nan, math.nan]
    scores = np.array([[2.0, -2], [-2.0, 2], [5, 5]], dtype=np.float32)

    def metrics(task, labels):
        return make_compute_metrics(["a", "b"], task)(EvalPrediction(scores, np.array(labels, dtype=np.float32)))

    assert metrics("multi_label", [[1, 0], [1, 1], nan]) == {
        "map": 1.0,
        "micro_f1": pytest.approx(0.8),
        "macro_f1": pytest.approx((2 / 3 + 1) / 2),
        "average_precision_a": 1.0,
        "f1_a": pytest.approx(2 / 3),
        "average_precision_b": 1.0,
        "f1_b": 1.0,
    }
    regression = metrics("regression", [[2, 1], [-2, 1], nan])
    assert (regression["ccc"], regression["ccc_a"], regression["mse_b"]) == (1, 1, 5)
    assert "ccc_b" not in regression
    shares = metrics("distribution", [[0.75, 0.25], [0.5, 0.5], nan])
    assert (shares["uar"], shares["war"], shares["accuracy_a"]) == (0.5, 0.5, 0.5)  # the first of equal shares counts
    probability = 1 / (1 + math.exp(-4))
    kl = [
        0.75 * math.log(0.75 / probability) + 0.25 * math.log(0.25 / (1 - probability)),
        0.5 * math.log(0.5 / probability) + 0.5 * math.log(0.5 / (1 - probability)),
    ]
    assert shares["kl"] == pytest.approx(np.mean(kl), rel=1e-4)
    with pytest.raises(ValueError, match="none could be read"):
        metrics("regression", [nan, nan, nan])


def test_frames_count_as_videos_do():
    scores = np.array([[[1.0], [2]], [[3], [4]], [[5], [6]]], dtype=np.float32)
    labels = scores[..., 0] + np.array([[0, 0], [1, 1], [math.nan, math.nan]], dtype=np.float32)
    metrics = make_compute_metrics(["valence"], "regression")(EvalPrediction(scores, labels))
    assert metrics["mae"] == pytest.approx(0.5)
    indices = np.array([[0, 1], [1, 1], [-100, -100]])
    metrics = make_compute_metrics(["a", "b"])(EvalPrediction(np.eye(2)[[[0, 1], [0, 0], [0, 0]]], indices))
    assert metrics["war"] == 0.5


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression", "distribution"])
def test_the_first_of_several_predictions_are_the_logits(task):
    scores = np.array([[2.0, -2], [-2.0, 2]], dtype=np.float32)
    labels = np.array([0, 1]) if task == "single_label" else np.eye(2, dtype=np.float32)
    metrics = make_compute_metrics(["a", "b"], task)
    hidden_states = np.ones((2, 8, 16))
    expected = metrics(EvalPrediction(scores, labels))
    assert metrics(EvalPrediction((scores, (hidden_states,)), labels)) == expected
    for wrong in ((hidden_states, scores), scores[:, :1], scores[0]):
        with pytest.raises(ValueError, match=r"The predictions have the shape .* should be the 2 labels a, b"):
            metrics(EvalPrediction(wrong, labels))


def test_shares_are_not_taken_for_single_labels():
    with pytest.raises(ValueError, match="Name the task of the labels"):
        make_compute_metrics(["a", "b"])(EvalPrediction(np.eye(2), np.array([[0.5, 0.5], [1, 0]])))


@pytest.mark.parametrize(
    ("task", "wanted", "chosen", "error"),
    [
        ("single_label", "war", "war", False),
        ("distribution", "uar", "uar", False),
        ("distribution", "eval_kl", "eval_kl", True),
        ("regression", "eval_uar", "ccc", False),
        ("regression", "macro_f1", "ccc", False),
        ("regression", "mae_valence", "mae_valence", True),
        ("multi_label", "war", "map", False),
        ("multi_label", "macro_f1", "macro_f1", False),
        ("multi_label", "loss", "loss", True),
    ],
)
def test_the_metric_of_the_best_model(task, wanted, chosen, error):
    assert best_metric(task, wanted) == chosen
    assert is_error(chosen) == error
