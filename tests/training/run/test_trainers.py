"""Trainers that all training commands share."""

import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification
from lgi_former.hub.model_card import ModelFacts
from lgi_former.image_processing import processor_for
from lgi_former.training.data.tasks import PROBLEM_TYPES
from lgi_former.training.quickstart import recipe as quickstart
from lgi_former.training.run.arguments import RecipeTrainingArguments
from lgi_former.training.run.trainers import finetuning_trainer


@pytest.fixture
def classifier():
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return LGIFormerForVideoClassification(
        LGIFormerConfig(**size, num_frames=4, image_size=16, patch_size=4, region_size=(2, 2, 4), num_labels=2)
    )


def test_the_collator_smooths_labels_and_the_options_stay(classifier, tmp_path):
    training = RecipeTrainingArguments(
        output_dir=str(tmp_path), label_smoothing_factor=0.2, layer_decay=0.5, ema_decay=0.9, base_learning_rate=1e-3
    )
    trainer = finetuning_trainer(
        classifier,
        training,
        [],
        ["happy", "sad"],
        processor_for(classifier.config),
        ModelFacts(),
        mixup_alpha=0,
        cutmix_alpha=0,
    )
    item = {"pixel_values": torch.zeros(4, 3, 16, 16), "labels": 1, "video": "a.mp4", "seed": 0}
    batch = trainer.data_collator([item, item])
    torch.testing.assert_close(batch["labels"][0], torch.tensor([0.1, 0.9]))
    assert training.label_smoothing_factor == 0.2  # the model's card reports it
    assert (trainer.layer_decay, trainer.ema_decay, trainer.base_learning_rate) == (0.5, 0.9, 1e-3)
    assert classifier.config.problem_type == "single_label_classification"  # the labels are soft


@pytest.mark.parametrize(
    ("task", "wanted", "chosen", "greater", "said"),
    [
        ("regression", "uar", "ccc", True, "The task regression has no uar, so ccc selects the best model."),
        ("multi_label", "war", "map", True, "The task multi_label has no war, so map selects the best model."),
        ("regression", "mae", "mae", False, ""),
        ("distribution", "kl", "kl", False, ""),
    ],
)
def test_a_recipe_of_classes_fits_other_labels(classifier, tmp_path, capsys, task, wanted, chosen, greater, said):
    training = RecipeTrainingArguments(
        output_dir=str(tmp_path), label_smoothing_factor=0.1, metric_for_best_model=wanted
    )
    facts = ModelFacts(selected_by=wanted, hyperparameters={"label_smoothing_factor": 0.1})
    trainer = finetuning_trainer(
        *(classifier, training, [], ["a", "b"], processor_for(classifier.config), facts),
        mixup_alpha=0,
        cutmix_alpha=0,
        task=task,
    )
    assert trainer.args.metric_for_best_model == facts.selected_by == chosen
    assert trainer.args.greater_is_better is greater
    assert classifier.config.problem_type == PROBLEM_TYPES[task]
    smoothing = 0.0 if task == "regression" else 0.1
    assert trainer.data_collator.label_smoothing == facts.hyperparameters["label_smoothing_factor"] == smoothing
    notes = capsys.readouterr().err
    assert said in notes and ("Numbers are not smoothed" in notes) == (task == "regression")
    assert training.metric_for_best_model == wanted  # the options stay
    other = "single_label" if task in ("regression", "multi_label") else "regression"
    with pytest.raises(ValueError, match=f"The task {other} does not fit the model"):
        finetuning_trainer(
            *(classifier, training, [], ["a", "b"], processor_for(classifier.config), facts),
            mixup_alpha=0,
            cutmix_alpha=0,
            task=other,
        )


def test_the_quickstart_trains_with_the_same_functions(classifier, tmp_path, monkeypatch):
    made = []
    for name in ("pretraining_trainer", "finetuning_trainer"):
        monkeypatch.setattr(quickstart, name, lambda *args, name=name, **options: made.append((name, args[1])))
    quickstart.pretraining_run(quickstart.new_autoencoder(0), [], 10, 0, tmp_path)
    quickstart.finetuning_run(classifier, [], 10, 0, tmp_path, layer_decay=0.7)
    (first, pretraining), (second, finetuning) = made
    assert (first, second) == ("pretraining_trainer", "finetuning_trainer")
    assert pretraining.max_grad_norm == finetuning.max_grad_norm == 1.0
    assert (finetuning.label_smoothing_factor, finetuning.layer_decay) == (0.1, 0.7)
