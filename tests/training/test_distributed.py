"""Two processes train and evaluate as one process with the same total batch, with whole or sharded weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.training.run.recipes import RECIPES
from lgi_former.training.trainer.whole_checkpoints import missing_part


pytestmark = pytest.mark.slow

NUM_STEPS = 8
MANY_GPUS = RECIPES.with_name("accelerate") / "many_gpus.yaml"


@pytest.fixture(scope="module")
def launched(tiny_shards, tmp_path_factory):
    """Folder and results of `distributed_run.py` on two processes, by process."""
    output_dir = tmp_path_factory.mktemp("distributed")
    # `--cpu` would start one process (accelerate 1.15); without a GPU, processes for many find the CPU.
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(MANY_GPUS)]
    launch += ["--num_processes", "2", "--main_process_port", "0"]
    script = Path(__file__).with_name("distributed_run.py")
    done = subprocess.run(
        [*launch, str(script), str(output_dir), str(tiny_shards)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return output_dir, [json.loads((output_dir / f"results_{process}.json").read_text()) for process in (0, 1)]


def assert_same_losses(launched_losses, losses, steps=NUM_STEPS):
    assert len(losses) == steps
    assert {int(step): loss for step, loss in launched_losses.items()} == pytest.approx(losses, abs=1e-4)


def test_finetuning(launched, tiny_run, tmp_path):
    """The losses, and the evaluation: no video twice, and not the unreadable one."""
    trainer = tiny_run.finetuning(tmp_path, mix=0.0, per_device_train_batch_size=8, max_steps=NUM_STEPS)
    trainer.train()
    output_dir, results = launched
    assert_same_losses(results[0]["finetuning"], tiny_run.losses(trainer))

    expected = tiny_run.evaluate_views(trainer)
    for result in results:
        evaluation = result["evaluation"]
        assert evaluation["labels"] == expected["labels"] == [0, 1, 2, 0, 1, 2, -100]
        for row, expected_row in zip(evaluation["predictions"], expected["predictions"], strict=True):
            assert row == pytest.approx(expected_row, abs=1e-3)
        figures = {name: value for name, value in expected["metrics"].items() if "time" not in name}
        assert {name: evaluation["metrics"][name] for name in figures} == pytest.approx(figures, abs=1e-3)

    checkpoint = output_dir / "finetuning" / f"checkpoint-{NUM_STEPS}"
    assert missing_part(checkpoint) is None
    sealed = json.loads((checkpoint / "checkpoint_files.json").read_text())
    assert {"rng_state_0.pth", "rng_state_1.pth", "model.safetensors", "trainer_state.json"} <= sealed.keys()


def test_resumed_in_the_middle_of_the_second_epoch(launched):
    _, results = launched
    if "restore data location" in results[0]["resumed"]:
        pytest.skip("this version of transformers cannot load an optimiser in one of several processes on a CPU")
    assert results[0]["resumed"] == results[0]["finetuning"]


def test_accumulation(launched, tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path, mix=0.0, per_device_train_batch_size=8, max_steps=NUM_STEPS)
    trainer.train()
    _, results = launched
    assert_same_losses(results[0]["accumulating"], tiny_run.losses(trainer))
    evaluated = tiny_run.evaluation_losses(trainer)
    for result in results:
        assert result["evaluation_losses"] == pytest.approx(evaluated, abs=1e-3)


def test_pretraining(launched, tiny_run, tmp_path):
    trainer = tiny_run.pretraining(tmp_path, per_device_train_batch_size=8, max_steps=NUM_STEPS)
    trainer.train()
    _, results = launched
    assert_same_losses(results[0]["pretraining"], tiny_run.losses(trainer))


def test_streams_are_split_once(launched):
    _, results = launched
    assert results[0]["stream"] == list(range(0, 24, 2))
    assert results[1]["stream"] == list(range(1, 24, 2))


def test_every_video_of_shards_once_an_epoch(launched, tiny_run):
    output_dir, _ = launched
    steps = [tiny_run.seen(output_dir / "sharded", process) for process in (0, 1)]
    assert_every_video_once_an_epoch(steps)
    assert steps[0][1] != steps[0][7]  # the second epoch has another order


def test_every_video_of_shards_once_an_epoch_that_is_resumed(launched, tiny_run):
    output_dir, results = launched
    if "restore data location" in results[0]["resumed"]:
        pytest.skip("this version of transformers cannot load an optimiser in one of several processes on a CPU")
    steps = []
    for process in (0, 1):
        before = tiny_run.seen(output_dir / "sharded", process)
        after = tiny_run.seen(output_dir / "sharded_resumed", process)
        assert list(after) == list(range(5, 13))
        steps.append({step: before[step] for step in range(1, 5)} | after)
    assert_every_video_once_an_epoch(steps)
    assert results[0]["resumed_shards"] and results[1]["resumed_shards"]


def assert_every_video_once_an_epoch(steps_of_processes):
    for epoch in (range(1, 7), range(7, 13)):
        videos = [video for steps in steps_of_processes for step in epoch for video in steps[step]]
        assert sorted(videos) == sorted(f"{number}.mp4" for number in range(24))


def test_all_processes_stop_at_a_non_finite_loss_of_one(launched):
    _, results = launched
    assert results[0]["broken"] == results[1]["broken"]
    assert "is not finite: nan for" in results[0]["broken"]
    named = results[0]["broken"].split("nan for ")[1].split(". Training")[0].split(", ")
    assert "video_7.mp4" in named
    assert len(named) == 4


@pytest.fixture(params=["FULL_STATE_DICT", "SHARDED_STATE_DICT"])
def sharded(launched, request):
    """Folder and results of the runs with FSDP2, for each type of state dicts."""
    output_dir, results = launched
    return output_dir / request.param, results[0]["sharded"][request.param]


def assert_loads_as(model_class, folder, model):
    """A plain `from_pretrained` gives the weights of a run with one process."""
    weights = dict(model_class.from_pretrained(folder).named_parameters())
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weights.pop(name), weight, atol=1e-4, rtol=1e-3)
    assert not weights


def test_sharded_finetuning(sharded, tiny_run, tmp_path):
    trainer = tiny_run.finetuning(tmp_path, per_device_train_batch_size=8, **tiny_run.DECAYING)
    trainer.train()
    folder, results = sharded
    assert_same_losses(results["finetuning"], tiny_run.losses(trainer), steps=3)
    checkpoint = folder / "finetuning" / "checkpoint-3"
    assert missing_part(checkpoint) is None
    assert_loads_as(LGIFormerForVideoClassification, checkpoint, trainer.model)


def test_sharded_run_resumes_and_ends_with_its_best_model(sharded):
    _, results = sharded
    assert results["resumed"] == results["finetuning"]
    assert results["best"] == "checkpoint-3"
    assert results["loss_of_best"] == results["best_loss"]


def test_sharded_pretraining(sharded, tiny_run, tmp_path):
    trainer = tiny_run.pretraining(tmp_path, per_device_train_batch_size=8, max_steps=3)
    trainer.train()
    folder, results = sharded
    assert_same_losses(results["pretraining"], tiny_run.losses(trainer), steps=3)
    assert_loads_as(LGIFormerForPreTraining, folder / "pretraining", trainer.model)
    layers = [f"lgi_former.encoder.layers.{layer}" for layer in (0, 1)]
    assert results["units"] == ["", "lgi_former.embeddings", *layers, "lgi_former.layernorm", "decoder"]


def test_sharded_pretraining_with_decoder_masking_in_bfloat16(launched, tiny_run, tmp_path):
    trainer = tiny_run.pretraining(tmp_path, per_device_train_batch_size=8, **tiny_run.DECODER_MASKING)
    trainer.train()
    losses = tiny_run.losses(trainer)
    found = launched[1][0]["sharded"]["decoder masking"]
    assert {int(step): loss for step, loss in found.items()} == pytest.approx(losses, rel=0.02)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        ("average", "ema_decay needs the whole weights on each device"),
        ("FSDP1", "Set fsdp_version to 2"),
        ("other type", "was saved with FSDP and state_dict_type=FULL_STATE_DICT, but this run has FSDP and"),
        ("whole checkpoint", "was saved with no FSDP, but this run has FSDP and"),
        ("CPU", "Accelerate shards weights on GPUs only"),
    ],
)
def test_sharding_that_is_refused(launched, attempt, message):
    _, results = launched
    assert message in results[0]["refused"][attempt]
