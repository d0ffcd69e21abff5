"""A resumed run equals an uninterrupted run: weights to the bit, log, and best model."""

import json
import multiprocessing
import random

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset
from transformers import TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from lgi_former.training.data.shard_order import BalancedOrder
from lgi_former.training.trainer.data_loading import stop_workers, training_sampler
from lgi_former.training.trainer.data_order import DATA_ORDER_FILE
from lgi_former.training.trainer.early_stopping import ResumableEarlyStopping
from lgi_former.training.trainer.epoch_end import PROGRESS_FILE
from lgi_former.training.trainer.epochs import EpochOrder
from lgi_former.training.trainer.global_generators import restored_generators, seeded_generators
from lgi_former.training.trainer.whole_checkpoints import seal_checkpoint


PERSISTENT = {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}
"""The defaults of the commands."""
IN_MAIN_PROCESS = {"dataloader_num_workers": 0, "dataloader_persistent_workers": False}
WITHOUT_SAVING = {"save_strategy": "no"}
"""For resumed runs whose checkpoints are not read. Writing them takes most of the time."""
SAVING_THE_BEST = {
    "eval_strategy": "steps",
    "save_strategy": "best",
    "metric_for_best_model": "loss",
    "greater_is_better": False,
}
TIMES = ("runtime", "per_second", "flos", "train_loss")


def draw():
    """Draw from each global generator."""
    return torch.rand(()).item() + random.random() + np.random.rand()


@pytest.fixture(scope="module")
def drawing_clips(tiny_run):
    class DrawingClips(tiny_run.Clips):
        """Clips that are augmented with the global generators, as in many data sets."""

        def __getitem__(self, index):
            item = super().__getitem__(index)
            return {**item, "pixel_values": item["pixel_values"] + draw()}

    return DrawingClips


def collate_drawing(items):
    """Mix labels with the global generators, as many collators do."""
    share = draw() / 3
    labels = torch.nn.functional.one_hot(torch.tensor([item["labels"] for item in items]), 3).float()
    pixel_values = torch.stack([item["pixel_values"] for item in items])
    return {"pixel_values": pixel_values, "labels": labels.flip(0).lerp(labels, share)}


@pytest.fixture
def make(tiny_run, drawing_clips, tmp_path, request):
    """`make(name, data="list", **fields)`: a trainer of 8 steps in epochs of 6, saved after every second step."""

    def make_trainer(name, data="list", **fields):
        clips = None
        if data == "shards":
            clips = tiny_run.sharded_clips(request.getfixturevalue("tiny_shards"), tmp_path / name)
        elif data == "stream":
            clips = tiny_run.Stream()
        elif data == "drawing":
            clips = drawing_clips()
        elif data == "balanced":
            clips = tiny_run.Clips()
            clips.sampler = BalancedOrder(20 * [0] + [1] + 3 * [2], seed=0)
        fields = {"max_steps": 8, "save_strategy": "steps", "save_steps": 2, **IN_MAIN_PROCESS, **fields}
        (tmp_path / name).mkdir(exist_ok=True)
        trainer = tiny_run.finetuning(tmp_path / name, model_fields=tiny_run.DROPOUT, clips=clips, **fields)
        if data == "drawing":
            trainer.data_collator = collate_drawing
        return trainer

    return make_trainer


def history(trainer):
    """The log without fields that depend on the time."""
    return [
        {name: value for name, value in log.items() if not any(word in name for word in TIMES)}
        for log in trainer.state.log_history
    ]


def assert_same_run(resumed, whole):
    assert history(resumed) == history(whole)
    for name in ("global_step", "epoch", "best_metric", "best_global_step", "max_steps"):
        assert getattr(resumed.state, name) == getattr(whole.state, name), name
    for name, weight in whole.model.named_parameters():
        assert torch.equal(weight, resumed.model.get_parameter(name)), name


# The same batches


@pytest.mark.parametrize(
    "data", ["list", "drawing", "balanced", "stream", pytest.param("shards", marks=pytest.mark.slow)]
)
def test_persistent_workers(make, tmp_path, data):
    """Resumed in the middle of the first epoch and at its end. Workers end with the training."""
    whole = make("whole", data, **PERSISTENT)
    whole.train()
    assert not multiprocessing.active_children()
    for step in (4, 6):
        resumed = make(f"resumed_{step}", data, **PERSISTENT, **WITHOUT_SAVING)
        resumed.train(resume_from_checkpoint=tmp_path / "whole" / f"checkpoint-{step}")
        assert_same_run(resumed, whole)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"gradient_accumulation_steps": 4, "max_steps": 4},
        {"accelerator_config": {"use_seedable_sampler": False}},
        pytest.param({**PERSISTENT, "dataloader_persistent_workers": False}, marks=pytest.mark.slow),
    ],
)
def test_other_loaders(make, tmp_path, fields):
    whole = make("whole", "drawing", **fields)
    whole.train()
    resumed = make("resumed", "drawing", **fields, **WITHOUT_SAVING)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / ("checkpoint-2" if len(fields) == 2 else "checkpoint-4"))
    assert_same_run(resumed, whole)


