"""Training and evaluation on each kind of labels."""

import math

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features
from torch.nn import functional as F
from transformers import VideoMAEForVideoClassification

from lgi_former.training.data.collators import FinetuningCollator, ViewCollator
from lgi_former.training.data.tasks import PROBLEM_TYPES
from lgi_former.training.evaluation.metrics import make_compute_metrics
from lgi_former.training.trainer import LGIFormerTrainer, LGIFormerTrainingArguments
from lgi_former.training.trainer.regression_losses import concordance_loss
from lgi_former.training.trainer.view_averaging import average_views


NAMES = ["a", "b", "c"]
LOSSES = {
    "multi_label": F.binary_cross_entropy_with_logits,
    "regression": F.mse_loss,
    "distribution": lambda logits, labels: -(labels * logits.log_softmax(-1)).sum(-1).mean(),
}


def labels_of(task, index, frames=0):
    labels = np.random.default_rng(index).random((*[frames] * bool(frames), 3))
    if task == "multi_label":
        labels = labels.round()
    if task == "distribution":
        labels /= labels.sum(-1, keepdims=True)
    return labels.astype(np.float32)


def trainer_of(tiny_run, tmp_path, task, *, frame_level=False, views=None, **fields):
    """A trainer of clips with labels of a task. The last video to evaluate on cannot be read."""

    class Clips(tiny_run.Clips):
        def __getitem__(self, index):
            return {**super().__getitem__(index), "labels": labels_of(task, index, 4 * frame_level)}

    class Views(tiny_run.Views):
        def __getitem__(self, index):
            item = super().__getitem__(index)
            labels = labels_of(task, index, 4 * frame_level)
            item["labels"] = np.full_like(labels, np.nan) if item["labels"] == -100 else labels
            if views:
                item |= {"pixel_values": item["pixel_values"][:views], "view_weights": torch.ones(views)}
            return item

    trainer = tiny_run.finetuning(
        tmp_path,
        clips=Clips(),
        model_fields={"problem_type": PROBLEM_TYPES[task], "frame_level": frame_level},
        **fields,
    )
    trainer.data_collator = FinetuningCollator(3, task=task)
    trainer.eval_dataset = Views(7)
    trainer.compute_metrics = make_compute_metrics(NAMES, task)
    return trainer


@pytest.mark.parametrize("task", LOSSES)
def test_views_are_averaged_in_the_space_of_the_task(tiny_run, tmp_path, task):
    trainer = trainer_of(tiny_run, tmp_path, task)
    output = trainer.predict(trainer.eval_dataset, metric_key_prefix="eval")
    views = trainer.eval_dataset[1]
    with torch.no_grad():
        logits = trainer.model.eval()(views["pixel_values"]).logits
    activation = {"multi_label": torch.sigmoid, "distribution": lambda x: x.softmax(-1)}.get(task, lambda x: x)
    mean = (activation(logits) * torch.tensor([[0.25], [0.75]])).sum(0)
    torch.testing.assert_close(activation(torch.from_numpy(output.predictions[1])), mean)
    # The loss is that of all readable videos, also if they fall into other batches.
    scores, labels = (torch.from_numpy(array[:6]) for array in (output.predictions, output.label_ids))
    assert np.isnan(output.label_ids[6]).all()
    assert output.metrics["eval_loss"] == pytest.approx(LOSSES[task](scores, labels).item(), rel=1e-5)
    trainer.args.per_device_eval_batch_size = 5
    metrics = trainer.evaluate()
    assert metrics["eval_loss"] == pytest.approx(output.metrics["eval_loss"], rel=1e-5)
    assert metrics[{"multi_label": "eval_map", "regression": "eval_ccc"}.get(task, "eval_kl")] is not None


def test_a_loss_of_ones_own_stays_the_loss(tiny_run, tmp_path):
    """`Trainer` averages it over the batches."""
    trainer = trainer_of(tiny_run, tmp_path, "regression")
    trainer.compute_loss_func = lambda outputs, labels, **_: outputs.logits.sum() * 0 + 7
    trainer.eval_dataset, trainer.eval_data_collator = trainer.train_dataset, trainer.data_collator
    assert trainer.evaluate()["eval_loss"] == 7


@pytest.mark.parametrize("task", LOSSES)
def test_each_task_trains_with_its_loss(tiny_run, tmp_path, task):
    trainer = trainer_of(tiny_run, tmp_path, task, max_steps=30, learning_rate=3e-3)
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        logits = trainer.model.eval()(batch["pixel_values"]).logits
        assert trainer.compute_loss(trainer.model, batch) == pytest.approx(
            LOSSES[task](logits, batch["labels"]).item()
        )
    trainer.train()
    losses = list(tiny_run.losses(trainer).values())
    assert all(map(math.isfinite, losses)) and np.mean(losses[-6:]) < np.mean(losses[:6])


