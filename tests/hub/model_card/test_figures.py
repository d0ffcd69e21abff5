"""Metrics of each kind of model on its card, and examples of frame-level models and of many quantities."""

import re

import pytest
from huggingface_hub import ModelCard

from lgi_former import LGIFormerForVideoClassification
from lgi_former.hub.model_card import ModelFacts, write_model_card
from lgi_former.training.quickstart.sample_clip import write_sample_clip


ERRORS = {"pearson": 0.5, "mae": 0.2, "rmse": 0.3, "mse": 0.09}
COUNTS = {"num_videos": 12, "num_unreadable_videos": 0}
REGRESSION = {
    "task": "regression",
    "ccc": 0.45,
    **ERRORS,
    "quantities": {"valence": {"ccc": 0.45, **ERRORS}, "arou|sal": {"ccc": None, **ERRORS}},
    "notes": ["CCC and Pearson of arou|sal are undefined: all labels are 1."],
    **COUNTS,
}
MULTI_LABEL = {
    "task": "multi_label",
    "map": 0.75,
    "micro_f1": 0.5,
    "macro_f1": None,
    "threshold": 0.4,
    "labels": {
        "happy": {"average_precision": 0.75, "f1": 0.5, "support": 4},
        "sad": {"average_precision": None, "f1": None, "support": 0},
    },
    **COUNTS,
}
DISTRIBUTION = {
    "task": "distribution",
    "kl": 0.25,
    "uar": 0.5,
    "war": 0.6,
    "class_accuracy": {"happy": 0.5, "sad": None},
    "confusion_matrix": [[1, 1], [0, 0]],
    "num_frames": 96,
    **COUNTS,
}


@pytest.mark.parametrize(
    ("problem_type", "labels", "figures", "selected_by", "lines", "metrics"),
    [
        (
            "regression",
            ["valence", "arou|sal"],
            REGRESSION,
            "eval_ccc_valence",
            [
                "| | CCC | Pearson | MAE | RMSE | MSE |",
                "| mean | 0.45 | 0.5 | 0.2 | 0.3 | 0.09 |",
                r"| arou\|sal | - | 0.5 | 0.2 | 0.3 | 0.09 |",
                "The best checkpoint was selected by CCC of valence on the same videos.",
                REGRESSION["notes"][0],
            ],
            {"CCC": 0.45, "Pearson": 0.5, "MAE": 0.2, "RMSE": 0.3, "MSE": 0.09},
        ),
        (
            "multi_label_classification",
            ["happy", "sad"],
            MULTI_LABEL,
            "map",
            [
                "| mAP | 75.00 |",
                "| micro F1 | 50.00 |",
                "Average precision, F1 of scores from 0.4 on, and videos of each label:",
                "| happy | 75.00 | 50.00 | 4 |",
                "| sad | - | - | 0 |",
                "The best checkpoint was selected by mAP on the same videos.",
            ],
            {"mAP": 0.75, "micro F1": 0.5},
        ),
        (
            "single_label_classification",
            ["happy", "sad"],
            DISTRIBUTION,
            "kl",
            [
                "Measured on the 12 videos (96 frames) of the evaluation data:",
                "| UAR | 50.00 |",
                "KL divergence (nats): 0.2500",
                "| happy | 1 | 1 | 50.00 |",
                "Videos by true class (rows) and predicted class (columns), and the recall of each class. "
                "The true class is the one with the largest share.",
            ],
            {"UAR": 0.5, "WAR": 0.6, "KL divergence (nats)": 0.25},
        ),
    ],
    ids=["regression", "several labels", "distribution"],
)
def test_the_metrics_of_each_kind_are_on_the_card(
    problem_type, labels, figures, selected_by, lines, metrics, save_tiny_model, tmp_path
):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, labels, problem_type)
    assert write_model_card(tmp_path, ModelFacts(figures=figures, selected_by=selected_by))
    card = (tmp_path / "README.md").read_text()
    assert not [line for line in lines if f"\n{line}\n" not in card]
    results = ModelCard(card).data.eval_results
    assert {result.metric_name: result.metric_value for result in results} == metrics
    assert {result.task_type for result in results} == {"video-classification"}
    table = [line for line in card.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in table) and ("%" in "".join(table)) == (problem_type != "regression")


def test_metrics_of_a_training_run_are_on_the_card(save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, ["happy", "sad"])
    metrics = {"my_score": 0.125, "uar": 0.5, "ccc_valence": -0.25}
    write_model_card(tmp_path, ModelFacts(metrics=metrics, metrics_step=9, selected_by="eval_my_score"))
    card = (tmp_path / "README.md").read_text()
    for line in (
        "Measured in the evaluation of the training run, at step 9:",
        "| my_score | 0.125 |",
        "| UAR | 0.5 |",
        "| CCC of valence | -0.25 |",
        "The best checkpoint was selected by my_score on the same videos.",
    ):
        assert f"\n{line}\n" in card
    assert {each.metric_name: each.metric_value for each in ModelCard(card).data.eval_results} == {"UAR": 0.5}


@pytest.mark.parametrize("loss", ["mse", "mae", "ccc"])
def test_the_loss_of_a_regression_is_named(loss, save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, ["valence"])
    facts = ModelFacts(losses={"in training, at step 9": 0.5}, hyperparameters={"regression_loss": loss})
    write_model_card(tmp_path, facts)
    names = {"mse": "mean squared error", "mae": "mean absolute error", "ccc": "1 - CCC"}
    assert f"\nLoss ({names[loss]}):\n" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
@pytest.mark.parametrize("frame_level", [False, True])
def test_the_example_of_each_kind_shows_all_answers(
    frame_level, problem_type, save_tiny_model, tmp_path, monkeypatch, capsys
):
    labels = [f"label {index}" for index in range(7)]
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", labels, problem_type)
    config = LGIFormerForVideoClassification.config_class.from_pretrained(tmp_path / "model")
    config.frame_level = frame_level
    config.save_pretrained(tmp_path / "model")
    write_sample_clip(tmp_path / "face.mp4")
    monkeypatch.chdir(tmp_path)
    write_model_card("model", ModelFacts())
    card = (tmp_path / "model" / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
    exec(code, {})
    answers = [eval(line) for line in capsys.readouterr().out.splitlines()]
    if frame_level:
        assert len(answers) == 4 and all(list(answer) == labels for answer in answers)
        assert "for each frame" in card
    else:
        shown = labels if problem_type != "single_label_classification" else labels[:5]
        assert len(answers[0]) == len(shown)


def test_units_are_on_the_card(save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, ["valence", "heart rate"], "regression")
    config = LGIFormerForVideoClassification.config_class.from_pretrained(tmp_path)
    config.label_units = ["points", "beats per minute"]
    config.save_pretrained(tmp_path)
    write_model_card(tmp_path, ModelFacts())
    card = (tmp_path / "README.md").read_text()
    assert "predicts 2 numbers: valence (points), heart rate (beats per minute)." in card
    assert "Units: valence in points, heart rate in beats per minute." in card
