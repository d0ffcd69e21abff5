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