def test_workers_may_change(make, tmp_path):
    whole = make("whole", "drawing", **PERSISTENT)
    whole.train()
    resumed = make("resumed", "drawing", **WITHOUT_SAVING)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-4")
    assert_same_run(resumed, whole)


def test_batches_do_not_depend_on_the_global_generators(make):
    """They depend on seed and epoch. The global generators are restored."""

    def batches(epoch, **fields):
        trainer = make("run", "drawing", **fields)
        torch.manual_seed(random.randrange(1000))
        loader = trainer.get_train_dataloader()
        trainer.state.epoch = epoch
        trainer.callback_handler.train_dataloader = loader
        before = torch.get_rng_state()
        trainer.callback_handler.on_epoch_begin(trainer.args, trainer.state, trainer.control)
        loader.set_epoch(epoch)
        found = torch.stack([batch["pixel_values"] for batch in loader])
        assert torch.equal(before, torch.get_rng_state())
        stop_workers([loader])
        return found

    first = batches(0)
    assert torch.equal(first, batches(0, **PERSISTENT))
    assert not torch.equal(first, batches(1))
    assert not torch.equal(first, batches(0, seed=1))


def test_order_is_that_of_accelerate(make):
    """Runs of earlier versions resume with the same order."""
    trainer = make("run")
    sampler = training_sampler(trainer)
    assert isinstance(sampler, EpochOrder) and len(sampler) == 24
    sampler.set_epoch(3)
    expected = torch.randperm(24, generator=torch.Generator().manual_seed(trainer.args.seed + 3))
    assert list(sampler) == list(sampler) == expected.tolist()
    assert list(training_sampler(make("run", data_seed=7))) != list(training_sampler(make("run")))


def test_order_by_length():
    lengths = [10 * index % 70 for index in range(40)]
    order = EpochOrder(LengthGroupedSampler(4, lengths=lengths), seed=3)
    first = list(order)
    torch.manual_seed(1)
    assert list(order) == first and sorted(first) == list(range(40))
    order.set_epoch(1)
    assert list(order) != first


def test_generators_are_restored():
    with seeded_generators("a", 1):
        seeded = draw()
    with restored_generators():
        before = draw()
        with seeded_generators("a", 1):
            assert draw() == seeded
        with seeded_generators("a", 2):
            assert draw() != seeded
    assert draw() == before


def test_streams_are_resumed_with_the_same_parts(make, tmp_path):
    make("whole", "stream", max_steps=2).train()
    checkpoint = tmp_path / "whole" / "checkpoint-2"
    for changed in ({"dataloader_num_workers": 1}, {"per_device_train_batch_size": 2}, {"seed": 1}):
        with pytest.raises(ValueError, match=r"is of a run with other batches: (number of workers|batch of a|seed)"):
            make("resumed", "stream", **changed).train(resume_from_checkpoint=checkpoint)


def test_runs_are_resumed_with_the_same_sampler(make, tmp_path):
    balanced, random_order = make("balanced", "balanced", max_steps=2), make("random", max_steps=2)
    balanced.train()
    random_order.train()
    for resumed, of_run in (("list", "balanced"), ("balanced", "random")):
        with pytest.raises(ValueError, match="other batches: sampler was"):
            make("resumed", resumed).train(resume_from_checkpoint=tmp_path / of_run / "checkpoint-2")
    other_labels = make("resumed", "balanced")
    other_labels.train_dataset.sampler = BalancedOrder(19 * [0] + 5 * [1], seed=0)
    with pytest.raises(ValueError, match="other batches: sampler was balanced"):
        other_labels.train(resume_from_checkpoint=tmp_path / "balanced" / "checkpoint-2")


def test_a_checkpoint_without_a_sampler_is_of_a_random_order(make, tmp_path):
    whole = make("whole")
    whole.train()
    folder = tmp_path / "whole" / "checkpoint-4"
    record = json.loads((folder / DATA_ORDER_FILE).read_text())
    assert record.pop("sampler") == "random"
    (folder / DATA_ORDER_FILE).write_text(json.dumps(record))
    seal_checkpoint(folder)
    resumed = make("resumed", **WITHOUT_SAVING)
    resumed.train(resume_from_checkpoint=folder)
    assert_same_run(resumed, whole)


def test_second_pass_over_a_stream_is_not_resumed(make, tiny_run, tmp_path):
    class ShortStream(IterableDataset):
        def __iter__(self):
            clips = tiny_run.Clips(12)
            return iter([clips[index] for index in range(12)])

    for step in (2, 4):
        whole, resumed = make(f"whole_{step}", max_steps=6), make(f"resumed_{step}", max_steps=6)
        whole.train_dataset = resumed.train_dataset = ShortStream()
        whole.train()
        checkpoint = tmp_path / f"whole_{step}" / f"checkpoint-{step}"
        if step == 2:
            resumed.train(resume_from_checkpoint=checkpoint)
            assert_same_run(resumed, whole)
        else:
            with pytest.raises(ValueError, match="had read its stream to the end and had begun anew"):
                resumed.train(resume_from_checkpoint=checkpoint)


