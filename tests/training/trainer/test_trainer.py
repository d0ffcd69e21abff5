"""LGIFormerTrainer: optimiser and learning rate, soft labels, views, non-finite losses, averaged weights."""

import functools
import itertools
import math
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import Trainer, VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerForVideoClassification
from lgi_former.training.data.collators import FinetuningCollator
from lgi_former.training.trainer import LGIFormerTrainer, LGIFormerTrainingArguments
from lgi_former.training.trainer.ema import ExponentialMovingAverage
from lgi_former.training.trainer.failed_batches import raise_if_failed
from lgi_former.training.trainer.non_finite_loss import NonFiniteLossError


def weights_of(trainer):
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}


# Optimisation


def test_optimizer_has_the_groups_at_the_scaled_learning_rate(tiny_run, tmp_path, capsys):
    trainer = tiny_run.finetuning(
        tmp_path,
        trainer_fields={"base_learning_rate": 0.064, "layer_decay": 0.5},
        gradient_accumulation_steps=2,
        weight_decay=0.3,
        adam_beta1=0.8,
        adam_beta2=0.95,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": 0.0064},
        warmup_steps=3,
        max_steps=5,
    )
    trainer.train()
    assert "Learning rate 0.002 = 0.064 x total batch 8 / 256" in capsys.readouterr().out
    groups = trainer.optimizer.param_groups
    assert {group["initial_lr"] for group in groups} == {0.002, 0.001, 0.0005, 0.00025}
    assert {group["weight_decay"] for group in groups} == {0.0, 0.3}
    assert {group["betas"] for group in groups} == {(0.8, 0.95)}
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    half_way = 0.0002 + 0.0018 / 2
    assert logged == pytest.approx([0.0, 0.001, 0.002, 0.002, half_way])


def test_learning_rate_is_not_scaled_without_a_base(tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path, learning_rate=0.01)
    assert trainer.create_optimizer().param_groups[0]["lr"] == 0.01


def test_adapters_train_and_frozen_weights_stay(tiny_run, tmp_path):
    torch.manual_seed(0)
    model = get_peft_model(
        LGIFormerForVideoClassification(tiny_run.tiny_config()),
        LoraConfig(r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]),
    )
    trainer = LGIFormerTrainer(
        model,
        tiny_run.training_arguments(tmp_path, max_steps=2),
        data_collator=FinetuningCollator(3),
        train_dataset=tiny_run.Clips(),
    )
    before = weights_of(trainer)
    trainer.train()
    for name, weight in trainer.model.named_parameters():
        if "layers.1.interaction" not in name:  # it cannot influence the representative tokens
            assert torch.equal(weight, before[name]) != weight.requires_grad, name


def test_streams_are_trained_on_and_resumed(tiny_run, tmp_path):
    fields = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    whole = tiny_run.finetuning(tmp_path / "whole", clips=tiny_run.Stream(), **fields)
    whole.train()
    assert whole.train_dataset.read == list(range(16))
    resumed = tiny_run.finetuning(tmp_path / "resumed", clips=tiny_run.Stream(), **fields)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-2")
    assert tiny_run.losses(resumed) == tiny_run.losses(whole)


# Soft labels