@pytest.mark.parametrize("task", LOSSES)
def test_videomae_learns_each_task_too(tiny_run, tmp_path, videomae_config, task):
    trainer = trainer_of(tiny_run, tmp_path, task, max_steps=2)
    videomae_config.problem_type = PROBLEM_TYPES[task]
    videomae = LGIFormerTrainer(
        VideoMAEForVideoClassification(videomae_config),
        trainer.args,
        data_collator=trainer.data_collator,
        eval_data_collator=ViewCollator(),
        train_dataset=trainer.train_dataset,
    )
    videomae.train()
    assert math.isfinite(videomae.evaluate(trainer.eval_dataset)["eval_loss"])


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_frames_are_evaluated_on_one_clip_of_a_video(tiny_run, tmp_path, task):
    trainer = trainer_of(tiny_run, tmp_path, task, frame_level=True, views=1, max_steps=2)
    trainer.train()
    output = trainer.predict(trainer.eval_dataset, metric_key_prefix="eval")
    assert output.predictions.shape == output.label_ids.shape == (7, 4, 3)
    with torch.no_grad():
        logits = trainer.model.eval()(trainer.eval_dataset[2]["pixel_values"]).logits[0]
    torch.testing.assert_close(torch.from_numpy(output.predictions[2]), logits, rtol=1e-4, atol=1e-5)
    several = trainer_of(tiny_run, tmp_path, task, frame_level=True)
    with pytest.raises(ValueError, match=r"Evaluate one clip of each video \(--num_segments 1\)"):
        several.evaluate()


def test_scores_of_videos_without_a_view_are_finite():
    for problem_type in set(PROBLEM_TYPES.values()):
        scores = average_views(
            torch.full((2, 2), 200.0), torch.tensor([0, 1]), torch.tensor([1.0, 0.0]), 2, problem_type
        )
        assert scores.isfinite().all(), problem_type


# CCC


def test_concordance_loss_by_hand():
    """As in `test_a_worked_example_of_numbers`."""
    predictions, labels = torch.tensor([[2.0, 1.0], [3, 2], [4, 3]]), torch.tensor([[1.0, 1.0], [3, 2], [2, 3]])
    assert concordance_loss(predictions, labels).item() == pytest.approx(1 - (2 / 7 + 1) / 2)
    frames = concordance_loss(predictions.view(3, 1, 2), labels.view(3, 1, 2))
    assert frames == concordance_loss(predictions, labels)


@pytest.mark.parametrize("labels", [[0.1] * 4, [0.1, 0.2, 0.3, 0.4]])
@pytest.mark.parametrize("predictions", [[0.1] * 4, [0.7] * 4, [0.1, 0.2, 0.3, 0.4]])
def test_gradients_of_constant_batches_are_small(predictions, labels):
    predictions = torch.tensor(predictions)[:, None].requires_grad_()
    concordance_loss(predictions, torch.tensor(labels)[:, None]).backward()
    assert predictions.grad.isfinite().all() and predictions.grad.abs().max() < 100
    single = torch.tensor([[0.3]], requires_grad=True)
    concordance_loss(single, torch.tensor([[0.5]])).backward()
    assert single.grad.item() == 0


@pytest.mark.parametrize(("name", "loss"), [("mae", F.l1_loss), ("ccc", concordance_loss)])
def test_the_option_selects_the_loss_of_numbers(tiny_run, tmp_path, name, loss):
    trainer = trainer_of(tiny_run, tmp_path, "regression")
    trainer.regression_loss = name
    output = trainer.predict(trainer.eval_dataset, metric_key_prefix="eval")
    expected = loss(torch.from_numpy(output.predictions[:6]), torch.from_numpy(output.label_ids[:6])).item()
    assert output.metrics["eval_loss"] == pytest.approx(expected, rel=1e-5)


def arguments(tmp_path, **fields):
    return LGIFormerTrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", **fields)


@pytest.mark.parametrize(
    ("fields", "model_fields", "message"),
    [
        ({"regression_loss": "huber"}, {}, "'huber' is unknown. Choose one of mse, mae, ccc"),
        ({"regression_loss": "ccc"}, {}, "is for models that predict numbers"),
        (
            {"regression_loss": "ccc", "per_device_train_batch_size": 1},
            {"problem_type": "regression"},
            "per_device_train_batch_size is 1",
        ),
    ],
)
def test_losses_that_do_not_fit_are_refused(tiny_run, tmp_path, fields, model_fields, message):
    model = tiny_run.LGIFormerForVideoClassification(tiny_run.tiny_config(**model_fields))
    with pytest.raises(ValueError, match=message):
        LGIFormerTrainer(model, arguments(tmp_path, **fields), data_collator=FinetuningCollator(3))


def test_arguments_hold_the_loss(tiny_run, tmp_path):
    model = tiny_run.LGIFormerForVideoClassification(tiny_run.tiny_config(problem_type="regression"))
    fields = arguments(tmp_path, regression_loss="ccc", per_device_train_batch_size=2)
    assert LGIFormerTrainer(model, fields, data_collator=FinetuningCollator(3)).regression_loss == "ccc"


def test_a_collator_of_another_task_is_refused(tiny_run, tmp_path):
    trainer = trainer_of(tiny_run, tmp_path, "regression")
    trainer.model.config.problem_type = None
    with pytest.raises(ValueError, match="Load the model with problem_type='regression'"):
        trainer.train()


def test_classes_in_another_order_are_refused(tiny_run, tmp_path):
    videos = Dataset.from_dict({"label": [0, 1]}, Features({"label": ClassLabel(names=["sad", "happy"])}))
    trainer = trainer_of(tiny_run, tmp_path, "distribution")
    trainer.model.config.id2label = {0: "happy", 1: "sad", 2: "calm"}
    with pytest.raises(ValueError, match="are sad, happy, but those of the model are happy, sad, calm"):
        trainer.evaluate(videos)
