"""A killed run resumes exactly, and never from an incomplete checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback, TrainerState

from lgi_former import LGIFormerForVideoClassification
from lgi_former.files import NotWrittenError
from lgi_former.training.trainer.whole_checkpoints import (
    SEAL,
    clear_folder,
    missing_part,
    newest_whole_checkpoint,
    seal_checkpoint,
)


CHANGED = " since it was saved, because its checksum is another one"
SCRIPT = Path(__file__).parents[1] / "tiny_run.py"


def checkpoint(output_dir, step):
    folder = output_dir / f"checkpoint-{step}"
    (folder / "inner").mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "inner/part.bin"):
        (folder / name).write_bytes(b"0123456789")
    seal_checkpoint(folder)
    return folder


def test_whole_checkpoint(tmp_path):
    folder = checkpoint(tmp_path, 10)
    (folder / "notes.txt").write_text("Another file is allowed.")
    assert missing_part(folder) is None
    assert not list(folder.glob("*unfinished*"))


@pytest.mark.parametrize(
    ("damage", "lack"),
    [
        (lambda folder: (folder / SEAL).unlink(), "it has no checkpoint_files.json, which is written last"),
        (lambda folder: (folder / SEAL).write_text(""), "its checkpoint_files.json is damaged"),
        (lambda folder: (folder / SEAL).write_text("[1]"), "its checkpoint_files.json is damaged"),
        (lambda folder: (folder / "optimizer.pt").unlink(), "optimizer.pt is missing"),
        (lambda folder: os.truncate(folder / "model.safetensors", 4), "model.safetensors has 4 bytes of 10"),
        (lambda folder: os.truncate(folder / "inner" / "part.bin", 0), "inner/part.bin has 0 bytes of 10"),
        (lambda folder: (folder / "optimizer.pt").write_bytes(b"0123456788"), "optimizer.pt has changed" + CHANGED),
        (lambda folder: (folder / "inner/part.bin").write_bytes(bytes(10)), "inner/part.bin has changed" + CHANGED),
        (lambda folder: (folder / SEAL).write_text('{"optimizer.pt": {}}'), "its checkpoint_files.json is damaged"),
        (lambda folder: (folder / SEAL).write_text('{"optimizer.pt": null}'), "its checkpoint_files.json is damaged"),
    ],
)
def test_half_written_checkpoint_is_skipped(tmp_path, damage, lack):
    older, newest = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    assert newest_whole_checkpoint(tmp_path) == newest
    damage(newest)
    assert missing_part(newest) == lack
    assert newest_whole_checkpoint(tmp_path) == older
    damage(older)
    assert newest_whole_checkpoint(tmp_path) is None


def test_seal_of_an_earlier_version(tmp_path):
    """It has the sizes alone."""
    folder = checkpoint(tmp_path, 1)
    (folder / SEAL).write_text(json.dumps({"model.safetensors": 10, "optimizer.pt": 10, "inner/part.bin": 10}))
    assert missing_part(folder) is None
    os.truncate(folder / "optimizer.pt", 4)
    assert missing_part(folder) == "optimizer.pt has 4 bytes of 10"


def test_changed_checkpoint_is_refused_by_the_name_of_its_file(tiny_run, tmp_path):
    folder = checkpoint(tmp_path, 1)
    (folder / "optimizer.pt").write_bytes(b"0123456788")
    with pytest.raises(ValueError, match=r"checkpoint-1 is not a complete checkpoint .*: optimizer\.pt has changed"):
        tiny_run.finetuning(tmp_path).train(resume_from_checkpoint=folder)


@pytest.mark.parametrize("kind", ["optimizer", "weights", "state"])
def test_full_disk_while_saving(tiny_run, tmp_path, monkeypatch, kind):
    """The half-written checkpoint is deleted. The earlier one, and the model of an earlier run, are whole."""
    fields = {"save_strategy": "steps", "save_steps": 1}
    tiny_run.finetuning(tmp_path, max_steps=1, **fields).train()
    trainer = tiny_run.finetuning(tmp_path, max_steps=2, **fields)
    trainer.save_model()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def optimizer(*args, **kwargs):
        raise RuntimeError("[enforce fail at inline_container.cc:653] . unexpected pos 704 vs 598")

    def weights(model, folder, *args, **kwargs):
        Path(folder, "model.safetensors").write_bytes(b"half")
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    def state(state, path):
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        *{
            "optimizer": (trainer, "_save_optimizer_and_scheduler", optimizer),
            "weights": (type(trainer.model), "save_pretrained", weights),
            "state": (TrainerState, "save_to_json", state),
        }[kind]
    )
    with pytest.raises(NotWrittenError, match=r"checkpoint-2' cannot be written: .* complete before have not changed"):
        trainer.train(resume_from_checkpoint=True)
    if kind != "optimizer":
        with pytest.raises(NotWrittenError, match=rf"'{tmp_path}.*' cannot be written: No space left on device\. "):
            [trainer.save_model, trainer.save_state][kind == "state"]()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_checkpoint(tiny_run, tmp_path):
    (tmp_path / "checkpoint-best").mkdir()
    assert newest_whole_checkpoint(tmp_path) is None
    assert newest_whole_checkpoint(tmp_path / "nowhere") is None
    with pytest.raises(ValueError, match="There is no complete checkpoint in"):
        tiny_run.finetuning(tmp_path).train(resume_from_checkpoint=True)
    with pytest.raises(ValueError, match="there is no such folder"):
        tiny_run.finetuning(tmp_path).train(resume_from_checkpoint=tmp_path / "checkpoint-3")


def test_checkpoint_is_removed_only_when_a_newer_one_is_whole(tiny_run, tmp_path, monkeypatch):
    """With `save_total_limit=1`, there is a whole checkpoint at any time."""
    trainer = tiny_run.finetuning(tmp_path, max_steps=3, save_strategy="steps", save_steps=1, save_total_limit=1)
    whole_before_sealing = []

    def seal(folder):
        whole_before_sealing.append(newest_whole_checkpoint(tmp_path))
        seal_checkpoint(folder)

    monkeypatch.setattr("lgi_former.training.trainer.whole_checkpoints.seal_checkpoint", seal)
    trainer.train()
    assert whole_before_sealing == [None, tmp_path / "checkpoint-1", tmp_path / "checkpoint-2"]
    assert [folder.name for folder in tmp_path.glob("checkpoint-*")] == ["checkpoint-3"]
    assert trainer.args.save_total_limit == 1


def test_checkpoint_that_is_written_again_is_not_whole_meanwhile(tiny_run, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    trainer = tiny_run.finetuning(tmp_path, max_steps=1, save_strategy="steps", save_steps=1)
    trainer.train()
    assert newest_whole_checkpoint(tmp_path)
    monkeypatch.setattr(trainer, "_save_optimizer_and_scheduler", fail)
    with pytest.raises(OSError, match="disk full"):
        trainer.train()
    assert newest_whole_checkpoint(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"modeling_lgi_former.py": ""},
        {"modeling_lgi_former.py": "# Derived fr"},
        {"modeling_lgi_former.py": "\0" * 4096},
        {"modeling_lgi_former.py": "half a line of somebody"},
        {"config.json": '{"model_type": "lgi_fo', "README.md": "---\nlicense: [", "trainer_state.json": ""},
        {"trained_weights.safetensors": "", "pytorch_model_fsdp.bin": "", ".regions.unfinished.py": "import"},
    ],
)
def test_checkpoint_of_a_killed_run_is_replaced(tiny_run, tmp_path, damage):
    """Files that are not of a checkpoint stay unchanged."""
    fields = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    tiny_run.finetuning(tmp_path, **fields).train()
    unfinished = tmp_path / "checkpoint-2"
    (unfinished / SEAL).unlink()
    for name, content in damage.items():
        (unfinished / name).write_text(content)
    code = "modeling_lgi_former.py"
    foreign = [unfinished / "notes.txt", tmp_path / "checkpoint-best" / code, tmp_path / code]
    for file in foreign:
        file.parent.mkdir(exist_ok=True)
        file.write_text("precious")
    resumed = tiny_run.finetuning(tmp_path, **fields)
    resumed.train(resume_from_checkpoint=True)
    assert newest_whole_checkpoint(tmp_path) == unfinished
    assert all(file.read_text() == "precious" for file in foreign)
    leftovers = {"trained_weights.safetensors", "pytorch_model_fsdp.bin", ".regions.unfinished.py", "README.md"}
    assert not leftovers & {path.name for path in unfinished.iterdir()}
    LGIFormerForVideoClassification.from_pretrained(unfinished)
    assert (unfinished / code).read_text() == (tmp_path / "checkpoint-1" / code).read_text()
    tiny_run.finetuning(tmp_path, **fields).train(resume_from_checkpoint=unfinished)


def test_folder_without_a_checkpoint_is_not_changed(tmp_path):
    folder = tmp_path / "checkpoint-2"
    for name in ("modeling_lgi_former.py", "README.md", "config.json"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("precious")
    clear_folder(folder)
    assert {path.name for path in folder.iterdir()} == {"modeling_lgi_former.py", "README.md", "config.json"}
    clear_folder(tmp_path / "checkpoint-3")
    assert not (tmp_path / "checkpoint-3").exists()


def test_mark_of_transformers_is_not_sealed(tmp_path):
    """With `enable_jit_checkpoint`, Transformers removes its mark after the seal."""
    folder = checkpoint(tmp_path, 1)
    mark = folder / "checkpoint-is-incomplete.txt"
    mark.write_text("in progress")
    seal_checkpoint(folder)
    mark.unlink()
    assert missing_part(folder) is None


@pytest.fixture(scope="module")
def killed_runs(tiny_shards, tmp_path_factory):
    """Function from the name of a run in `tiny_run.py` to its folder. Another process runs both until they die."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, str(SCRIPT), str(folder), str(tiny_shards), "run_killed", "run_killed_while_saving"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # changes the last digit of sums
    with (folder / "log").open("w+") as log:  # workers of a killed run would keep a pipe open
        killed = subprocess.run(command, stdout=log, stderr=log, check=False, env=environment)
        log.seek(0)
        assert killed.returncode == 0, log.read()
    return folder.joinpath


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "left", "resumed_from", "is_sharded"),
    [("run_killed", [4], 4, True), ("run_killed_while_saving", [4, 8], 4, False)],
)
def test_killed_run_resumes_exactly(tiny_run, tiny_shards, killed_runs, tmp_path, run, left, resumed_from, is_sharded):
    def train(output_dir, **fields):
        clips = tiny_run.sharded_clips(tiny_shards, output_dir) if is_sharded else None
        return tiny_run.finetuning(output_dir, clips=clips, **fields, **tiny_run.INTERRUPTED)

    uninterrupted = train(tmp_path / "uninterrupted")
    uninterrupted.train()
    killed = killed_runs(run)
    assert sorted(int(folder.name.split("-")[1]) for folder in killed.glob("checkpoint-*")) == left

    class RecordStart(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            self.step = state.global_step

    start = RecordStart()
    resumed = train(killed, callbacks=[start])
    resumed.train(resume_from_checkpoint=True)
    assert start.step == resumed_from
    assert tiny_run.losses(resumed) == tiny_run.losses(uninterrupted)
    for name, weight in uninterrupted.model.named_parameters():
        assert torch.equal(weight, resumed.model.get_parameter(name)), name
    if is_sharded:
        steps = tiny_run.seen(killed)
        first_epoch = sorted(video for step in range(1, 7) for video in steps[step])
        assert first_epoch == sorted(f"{number}.mp4" for number in range(24))
        assert len({video for step in range(7, 11) for video in steps[step]}) == 16


@pytest.mark.parametrize(("accumulation", "steps"), [(1, (2, 6, 8)), (2, (3, 5))])
def test_resumed_run_equals_the_whole_one(tiny_run, tmp_path, accumulation, steps):
    """From the middle and the end of an epoch, with dropout, mixup and shuffling."""
    fields = {
        "model_fields": tiny_run.DROPOUT,
        "max_steps": max(steps) + 2,
        "gradient_accumulation_steps": accumulation,
    }
    whole = tiny_run.finetuning(tmp_path / "whole", save_strategy="steps", save_steps=1, **fields)
    whole.train()
    for step in steps:
        resumed = tiny_run.finetuning(tmp_path / f"resumed_{step}", **fields)
        resumed.train(resume_from_checkpoint=tmp_path / "whole" / f"checkpoint-{step}")
        assert tiny_run.losses(resumed) == tiny_run.losses(whole)
        for name, weight in whole.model.named_parameters():
            assert torch.equal(weight, resumed.model.get_parameter(name)), name


def test_resumed_run_has_the_same_batches(tiny_run, tmp_path):
    def train(max_steps, clips=24, **fields):
        trainer = tiny_run.finetuning(tmp_path, max_steps=max_steps, clips=tiny_run.Clips(clips), **fields)
        trainer.train(resume_from_checkpoint=tmp_path / "checkpoint-1" if max_steps > 1 else None)

    train(1, save_strategy="steps", save_steps=1)
    for name, changed in {
        "total batch was 4 and is 3, steps an epoch was 6 and is 8": {"per_device_train_batch_size": 3},
        "seed was 42 and is 1": {"seed": 1},
        "number of videos was 24 and is 23": {"clips": 23},
    }.items():
        with pytest.raises(ValueError, match=rf"checkpoint-1 is of a run with other batches: {name}\. In the rest"):
            train(2, **changed)
    train(2, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    train(2, seed=1, ignore_data_skip=True)
