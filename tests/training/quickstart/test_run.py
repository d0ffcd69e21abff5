"""The quickstart: from drawing to the report, in few steps."""

import json

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForVideoClassification, AutoVideoProcessor
from transformers.utils import logging as transformers_logging

from lgi_former import LGIFormerForPreTraining
from lgi_former.commands.cli import main
from lgi_former.figures import read_log_history
from lgi_former.hub import all_flat_code, model_files
from lgi_former.training.quickstart import recipe
from lgi_former.training.quickstart import run as quickstart
from lgi_former.training.quickstart.drawn_faces import LABELS
from lgi_former.training.quickstart.outcome import DEFAULT_PLAN, QUICK_PLAN, Outcome, Plan
from lgi_former.training.quickstart.report import summary, table_of_results
from lgi_former.training.quickstart.run import time_order_uar


PLAN = Plan(num_unlabelled=4, num_labelled=7, num_tested=7, pretraining_steps=3, finetuning_steps=2)


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "BATCH_SIZE", 4)
        patch.setattr(recipe, "STEPS_BETWEEN_CHECKPOINTS", 1)
        widths = {
            "hidden_size": 32,
            "intermediate_size": 32,
            "decoder_hidden_size": 32,
            "decoder_intermediate_size": 32,
        }
        patch.setattr(recipe, "CONFIG", recipe.CONFIG | widths)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder and outcome of a quickstart of a few steps."""
    folder = tmp_path_factory.mktemp("quickstart")
    return folder, quickstart.run_stages(Outcome(0, PLAN), folder)


@pytest.mark.slow
def test_it_leaves_a_model_that_transformers_loads(finished):
    folder, outcome = finished
    model = AutoModelForVideoClassification.from_pretrained(folder / "model")
    processor = AutoVideoProcessor.from_pretrained(folder / "model")
    clip = processor(str(folder / "corpus" / "test" / "00000.mp4"), return_tensors="pt")
    assert model(**clip).logits.shape == (1, 7)
    assert list(model.config.id2label.values()) == list(LABELS)
    assert LGIFormerForPreTraining.from_pretrained(folder / "pretrained").config.num_frames == 8
    for name in ("pretrained", "model", "from_scratch"):
        assert read_log_history(folder / name)
        assert {path.name for path in model_files(folder / name)} >= all_flat_code().keys()
        assert not list((folder / name).glob("checkpoint-*"))
    assert set(outcome.figures) == {"pre-trained", "from scratch"}


@pytest.mark.slow
def test_the_report_opens_with_the_result_and_its_figure(finished):
    folder, outcome = finished
    report = (folder / "report.md").read_text()
    _, sentence, figure, *_ = report.split("\n\n")
    assert sentence == summary(outcome) and "learning_curves.png" in figure
    assert table_of_results(outcome.figures) in report
    names = ("learning_curves", "corpus", "losses", "reconstruction", "evaluation/pre-trained/confusion_matrix")
    for name in names:
        assert f"({name}.png)" in report
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["figures"]["pre-trained"]["uar"] == outcome.figures["pre-trained"]["uar"]
    for name in outcome.figures:  # the learning curves start before the first step
        curve = {entry["step"]: entry["eval_uar"] for entry in outcome.histories[name] if "eval_uar" in entry}
        assert list(curve) == [0, 1, 2] and curve[2] == pytest.approx(outcome.figures[name]["uar"])


@pytest.mark.slow
def test_its_models_cards_say_that_faces_were_drawn(finished):
    folder, outcome = finished
    card = ModelCard.load(folder / "model" / "README.md")
    uar = next(result for result in card.data.eval_results if result.metric_name == "UAR")
    assert uar.metric_value == outcome.figures["pre-trained"]["uar"]
    for text in (card.text, (folder / "pretrained" / "README.md").read_text()):
        assert "on faces drawn by lgi-former quickstart" in text and "show no real person" in text


@pytest.mark.slow
def test_an_interrupted_quickstart_goes_on_to_the_same_result(finished, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "resumed"
    monkeypatch.setattr(quickstart, "QUICK_PLAN", PLAN)
    monkeypatch.setattr(quickstart, "measure_speed", lambda: pytest.fail("--quick was not resumed"))
    Outcome(0, PLAN).save(folder)
    command = ["quickstart", "--quick", "--resume", "--output", str(folder)]

    class Stop(quickstart.LGIFormerTrainer):
        def training_step(self, *args, **kwargs):
            if self.state.global_step == 2:
                raise KeyboardInterrupt
            return super().training_step(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("lgi_former.training.run.trainers.LGIFormerTrainer", Stop)
        assert main(command) == 130
    assert f"lgi-former quickstart --resume --output {folder}" in capsys.readouterr().out
    assert Outcome.load(folder).finished == ["corpus"]
    assert (folder / "pretrained" / "checkpoint-2").is_dir()

    assert main(command) == 0
    assert "Finished stages: corpus." in capsys.readouterr().out
    for name in ("pretrained", "model", "from_scratch"):
        weights, expected = (load_file(path / name / "model.safetensors") for path in (folder, finished[0]))
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[key], expected[key]) for key in expected)

    monkeypatch.setattr(quickstart, "pretraining_run", lambda *args: pytest.fail("a finished stage was repeated"))
    monkeypatch.setattr(quickstart, "finetuning_run", lambda *args: pytest.fail("a finished stage was repeated"))
    (folder / "report.md").unlink()
    assert main(command) == 0 and (folder / "report.md").is_file()


def outcome_with(plan, pretrained, scratch):
    return Outcome(0, plan, figures={"pre-trained": {"uar": pretrained}, "from scratch": {"uar": scratch}})


def test_the_summary_is_one_sentence():
    assert summary(outcome_with(DEFAULT_PLAN, 0.853, 0.151)) == (
        "The model that was pre-trained on faces without labels recognises 85% of the expressions of people it has "
        "never seen; the same model without pre-training recognises 15% (guessing: 14%)."
    )
    assert summary(outcome_with(QUICK_PLAN, 0.2, 0.1)).startswith(
        "In this quick run, which is too short to learn much"
    )


def test_the_uar_of_time_order_is_of_its_classes():
    accuracies = dict(zip(LABELS, (0, 0, 0, 1, 0.5, 0.25, 0.25), strict=True))
    assert time_order_uar({"class_accuracy": accuracies}) == 0.5


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"precious.txt": ""}, [], "already exists and is not empty. Choose another --output."),
        ({"progress.json": ""}, [], "Add --resume to go on"),
        ({}, ["--resume"], "has no quickstart to resume"),
        ({"precious.txt": ""}, ["--resume"], "has no quickstart to resume"),
        ({"progress.json": "{"}, ["--resume"], "is damaged or from another version"),
        ({"progress.json": "[]"}, ["--resume"], "is damaged or from another version"),
        (
            {"progress.json": '{"seed": 0, "plan": {"num_videos": 1}}'},
            ["--resume"],
            "is damaged or from another version",
        ),
    ],
)
def test_wrong_folders_are_an_error(files, options, message, tmp_path, monkeypatch, capsys):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["quickstart", "--output", ".", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--seed", "3"], "was started with seed 1. Resume it without --seed 3."), (["--quick"], "without --quick")],
)
def test_another_plan_cannot_be_resumed(options, message, tmp_path, capsys):
    Outcome(1, DEFAULT_PLAN).save(tmp_path)
    assert main(["quickstart", "--resume", "--output", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_out_of_range_is_an_error(seed, tmp_path, capsys):
    assert main(["quickstart", "--output", str(tmp_path / "new"), "--seed", seed]) == 2
    assert "Give a whole number from 0 to 4294967295." in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_misspelt_option_names_the_nearest(capsys):
    with pytest.raises(SystemExit):
        main(["quickstart", "--resum"])
    assert "did you mean --resume?" in capsys.readouterr().err


def test_a_new_classifier_prints_no_load_report(capfd, caplog):
    recipe.new_classifier(0)
    assert "LOAD REPORT" not in capfd.readouterr().err + caplog.text


def test_logs_get_no_progress_bars_of_libraries(tmp_path):
    transformers_logging.enable_progress_bar()
    (tmp_path / "file").touch()
    assert main(["quickstart", "--output", str(tmp_path)]) == 2
    assert not transformers_logging.is_progress_bar_enabled()
