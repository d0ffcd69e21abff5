"""A small training run of LGI-Former, for tests in this process and in others.

`python tiny_run.py OUTPUT_DIR SHARDS RUN...` has a fork for each run, which must kill itself. Each writes to
`OUTPUT_DIR/RUN`.
"""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import torch
from accelerate.utils import DistributedType
from torch.utils.data import Dataset, IterableDataset
from transformers import TrainerCallback, TrainingArguments

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking
from lgi_former.training.data.clips import ClipDataset
from lgi_former.training.data.collators import FinetuningCollator, PretrainingCollator, ViewCollator
from lgi_former.training.data.shard_order import ShardOrder
from lgi_former.training.data.sharded_videos import ShardedVideos
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.evaluation.metrics import make_compute_metrics
from lgi_former.training.trainer import LGIFormerTrainer


LABEL_NAMES = ["happy", "sad", "neutral"]
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "drop_path_rate": 0.2}


def tiny_config(**fields):
    return LGIFormerConfig(
        **{
            "image_size": 16,
            "patch_size": 4,
            "num_frames": 4,
            "region_size": (2, 2, 4),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "decoder_hidden_size": 12,
            "decoder_num_hidden_layers": 1,
            "decoder_num_attention_heads": 2,
            "decoder_intermediate_size": 16,
            "mask_ratio": 0.75,
            "num_labels": len(LABEL_NAMES),
            "initializer_range": 0.2,
            "classifier_init_scale": 1.0,
            **fields,
        }
    )


class Clips(Dataset):
    """Random clips, which depend on epoch and index alone, brighter by class."""

    def __init__(self, number=24):
        self.number = number
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        seed = 1000 * self.epoch + index
        label = index % len(LABEL_NAMES)
        pixel_values = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) + label
        return {"pixel_values": pixel_values, "labels": label, "seed": seed, "video": f"video_{index}.mp4"}


class Views(Clips):
    """Videos of one or two views; the last cannot be read."""

    def __getitem__(self, index):
        views = 1 + index % 2
        item = super().__getitem__(index)
        pixel_values = torch.stack([item["pixel_values"] / (1 + view) for view in range(views)])
        label = -100 if index == len(self) - 1 else item["labels"]
        return {
            "pixel_values": pixel_values,
            "view_weights": torch.tensor([[1.0], [0.25, 0.75]][views - 1]),
            "labels": label,
            "video": item["video"],
        }


class Stream(IterableDataset):
    """Clips for each process in turn, without an end. Records which were read."""

    def __init__(self):
        self.read = []

    def __iter__(self):
        clips = Clips(1000)
        process, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        for index in range(process, len(clips), processes):
            self.read.append(index)
            yield clips[index]


class BrokenClip(Clips):
    """One clip of the first epoch is not finite."""

    def __getitem__(self, index):
        item = super().__getitem__(index)
        if index == 7 and self.epoch == 0:
            item["pixel_values"] = item["pixel_values"] * float("nan")
        return item


def training_arguments(output_dir, **fields):
    arguments = TrainingArguments(
        **{
            "output_dir": str(output_dir),
            "use_cpu": True,
            "per_device_train_batch_size": 4,
            "per_device_eval_batch_size": 2,
            "max_steps": 20,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "ddp_find_unused_parameters": False,
            **fields,
        }
    )
    if arguments.fsdp:  # Accelerate (1.15) shards weights on GPUs only, so pretend
        arguments.distributed_state.distributed_type = DistributedType.MULTI_GPU
    return arguments


class RecordingTrainer(LGIFormerTrainer):
    """Records the videos of each step in `seen_PROCESS.jsonl`, if the run reads videos."""

    def training_step(self, model, inputs, *args, **kwargs):
        if isinstance(self.train_dataset, ClipDataset):
            with Path(self.args.output_dir, f"seen_{self.args.process_index}.jsonl").open("a") as file:
                file.write(json.dumps([self.state.global_step + 1, inputs["videos"]]) + "\n")
        return super().training_step(model, inputs, *args, **kwargs)


def seen(output_dir, process=0):
    """Videos of a process by step. For a repeated step, they are those of the last time."""
    return dict(map(json.loads, Path(output_dir, f"seen_{process}.jsonl").read_text().splitlines()))


def sharded_clips(shards, output_dir):
    """Clips of the videos in shards, read a few shards at a time."""
    videos = ShardedVideos(str(Path(shards, "index.json")))
    return ClipDataset(
        videos,
        lambda total_frames, generator: torch.randint(total_frames, (4,), generator=generator).numpy(),
        lambda clip, generator: clip[..., ::2, ::4].float() / 255,
        seed=0,
        skipped=SkippedVideos(output_dir, len(videos)),
        sampler=ShardOrder(videos.counts, seed=0, shuffle_buffer=10),
    )


