"""Metrics of facial expression recognition, offline and in the trainer."""

import json
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
from transformers import EvalPrediction

from lgi_former.training.evaluation.metrics import FacialExpressionMetric, make_compute_metrics
from lgi_former.training.evaluation.report import read_predictions, write_evaluation
from lgi_former.training.trainer.view_averaging import average_views


GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "view_merging.json").read_text())
FIGURES = ["uar", "war", "class_accuracy", "weighted_f1", "micro_f1", "macro_f1", "confusion_matrix"]


def test_published_merging_of_views_and_its_figures():
    logits = torch.tensor(GOLDEN["logits"])
    num_videos, num_views = logits.shape[:2]
    log_probabilities = average_views(
        logits.flatten(0, 1),
        video_index=torch.arange(num_videos).repeat_interleave(num_views),
        view_weights=torch.full((num_videos * num_views,), 1 / num_views),
        num_videos=num_videos,
    )
    torch.testing.assert_close(log_probabilities.exp(), logits.softmax(-1).mean(1))
    predictions = log_probabilities.argmax(-1)
    assert predictions.tolist() == GOLDEN["predictions"]
    figures = FacialExpressionMetric().compute(predictions=predictions, references=GOLDEN["labels"])
    for name in FIGURES:
        assert figures[name] == pytest.approx(np.array(GOLDEN[name])), name
    json.dumps(figures)


def test_batches_can_be_added_one_by_one():
    metric = FacialExpressionMetric()
    metric.add_batch(predictions=[0, 1], references=[0, 0])
    metric.add_batch(predictions=[1], references=[1])
    assert metric.compute()["uar"] == 0.75


def test_classes_without_videos():
    figures = FacialExpressionMetric().compute(
        predictions=[0, 0, 1, 1], references=[0, 0, 0, 1], label_names=["happy", "sad", "fear"]
    )
    assert figures["class_accuracy"] == {"happy": pytest.approx(2 / 3), "sad": 1.0, "fear": None}
    assert figures["uar"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["war"] == 0.75
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["weighted_f1"] == pytest.approx(0.75 * 0.8 + 0.25 * 2 / 3)
    assert figures["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("writable", [True, False])
def test_metrics_need_no_writable_cache(writable, tmp_path, monkeypatch):
    """In a container, the home folder may be missing, so `evaluate` cannot make its cache there."""
    (tmp_path / "file").touch()
    cache = tmp_path / "cache" if writable else tmp_path / "file" / "cache"
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", cache)
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])
    assert FacialExpressionMetric().compute(predictions=[0, 0], references=labels)["war"] == 0.5
    prediction = EvalPrediction(predictions=probabilities, label_ids=labels)
    assert make_compute_metrics(["happy", "sad"])(prediction)["war"] == 0.5
    figures = write_evaluation(tmp_path / "out", ["a.mp4", "b.mp4"], labels, probabilities, ["happy", "sad"])
    assert figures["war"] == 0.5
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == figures
    assert not cache.exists()


def test_class_names_may_hold_any_letters(tmp_path):
    names = ["_neutral", "$\\nonsense$", "幸せ"]
    write_evaluation(tmp_path, ["幸せ😀.mp4"], np.array([1]), np.array([[0.1, 0.8, 0.1]]), names)
    assert read_predictions(tmp_path).label_names == names
    assert set(json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["class_accuracy"]) == set(names)


def test_impossible_classes_and_no_videos():
    with pytest.raises(ValueError, match="references hold class -100, but with 2 classes they go from 0 to 1"):
        FacialExpressionMetric().compute(predictions=[0], references=[-100], num_classes=2)
    with pytest.raises(ValueError, match="predictions hold class 2"):
        FacialExpressionMetric().compute(predictions=[2], references=[0], label_names=["happy", "sad"])
    with pytest.raises(ValueError, match="no video to compute metrics of"):
        FacialExpressionMetric().compute(predictions=[], references=[])


def test_metrics_for_trainer_are_numbers_and_skip_unreadable_videos():
    compute_metrics = make_compute_metrics(["happy", "sad", "fear"])
    scores = np.log(np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    metrics = compute_metrics(EvalPrediction(predictions=scores, label_ids=np.array([0, 1, 1, -100])))
    assert metrics == {
        "uar": 0.75,
        "war": pytest.approx(2 / 3),
        "weighted_f1": pytest.approx(2 / 3),
        "micro_f1": pytest.approx(2 / 3),
        "macro_f1": pytest.approx(2 / 3),
        "accuracy_happy": 1.0,
        "accuracy_sad": 0.5,
    }
    with pytest.raises(ValueError, match="none could be read"):
        compute_metrics(EvalPrediction(predictions=scores, label_ids=np.full(4, -100)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4,x\n", "is not the predictions.csv of an evaluation"),
        ("path,label,prediction,probability_x\na.mp4,x,x\n", "line 2: 3 values, but 4 columns"),
        ("path,label,prediction,probability_x\na.mp4,y,x,1\n", "line 2: 'y' is not one of the classes"),
        ("path,label,prediction,probability_x\na.mp4,x,x,high\n", "line 2: .*'high'"),
    ],
)
def test_other_tables_are_not_read_as_predictions(text, message, tmp_path):
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path)