# The end of an epoch


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        (6, {"eval_strategy": "epoch"}),
        (6, {"eval_strategy": "epoch", "logging_strategy": "epoch", "metric_for_best_model": "uar"}),
        (6, {"eval_strategy": "epoch", "trainer_fields": {"ema_decay": 0.8}, "metric_for_best_model": "loss"}),
        (6, {"eval_strategy": "epoch", "max_steps": 6}),
        (8, {"eval_strategy": "epoch"}),
        (4, {"eval_strategy": "steps", "eval_steps": 4, "logging_steps": 3}),
        (6, {"eval_strategy": "steps", "eval_steps": 4, "save_strategy": "epoch", "logging_steps": 4}),
        (6, {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}),
        (6, {"eval_steps": 3, "logging_strategy": "epoch", **SAVING_THE_BEST}),
    ],
)
def test_resuming_at_the_end_of_an_epoch_or_between_logs(make, tmp_path, step, fields):
    whole = make("whole", **fields)
    whole.train()
    resumed = make("resumed", **fields)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / f"checkpoint-{step}")
    assert_same_run(resumed, whole)


@pytest.mark.parametrize("step", [6, 12, 18])
def test_early_stopping_goes_on_counting(make, tmp_path, step):
    """The metric is the best after the first epoch, so patience for two epochs ends after the third."""
    fields = {"max_steps": 30, "eval_strategy": "epoch", "save_strategy": "epoch", "metric_for_best_model": "epoch"}
    fields |= {"load_best_model_at_end": True, "greater_is_better": False}

    def trainer(name):
        made = make(name, callbacks=[ResumableEarlyStopping(2)], **fields)
        made.compute_metrics = lambda prediction: {"epoch": made.state.epoch}
        return made

    whole, resumed = trainer("whole"), trainer("resumed")
    whole.train()
    assert whole.state.global_step == 18 and whole.state.best_global_step == 6
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / f"checkpoint-{step}")
    assert_same_run(resumed, whole)


def test_checkpoint_of_an_earlier_version(make, tmp_path):
    """It has no record of the losses that were not logged."""
    whole = make("whole", eval_strategy="epoch")
    whole.train()
    for step in (4, 6):
        folder = tmp_path / "whole" / f"checkpoint-{step}"
        (folder / PROGRESS_FILE).unlink()
        seal_checkpoint(folder)
        resumed = make(f"resumed_{step}", eval_strategy="epoch")
        resumed.train(resume_from_checkpoint=folder)
        assert_same_run(resumed, whole)


def test_callbacks_see_each_epoch_end_once(make, tmp_path):
    class RecordEnds(TrainerCallback):
        def __init__(self):
            self.ends = []

        def on_epoch_end(self, args, state, control, **kwargs):
            self.ends.append(state.global_step)

    for strategy in ("steps", "epoch"):
        whole, resumed = RecordEnds(), RecordEnds()
        make(strategy, callbacks=[whole], save_strategy=strategy).train()
        trainer = make(f"{strategy}_resumed", callbacks=[resumed], save_strategy=strategy)
        trainer.train(resume_from_checkpoint=tmp_path / strategy / "checkpoint-6")
        assert whole.ends == [6, 8] and resumed.ends == [8]


def test_total_loss_is_that_of_the_steps_of_the_call(make, tmp_path):
    each = make("each", **WITHOUT_SAVING)
    each.train()
    losses = [log["loss"] for log in each.state.log_history if "loss" in log]
    make("whole", logging_steps=3).train()
    resumed = make("resumed", logging_steps=3, **WITHOUT_SAVING)
    resumed.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-4")
    # Transformers 5.17 divides by the steps of all calls, and 5.24 by those of this call.
    assert resumed._total_loss_scalar == pytest.approx(sum(losses[4:]), rel=1e-5)


def test_evaluation_in_training_restores_the_generators(make):
    """After training, it does not: each evaluation may draw other numbers."""
    plain = make("plain", **WITHOUT_SAVING)
    plain.train()
    evaluated = make("evaluated", eval_strategy="steps", eval_steps=4, **PERSISTENT, **WITHOUT_SAVING)
    metrics = evaluated.compute_metrics
    evaluated.compute_metrics = lambda prediction: {**metrics(prediction), "drawn": draw()}
    evaluated.train()
    for name, weight in plain.model.named_parameters():
        assert torch.equal(weight, evaluated.model.get_parameter(name)), name
    assert evaluated.evaluate()["eval_drawn"] != evaluated.evaluate()["eval_drawn"]


def test_evaluation_draws_the_same_each_time_and_does_not_change_the_epoch(make, drawing_clips):
    trainer = make("run")
    clips = drawing_clips()
    clips.set_epoch(3)
    trainer.eval_data_collator = collate_drawing
    loader = trainer.get_eval_dataloader(clips)
    first, again = ([batch["pixel_values"] for batch in loader] for _ in range(2))
    assert all(map(torch.equal, first, again)) and clips.epoch == 3