def finetuning(output_dir, *, mix=0.8, model_fields=None, clips=None, callbacks=None, trainer_fields=None, **fields):
    """A trainer of the classifier."""
    torch.manual_seed(0)
    return RecordingTrainer(
        LGIFormerForVideoClassification(tiny_config(**(model_fields or {}))),
        training_arguments(output_dir, **fields),
        data_collator=FinetuningCollator(len(LABEL_NAMES), mixup_alpha=mix, cutmix_alpha=mix),
        train_dataset=clips or Clips(),
        eval_dataset=Views(7),
        eval_data_collator=ViewCollator(),
        compute_metrics=make_compute_metrics(LABEL_NAMES),
        callbacks=callbacks,
        **(trainer_fields or {}),
    )


def pretraining(output_dir, *, model_fields=None, **fields):
    """A trainer of the masked autoencoder."""
    torch.manual_seed(0)
    config = tiny_config(**(model_fields or {}))
    return LGIFormerTrainer(
        LGIFormerForPreTraining(config),
        training_arguments(output_dir, **fields),
        data_collator=PretrainingCollator(RegionTubeMasking(config)),
        train_dataset=Clips(),
    )


def losses(trainer):
    """Logged losses by step."""
    return {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}


def evaluate_views(trainer, number=7):
    """Metrics and predictions of a trainer on videos of several views."""
    output = trainer.predict(Views(number), metric_key_prefix="eval")
    metrics = {name: value for name, value in output.metrics.items() if "_per_second" not in name}
    return {"metrics": metrics, "predictions": output.predictions.tolist(), "labels": output.label_ids.tolist()}


class SoftLabels(Clips):
    """Clips with a probability for each class."""

    def __getitem__(self, index):
        item = super().__getitem__(index)
        return item | {"labels": torch.tensor([0.5, 0.3, 0.2]).roll(item["labels"])}


def stacked(items):
    """Single clips as a batch."""
    return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in ("pixel_values", "labels")}


def evaluation_losses(trainer, number=5):
    """`eval_loss` of a trainer on views, single clips and soft labels, with and without metrics."""
    found = {"views": trainer.evaluate(Views(number))["eval_loss"]}
    trainer.eval_data_collator = stacked
    found["clips"] = trainer.evaluate(Clips(number))["eval_loss"]
    trainer.compute_metrics = None
    found["clips without metrics"] = trainer.evaluate(Clips(number))["eval_loss"]
    found["soft labels"] = trainer.evaluate(SoftLabels(number))["eval_loss"]
    return found


DECODER_MASKING = {"model_fields": {"decoder_mask_ratio": 0.5}, "max_steps": 3, "bf16": True}
"""Pre-training in three steps of bfloat16. The decoder reconstructs half of the masked tubelets."""

DECAYING = {"mix": 0.0, "max_steps": 3, "trainer_fields": {"layer_decay": 0.5}}
"""Fine-tuning in three steps, with a learning rate for each layer."""

INTERRUPTED = {"model_fields": DROPOUT, "max_steps": 10, "save_strategy": "steps", "save_steps": 4, "logging_steps": 1}
"""A run of 10 steps in two epochs, saved after steps 4 and 8."""


class KillAfterStep(TrainerCallback):
    """Kills the process."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def run_killed(output_dir, shards):
    """Dies after step 6, between the checkpoints. Two workers read videos in shards."""
    clips = sharded_clips(shards, output_dir)
    workers = {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}
    finetuning(output_dir, clips=clips, callbacks=[KillAfterStep(6)], **workers, **INTERRUPTED).train()


def run_killed_while_saving(output_dir, shards):
    """Dies in step 8, half-way through the checkpoint's optimiser."""
    save = torch.save

    def save_half(content, path, *args, **kwargs):
        save(content, path, *args, **kwargs)
        if "checkpoint-8" in str(path) and "optimizer" in str(path):
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save_half
    finetuning(output_dir, **INTERRUPTED).train()


if __name__ == "__main__":
    output_dir, shards, *runs = sys.argv[1:]
    statuses = []
    for run in runs:
        arguments = Path(output_dir, run), shards
        process = multiprocessing.get_context("fork").Process(target=globals()[run], args=arguments)
        process.start()
        process.join()
        statuses.append(process.exitcode)
    sys.exit(statuses != [-signal.SIGKILL] * len(runs))
