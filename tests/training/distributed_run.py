"""The runs of `test_distributed.py` on two processes: `accelerate launch distributed_run.py OUTPUT_DIR SHARDS`."""

import contextlib
import gc
import json
import os
import sys
from pathlib import Path

import torch
from tiny_run import (
    DECAYING,
    DECODER_MASKING,
    DROPOUT,
    BrokenClip,
    Stream,
    evaluate_views,
    evaluation_losses,
    finetuning,
    losses,
    pretraining,
    sharded_clips,
)
from torch.distributed.fsdp import FSDPModule


def run_all(output_dir, shards):
    """Both stages, evaluation, resuming, a stream, shards, a loss that is not finite, and sharded weights."""
    trainer = finetuning(output_dir / "finetuning", mix=0.0, save_strategy="steps", save_steps=5, max_steps=8)
    trainer.train()
    results = {"finetuning": losses(trainer), "evaluation": evaluate_views(trainer)}
    resumed = finetuning(output_dir / "resumed", mix=0.0, max_steps=8)
    try:
        resumed.train(resume_from_checkpoint=output_dir / "finetuning" / "checkpoint-5")
        results["resumed"] = losses(resumed)
    except RuntimeError as error:  # transformers 5.17 cannot load an optimiser in one of several processes on a CPU
        results["resumed"] = str(error)
    accumulating = finetuning(
        output_dir / "accumulating",
        mix=0.0,
        max_steps=8,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
    )
    accumulating.train()
    results["accumulating"] = losses(accumulating)
    results["evaluation_losses"] = evaluation_losses(accumulating)
    trainer = pretraining(output_dir / "pretraining", max_steps=8)
    trainer.train()
    results["pretraining"] = losses(trainer)

    stream = Stream()
    finetuning(output_dir / "stream", mix=0.0, clips=stream, max_steps=3).train()
    results["stream"] = stream.read
    results["resumed_shards"] = run_shards(output_dir, shards)

    trainer = finetuning(output_dir / "broken", clips=BrokenClip(), max_steps=4, gradient_accumulation_steps=2)
    try:
        trainer.train()
    except RuntimeError as error:
        results["broken"] = str(error)
    results["sharded"] = run_sharded(output_dir)
    results["refused"] = run_refused_sharding(output_dir)
    path = output_dir / f"results_{trainer.args.process_index}.json"
    path.write_text(json.dumps(results))
    trainer.accelerator.end_training()
    # DTensor's caches keep Gloo's threads alive, for which the interpreter may wait for ever at its end (torch 2.14).
    os._exit(0)


def run_shards(output_dir, shards):
    """Two epochs of 6 steps on 24 videos in shards, with two videos a process. Then resume from step 4.

    Returns:
        Whether the weights are the same at the end.
    """
    fields = {"model_fields": DROPOUT, "max_steps": 12, "per_device_train_batch_size": 2}
    fields |= {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}
    whole, resumed = output_dir / "sharded", output_dir / "sharded_resumed"
    trainer = finetuning(whole, clips=sharded_clips(shards, whole), save_strategy="steps", save_steps=4, **fields)
    trainer.train()
    weights = [weight.detach().clone() for weight in trainer.model.parameters()]
    with contextlib.suppress(RuntimeError):  # transformers 5.17, see above
        trainer = finetuning(resumed, clips=sharded_clips(shards, resumed), **fields)
        trainer.train(resume_from_checkpoint=whole / "checkpoint-4")
    return all(map(torch.equal, weights, trainer.model.parameters()))


STATE_DICT_TYPES = ("FULL_STATE_DICT", "SHARDED_STATE_DICT")
KEEPING_BEST = {
    "eval_strategy": "steps",
    "save_strategy": "steps",
    "eval_steps": 1,
    "save_steps": 1,
    "load_best_model_at_end": True,
    "metric_for_best_model": "loss",
}


def fsdp(state_dict_type, **config):
    return {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": state_dict_type, **config}}


def run_sharded(output_dir):
    """Decoder masking with FSDP2, and for each type of state dicts both stages, the best model and resuming."""
    masked = pretraining(output_dir / "masked", **DECODER_MASKING, **fsdp(STATE_DICT_TYPES[0]))
    masked.train()
    results = {"decoder masking": losses(masked)}
    for kind in STATE_DICT_TYPES:
        folder = output_dir / kind
        finetuned = finetuning(folder / "finetuning", **DECAYING, **KEEPING_BEST, **fsdp(kind))
        finetuned.train()
        resumed = finetuning(folder / "resumed", **DECAYING, **fsdp(kind))
        resumed.train(resume_from_checkpoint=folder / "finetuning" / "checkpoint-1")
        pretrained = pretraining(folder / "pretraining", max_steps=3, **fsdp(kind))
        pretrained.train()
        pretrained.save_model()
        results[kind] = {
            "finetuning": losses(finetuned),
            "resumed": losses(resumed),
            "pretraining": losses(pretrained),
            "best": Path(finetuned.state.best_model_checkpoint).name,
            "best_loss": finetuned.state.best_metric,
            "loss_of_best": finetuned.evaluate()["eval_loss"],
            "units": [name for name, unit in pretrained.model.named_modules() if isinstance(unit, FSDPModule)],
        }
    return results


def run_refused_sharding(output_dir):
    """The errors of runs with FSDP that are refused."""
    full, sharded = (fsdp(kind) for kind in STATE_DICT_TYPES)
    whole_checkpoint = output_dir / "finetuning" / "checkpoint-5"
    full_checkpoint = output_dir / "FULL_STATE_DICT" / "finetuning" / "checkpoint-1"
    folder = output_dir / "refused"
    attempts = {
        "average": lambda: finetuning(folder, trainer_fields={"ema_decay": 0.9}, **full),
        "FSDP1": lambda: finetuning(folder, **fsdp("FULL_STATE_DICT", version=1, sync_module_states=False)),
        "other type": lambda: finetuning(folder, **sharded).train(full_checkpoint),
        "whole checkpoint": lambda: finetuning(folder, **full).train(whole_checkpoint),
        "CPU": lambda: finetuning(folder),  # Accelerate has set ACCELERATE_USE_FSDP
    }
    messages = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except ValueError as error:
            messages[name] = str(error)
    return messages


if __name__ == "__main__":
    gc.freeze()  # each training run collects garbage, faster without the modules
    run_all(Path(sys.argv[1]), Path(sys.argv[2]))