def test_soft_labels_of_videomae_are_not_multi_label(tiny_run, tmp_path, videomae_config):
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(videomae_config)
    trainer = LGIFormerTrainer(
        model,
        tiny_run.training_arguments(tmp_path, max_steps=1, gradient_accumulation_steps=2),
        data_collator=FinetuningCollator(3),
        train_dataset=tiny_run.Clips(8),
    )
    with torch.no_grad():
        expected = [
            F.cross_entropy(model.eval()(batch["pixel_values"]).logits, batch["labels"])
            for batch in trainer.get_train_dataloader()
        ]
    trainer.train()
    assert trainer.model.config.problem_type is None
    assert tiny_run.losses(trainer)[1] == pytest.approx(float(sum(expected)) / 2, rel=1e-5)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_labels_of_several_classes_need_their_problem_type(tiny_run, tmp_path, num_workers):
    """Every batch is checked, on the CPU: the loader refuses labels that only a later batch has."""

    def collate(items):
        batch = FinetuningCollator(3)(items)
        if any(item["video"] == "video_7.mp4" for item in items):
            batch["labels"] = torch.tensor([[1.0, 1.0, 0.0]] * len(items))
        return batch

    trainer = tiny_run.finetuning(tmp_path, dataloader_num_workers=num_workers)
    trainer.data_collator = trainer.eval_data_collator = collate
    for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader(tiny_run.Clips())):
        with pytest.raises(ValueError, match="problem_type='multi_label_classification'"):
            for batch in loader:
                raise_if_failed(batch)
    batch = {"pixel_values": torch.zeros(2, 4, 3, 16, 16), "labels": torch.tensor([[1.0, 1.0, 0.0]] * 2)}
    with pytest.raises(ValueError, match="problem_type='multi_label_classification'"):
        trainer.compute_loss(trainer.model, batch)
    trainer.model.config.problem_type = "multi_label_classification"
    for batch in trainer.get_train_dataloader():
        raise_if_failed(batch)


def test_labels_on_an_accelerator_are_not_looked_at(tiny_run, tmp_path):
    """A comparison would wait for the device. Tensors on "meta" have no values, so they cannot be compared."""
    trainer = tiny_run.finetuning(tmp_path)
    batch = {"pixel_values": torch.zeros(2, 4, 3, 16, 16, device="meta"), "labels": torch.ones(2, 3, device="meta")}
    trainer.model.to("meta").eval()
    assert trainer.compute_loss(trainer.model, batch).device.type == "meta"
    assert trainer.model.config.problem_type is None


# Arguments


def test_recipe_options_come_from_the_arguments(tiny_run, tmp_path):
    arguments = LGIFormerTrainingArguments(
        str(tmp_path), use_cpu=True, base_learning_rate=0.256, layer_decay=0.5, ema_decay=0.9, report_to="none"
    )

    def options(args, **overrides):
        model = LGIFormerForVideoClassification(tiny_run.tiny_config())
        trainer = LGIFormerTrainer(model, args, train_dataset=tiny_run.Clips(), **overrides)
        return trainer.base_learning_rate, trainer.layer_decay, trainer.ema_decay

    assert options(arguments) == (0.256, 0.5, 0.9)
    assert options(arguments, layer_decay=1.0, ema_decay=0.5) == (0.256, 1.0, 0.5)
    assert options(tiny_run.training_arguments(tmp_path)) == (None, 1.0, None)
    assert options(tiny_run.training_arguments(tmp_path), base_learning_rate=1e-3) == (1e-3, 1.0, None)


def test_trainer_refuses_to_smooth_a_second_time(tiny_run, tmp_path):
    with pytest.raises(ValueError, match="Set FinetuningCollator's label_smoothing"):
        tiny_run.finetuning(tmp_path, label_smoothing_factor=0.1)


# Evaluation


def test_views_of_a_video_become_one_row(tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path)
    result = tiny_run.evaluate_views(trainer, number=7)
    dataset = tiny_run.Views(7)
    expected = []
    with torch.no_grad():
        for index in range(7):
            item = dataset[index]
            probabilities = trainer.model(item["pixel_values"]).logits.softmax(-1)
            expected.append((probabilities * item["view_weights"][:, None]).sum(0).log())
    torch.testing.assert_close(torch.tensor(result["predictions"]), torch.stack(expected))
    assert result["labels"] == [0, 1, 2, 0, 1, 2, -100]

    read = torch.stack(expected)[:6]
    labels = torch.tensor(result["labels"])[:6]
    assert result["metrics"]["eval_loss"] == pytest.approx(F.nll_loss(read, labels).item(), rel=1e-5)
    assert result["metrics"]["eval_war"] == pytest.approx((read.argmax(-1) == labels).float().mean().item())


