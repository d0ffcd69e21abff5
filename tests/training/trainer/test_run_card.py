"""The model card of a run has the facts that the trainer knows. It is replaced unless somebody edited it."""

import re

import pytest
from huggingface_hub import ModelCard

from lgi_former.hub.model_card import ModelFacts


@pytest.fixture
def trained(tiny_run, tmp_path):
    """The trainer of a short fine-tuning whose model is saved."""
    facts = ModelFacts(dataset="dfew", hyperparameters={"mixup_alpha": 0.8, "crop": None})
    fields = {"base_learning_rate": 1e-2, "layer_decay": 0.75, "ema_decay": 0.5, "model_facts": facts}
    trainer = tiny_run.finetuning(tmp_path / "run", max_steps=2, eval_strategy="epoch", trainer_fields=fields)
    trainer.train()
    trainer.evaluate()
    trainer.save_model()
    return trainer


def card_of(trainer, **options):
    trainer.create_model_card(**options)
    return ModelCard.load(f"{trainer.args.output_dir}/README.md")


def test_recipe_and_losses_are_on_the_card(trained):
    text = card_of(trained).text
    for line in (
        "# LGI-Former, fine-tuned on DFEW",
        f"- learning_rate: {trained.args.learning_rate}",
        "- base_learning_rate: 0.01",
        "- train_batch_size: 4",
        "- lr_scheduler_type: linear",
        "- training_steps: 2",
        "- layer_decay: 0.75",
        "- ema_decay: 0.5",
        "- mixup_alpha: 0.8",
    ):
        assert f"\n{line}\n" in text
    assert "- crop:" not in text  # crop is not set
    losses = [log["loss"] for log in trained.state.log_history if "loss" in log]
    assert f"- in training, at step 2: {losses[-1]:.4g}\n" in text
    assert re.search(r"^- in evaluation, at step 2: \d", text, re.MULTILINE)


def test_a_second_card_replaces_the_first(trained):
    once = card_of(trained).text
    again = card_of(trained).text
    assert again == once
    trained.model_facts.dataset = "mafw"
    assert "MAFW" in card_of(trained).text and "DFEW" not in card_of(trained).text


def test_an_edited_card_survives_a_run(trained, tmp_path):
    card_of(trained)
    path = tmp_path / "run" / "README.md"
    path.write_text(path.read_text() + "\nMine.\n")
    edited = path.read_bytes()
    trained.create_model_card()
    trained.save_model()
    assert path.read_bytes() == edited


def test_arguments_of_the_trainer_of_transformers(trained):
    data = card_of(
        trained,
        language="en",
        license="cc-by-4.0",
        tags="mine",
        finetuned_from="someone/pretrained",
        tasks=["video-classification"],
        dataset_tags="someone/faces",
        dataset=["Faces", "More faces"],
    )
    assert "fine-tuned on Faces, More faces\n" in data.text
    data = data.data
    assert (data.language, data.license, data.base_model) == ("en", "cc-by-4.0", "someone/pretrained")
    assert (data.datasets, data.tags[-1]) == ("someone/faces", "mine")


def rising_until_half(prediction):
    """Metrics of a user that are best at the second of four evaluations. A list is not a figure."""
    step = rising_until_half.calls = rising_until_half.calls + 1
    return {"my_score": [0.25, 0.75, 0.5, 0.125, 0.0625][step - 1], "uar": step / 10, "counts": [1, 2]}


@pytest.fixture
def scored(tiny_run, tmp_path):
    """`scored(**fields)`: a trainer after four epochs of one step, with the metrics of a user."""

    def train(**fields):
        rising_until_half.calls = 0
        trainer = tiny_run.finetuning(
            tmp_path / "run",
            clips=tiny_run.Clips(4),
            **{"max_steps": 4, "eval_strategy": "epoch", "save_strategy": "epoch", "save_only_model": True, **fields},
        )
        trainer.compute_metrics = rising_until_half
        trainer.train()
        trainer.save_model()
        return trainer

    return train


def test_metrics_of_the_user_are_those_of_the_last_step(scored):
    card = card_of(scored())
    assert "evaluation of the training run, at step 4:" in card.text
    assert "| my_score | 0.125 |" in card.text and "| UAR | 0.4 |" in card.text
    assert "selected" not in card.text and "counts" not in card.text and "runtime" not in card.text
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("recall", 0.4)


def test_metrics_of_the_user_are_those_of_the_best_step_if_it_is_loaded(scored, tiny_run):
    best = {"load_best_model_at_end": True, "metric_for_best_model": "my_score", "greater_is_better": True}
    trainer = scored(**best)
    text = card_of(trainer).text
    assert "evaluation of the training run, at step 2:" in text and "| my_score | 0.75 |" in text
    assert "selected by my_score on the same videos" in text
    losses = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
    assert f"- in evaluation, at step 2: {losses[1]:.4g}\n" in text
    trainer.evaluate()  # the same videos again
    text = card_of(trainer).text
    assert "at step 2:" in text and "| my_score | 0.0625 |" in text
    assert "selected by my_score on the same videos" in text
    rising_until_half.calls = 0
    trainer.evaluate(tiny_run.Views(3))
    text = card_of(trainer).text
    assert "at step 2:" in text and "| my_score | 0.25 |" in text and "selected" not in text


def test_metrics_of_several_data_sets_are_on_the_card(scored, tiny_run):
    trainer = scored(eval_strategy="no")
    trainer.eval_dataset = {"own": tiny_run.Views(4), "other": tiny_run.Views(3)}
    trainer.evaluate()
    text = card_of(trainer).text
    assert "| own_my_score | 0.25 |" in text and "| other_my_score | 0.75 |" in text and "other_loss" in text


def test_figures_of_the_command_replace_metrics(scored):
    trainer = scored()
    figures = {"uar": 0.5, "war": 0.5, "weighted_f1": 0.5, "micro_f1": 0.5, "macro_f1": 0.5, "num_videos": 3}
    trainer.model_facts.figures = figures | {"class_accuracy": {"happy": 1.0}, "confusion_matrix": [[3]]}
    text = card_of(trainer).text
    assert "Measured on the 3 videos" in text and "my_score" not in text


def test_a_name_of_the_evaluated_videos_is_in_the_metadata(scored):
    trainer = scored()
    trainer.model_facts.evaluated_on = "My faces"
    card = card_of(trainer)
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.dataset_type) == ("My faces", "my-faces") and "My faces" not in card.text
    trainer.model_facts.dataset = "dfew"
    assert card_of(trainer).data.eval_results[0].dataset_name == "DFEW"


def test_a_pretraining_run_has_a_card_without_classes(tiny_run, tmp_path):
    trainer = tiny_run.pretraining(tmp_path / "run", max_steps=1)
    trainer.train()
    trainer.save_model()
    card = card_of(trainer)
    assert card.data.pipeline_tag == "feature-extraction"
    assert "Loss (mean squared error over masked tubelets):\n\n- in training, at step 1: " in card.text


def test_there_is_no_card_before_the_model_is_saved(tiny_run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json: save the model before its card"):
        tiny_run.pretraining(tmp_path / "run").create_model_card()
