"""The quickstart: from drawing to the report, in few steps."""

import json

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForVideoClassification, AutoVideoProcessor

from lgi_former import LGIFormerForPreTraining
from lgi_former.commands.cli import main
from lgi_former.figures import read_log_history
from lgi_former.hub import all_flat_code, model_files
from lgi_former.training.quickstart import run as quickstart
from lgi_former.training.quickstart.drawn_faces import LABELS
from lgi_former.training.quickstart.outcome import Plan
from lgi_former.training.quickstart.report import table_of_results
from lgi_former.training.quickstart.run import Speed, make_plan, run_plan, time_order_uar


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder and outcome of a quickstart of a few steps."""
    folder = tmp_path_factory.mktemp("quickstart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quickstart, "BATCH_SIZE", 4)
        plan = Plan(num_unlabelled=8, num_labelled=7, num_tested=7, pretraining_steps=2, finetuning_steps=2)
        return folder, run_plan(plan, folder, seed=0)


@pytest.mark.slow
def test_it_leaves_a_model_that_transformers_loads(finished):
    folder, outcome = finished
    model = AutoModelForVideoClassification.from_pretrained(folder / "model")
    processor = AutoVideoProcessor.from_pretrained(folder / "model")
    clip = processor(str(folder / "corpus" / "test" / "00000.mp4"), return_tensors="pt")
    assert model(**clip).logits.shape == (1, 7)
    assert list(model.config.id2label.values()) == list(LABELS)
    assert LGIFormerForPreTraining.from_pretrained(folder / "pretrained").config.num_frames == 8
    for run in ("pretrained", "model"):
        assert "loss" in read_log_history(folder / run)[0]
    assert set(outcome.figures) == {"pre-trained", "from scratch", "single frames"}
    for name in ("model", "pretrained"):
        assert {path.name for path in model_files(folder / name)} >= all_flat_code().keys()


@pytest.mark.slow
def test_the_report_shows_what_was_measured(finished):
    folder, outcome = finished
    report = (folder / "report.md").read_text()
    assert table_of_results(outcome.figures) in report
    for name in ("corpus", "losses", "reconstruction", "evaluation/pre-trained/confusion_matrix"):
        assert f"({name}.png)" in report
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["figures"]["pre-trained"]["uar"] == outcome.figures["pre-trained"]["uar"]


@pytest.mark.slow
def test_its_models_cards_say_that_faces_were_drawn(finished):
    folder, outcome = finished
    card = ModelCard.load(folder / "model" / "README.md")
    uar = next(result for result in card.data.eval_results if result.metric_name == "UAR")
    assert uar.metric_value == outcome.figures["pre-trained"]["uar"]
    for text in (card.text, (folder / "pretrained" / "README.md").read_text()):
        assert "on faces drawn by `lgi-former quickstart`" in text and "show no real person" in text


def test_more_time_makes_a_larger_plan():
    speed = Speed(video=0.01, pretraining_step=0.25, finetuning_step=0.15)
    short, long = make_plan(60, speed), make_plan(1800, speed)
    assert all(vars(short)[name] < vars(long)[name] for name in vars(short))
    assert short.num_labelled % len(LABELS) == short.num_tested % len(LABELS) == 0
    seconds = long.pretraining_steps * 0.25 + 2 * long.finetuning_steps * 0.15
    assert 0.65 * 1800 < seconds < 0.8 * 1800


def test_the_uar_of_time_order_is_of_its_classes():
    accuracies = dict(zip(LABELS, (0, 0, 0, 1, 0.5, 0.25, 0.25), strict=True))
    assert time_order_uar({"class_accuracy": accuracies}) == 0.5


@pytest.mark.parametrize(
    ("options", "message"), [(["--minutes", "0.5"], "Give at least 1"), (["--output", "."], "not empty")]
)
def test_impossible_options_are_an_error(options, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "precious.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["quickstart", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_misspelt_option_names_the_nearest(capsys):
    with pytest.raises(SystemExit):
        main(["quickstart", "--minuts", "3"])
    assert "did you mean --minutes?" in capsys.readouterr().err