def test_prediction_without_labels(tiny_run, tmp_path):
    class Unlabelled(tiny_run.Views):
        def __getitem__(self, index):
            return {name: value for name, value in super().__getitem__(index).items() if name != "labels"}

    trainer = tiny_run.finetuning(tmp_path)
    output = trainer.predict(Unlabelled(3))
    assert output.predictions.shape == (3, 3)
    assert output.label_ids is None


def test_views_without_metrics_give_the_loss(tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path)
    expected = tiny_run.evaluate_views(trainer, number=6)["metrics"]["eval_loss"]
    trainer.compute_metrics = None
    trainer.args.per_device_eval_batch_size = 5
    assert trainer.evaluate(tiny_run.Views(6))["eval_loss"] == pytest.approx(expected, rel=1e-5)


def test_each_data_set_is_evaluated_and_only_the_own_one_keeps_its_workers(tiny_run, tmp_path):
    """`Trainer` evaluates the first data set again if workers persist."""
    trainer = tiny_run.finetuning(tmp_path, dataloader_num_workers=1, dataloader_persistent_workers=True)
    trainer.compute_metrics = lambda prediction: {"number": len(prediction.predictions)}
    numbers = [trainer.evaluate(dataset)["eval_number"] for dataset in (None, tiny_run.Views(2), None)]
    assert numbers == [7, 2, 7]
    assert trainer.get_eval_dataloader() is trainer.get_eval_dataloader(trainer.eval_dataset)
    assert not trainer.get_test_dataloader(tiny_run.Views(2)).persistent_workers
    trainer.eval_dataset = {"a": tiny_run.Views(3), "b": tiny_run.Views(4)}
    assert trainer.evaluate()["eval_b_number"] == 4


def test_single_clips_are_evaluated_too(tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path)

    def collate(items):
        return {
            "pixel_values": torch.stack([item["pixel_values"] for item in items]),
            "labels": torch.tensor([item["labels"] for item in items]),
            "videos": [item["video"] for item in items],
        }

    trainer.eval_data_collator = collate
    metrics = trainer.evaluate(tiny_run.Clips(5))
    batch = collate([tiny_run.Clips()[index] for index in range(5)])
    with torch.no_grad():
        outputs = trainer.model(batch["pixel_values"], batch["labels"])
    assert metrics["eval_loss"] == pytest.approx(outputs.loss.item(), rel=1e-5)
    assert metrics["eval_war"] == pytest.approx((outputs.logits.argmax(-1) == batch["labels"]).float().mean().item())


@pytest.mark.parametrize("trainer_class", [LGIFormerTrainer, Trainer])
@pytest.mark.parametrize("request_field", ["output_hidden_states", "output_attentions"])
def test_hidden_states_are_not_predictions(tiny_run, tmp_path, trainer_class, request_field):
    fields = {"attn_implementation": "eager"} if request_field == "output_attentions" else {}
    model = LGIFormerForVideoClassification(tiny_run.tiny_config(**{request_field: True}, **fields))
    seen = []

    def compute_metrics(prediction):
        seen.append(prediction.predictions.shape)
        return {"shape": 1.0}

    arguments = tiny_run.training_arguments(tmp_path, remove_unused_columns=False)
    collator = FinetuningCollator(3, mixup_alpha=0, cutmix_alpha=0)
    trainer = trainer_class(model, arguments, data_collator=collator, compute_metrics=compute_metrics)
    assert trainer.predict(tiny_run.Clips(5)).predictions.shape == (5, 3)
    trainer.evaluate(tiny_run.Clips(5))
    assert seen == [(5, 3), (5, 3)]


def test_hidden_states_of_videomae_are_not_predictions(tiny_run, tmp_path, videomae_config):
    videomae_config.output_hidden_states = True
    trainer = LGIFormerTrainer(
        VideoMAEForVideoClassification(videomae_config),
        tiny_run.training_arguments(tmp_path),
        data_collator=FinetuningCollator(3, mixup_alpha=0, cutmix_alpha=0),
    )
    assert trainer.predict(tiny_run.Clips(5)).predictions.shape == (5, 3)


@pytest.mark.parametrize("family", ["lgi_former", "videomae"])
def test_pretraining_is_evaluated_by_its_loss(tiny_run, tmp_path, videomae_config, family):
    trainer = tiny_run.pretraining(tmp_path, max_steps=2)
    if family == "videomae":
        trainer = LGIFormerTrainer(
            VideoMAEForPreTraining(videomae_config),
            trainer.args,
            data_collator=lambda items: {
                "pixel_values": torch.stack([item["pixel_values"] for item in items]),
                "bool_masked_pos": torch.tensor([[True, False] * 4] * len(items)),
                "videos": [item["video"] for item in items],
            },
            train_dataset=tiny_run.Clips(),
        )
    trainer.train()
    assert math.isfinite(tiny_run.losses(trainer)[2])
    clips = tiny_run.Clips(2)
    batch = trainer.data_collator([clips[0], clips[1]])
    del batch["videos"]
    with torch.no_grad():
        expected = trainer.model.eval()(**batch).loss.item()
    assert trainer.evaluate(clips)["eval_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_undefined_metric_cannot_select_the_best_model(tiny_run, tmp_path):
    options = dict.fromkeys(("eval_strategy", "save_strategy"), "steps") | {"eval_steps": 1, "save_steps": 1}
    options["load_best_model_at_end"] = True
    trainer = tiny_run.finetuning(tmp_path, max_steps=1, metric_for_best_model="ccc", **options)
    trainer.compute_metrics = lambda prediction: {"mae": 0.5}  # CCC of equal labels is undefined
    with pytest.raises(ValueError, match=r"no eval_ccc, .* Choose one of .*eval_mae"):
        trainer.train()


def test_best_model_by_uar(tiny_run, tmp_path):
    """At the end, the checkpoint with the highest UAR is loaded."""
    trainer = tiny_run.finetuning(
        tmp_path,
        max_steps=3,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="uar",
    )
    uars = iter([0.2, 0.6, 0.4])
    trainer.compute_metrics = lambda prediction: {"uar": next(uars)}
    trainer.train()
    assert trainer.state.best_metric == 0.6
    assert Path(trainer.state.best_model_checkpoint).name == "checkpoint-2"
    best = load_file(tmp_path / "checkpoint-2" / "model.safetensors")
    assert all(torch.equal(weight, best[name]) for name, weight in weights_of(trainer).items())


# Losses that are not finite


@pytest.mark.parametrize("accumulation", [1, 2])
def test_non_finite_loss_stops_the_run_before_it_is_saved(tiny_run, tmp_path, accumulation):
    trainer = tiny_run.finetuning(
        tmp_path,
        mix=0.0,
        clips=tiny_run.BrokenClip(),
        gradient_accumulation_steps=accumulation,
        save_strategy="steps",
        save_steps=1,
    )
    order = [batch["videos"] for batch in trainer.get_train_dataloader()]
    broken = next(number for number, videos in enumerate(order) if "video_7.mp4" in videos)
    step = broken // accumulation + 1
    with pytest.raises(NonFiniteLossError, match=rf"The loss of step {step} is not finite: nan for") as stop:
        trainer.train()
    assert ", ".join(order[broken]) in str(stop.value)
    assert not any(video in str(stop.value) for video in set(itertools.chain(*order)) - set(order[broken]))
    assert not (tmp_path / f"checkpoint-{step}").exists()
    assert step == 1 or (tmp_path / f"checkpoint-{step - 1}").exists()


def test_non_finite_loss_of_the_last_step_is_found(tiny_run, tmp_path):
    class BrokenClips(tiny_run.Clips):
        def __getitem__(self, index):
            item = super().__getitem__(index)
            return {**item, "pixel_values": item["pixel_values"] * float("inf")}

    trainer = tiny_run.finetuning(tmp_path, clips=BrokenClips(), max_steps=1, logging_steps=100)
    with pytest.raises(NonFiniteLossError, match="step 1"):
        trainer.train()


# Averaged weights


@pytest.fixture
def with_average(tiny_run):
    """A function that makes a trainer of 4 steps with an average of the weights."""
    return functools.partial(
        tiny_run.finetuning,
        model_fields=tiny_run.DROPOUT,
        trainer_fields={"ema_decay": 0.8},
        max_steps=4,
        save_strategy="steps",
        save_steps=2,
    )


def test_average_is_saved_and_becomes_the_model(tiny_run, with_average, tmp_path):
    trainer = with_average(tmp_path)
    average = weights_of(trainer)
    trainer.train()
    plain = tiny_run.finetuning(
        tmp_path / "plain", model_fields=tiny_run.DROPOUT, max_steps=4, save_strategy="steps", save_steps=1
    )
    plain.train()
    for step in (1, 2, 3, 4):
        trained = load_file(tmp_path / "plain" / f"checkpoint-{step}" / "model.safetensors")
        average = {name: 0.8 * value + 0.2 * trained[name] for name, value in average.items()}
    saved = load_file(tmp_path / "checkpoint-4" / "model.safetensors")
    for name, weight in weights_of(trainer).items():
        torch.testing.assert_close(weight, average[name])
        torch.testing.assert_close(saved[name], average[name])
    raw = load_file(tmp_path / "checkpoint-4" / "trained_weights.safetensors")
    assert all(torch.equal(raw[name], trained[name]) for name in raw)
    trainer.save_model(tmp_path / "final")
    final = load_file(tmp_path / "final" / "model.safetensors")
    assert all(torch.equal(final[name], weight) for name, weight in weights_of(trainer).items())


def test_average_is_evaluated_and_training_does_not_change(tiny_run, with_average, tmp_path):
    trainer = with_average(tmp_path / "evaluated", eval_strategy="steps", eval_steps=2)
    seen = []
    trainer.compute_metrics = lambda prediction: seen.append(weights_of(trainer)) or {}
    trainer.train()
    saved = load_file(tmp_path / "evaluated" / "checkpoint-2" / "model.safetensors")
    assert all(torch.equal(saved[name], weight) for name, weight in seen[0].items())

    plain = tiny_run.finetuning(
        tmp_path / "plain", model_fields=tiny_run.DROPOUT, max_steps=4, eval_strategy="steps", eval_steps=2
    )
    plain.train()
    assert tiny_run.losses(plain) == tiny_run.losses(trainer)


def test_average_is_resumed(tiny_run, with_average, tmp_path):
    whole = with_average(tmp_path / "whole")
    whole.train()
    part = with_average(tmp_path / "part")
    part.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-2")
    assert tiny_run.losses(part)[4] == tiny_run.losses(whole)[4]
    for name, weight in weights_of(part).items():
        assert torch.equal(weight, whole.model.get_parameter(name)), name

    with pytest.raises(ValueError, match="was saved with a moving average of the weights, but ema_decay is not set"):
        tiny_run.finetuning(tmp_path / "part").train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-2")


def test_best_average_is_loaded_at_the_end(with_average, tmp_path):
    trainer = with_average(
        tmp_path,
        eval_strategy="steps",
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="uar",
    )
    uars = iter([0.6, 0.4])
    trainer.compute_metrics = lambda prediction: {"uar": next(uars)}
    trainer.train()
    best = load_file(tmp_path / "checkpoint-2" / "model.safetensors")
    assert all(torch.equal(weight, best[name]) for name, weight in weights_of(trainer).items())


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5])
def test_decay_of_the_average_is_checked(tiny_run, tmp_path, decay):
    with pytest.raises(ValueError, match="has to lie between 0 and 1"):
        tiny_run.finetuning(tmp_path, trainer_fields={"ema_decay": decay})


def test_saving_within_an_evaluation_of_the_average_saves_the_average():
    model = torch.nn.Linear(1, 1, bias=False)
    average = ExponentialMovingAverage(0.5)
    torch.nn.init.zeros_(model.weight)
    average.on_train_begin(None, None, None, model)
    torch.nn.init.ones_(model.weight)
    average.on_step_end(None, None, None)
    with average.applied(), average.applied():
        assert model.weight.item() == 0.5
    assert model.weight.item() == 1
