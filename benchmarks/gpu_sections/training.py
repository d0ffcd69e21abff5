"""The base model, pre-trained and fine-tuned on drawn faces for minutes with `LGIFormerTrainer`."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from sklearn.metrics import recall_score
from torch.nn import functional as F
from torch.utils.data import Dataset
from transformers import TrainerCallback
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerTrainer, RegionTubeMasking
from lgi_former.training.data.collators import FinetuningCollator, PretrainingCollator
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces
from lgi_former.training.run.arguments import RecipeTrainingArguments

from .setting import Setting
from .stages import autocast


DRAWN_SIZE = 80  # then enlarged to the model's size, which makes drawing four times as fast
DRAWN_AT_ONCE = 7
SHARES = {
    "pre-training": 0.45,
    "fine-tuning": 0.3,
}  # of the section's time, without evaluation
TIMED_STEPS, FEWEST_STEPS = 20, 3  # the speed needs the ends of two steps after the first
BATCH_SIZE = 64


def run(setting: Setting) -> Iterator[dict]:
    """Draw, pre-train, fine-tune, evaluate on new people. Then fine-tune from scratch for comparison."""
    start = time.perf_counter()
    config = setting.config("lgi_former")
    faces = {
        name: _draw(config, setting.pick(number, 14), seed)
        for seed, (name, number) in enumerate((("train", 2800), ("test", 350)))
    }
    table = {"table": "Drawn faces, 7 classes, 16 frames of 160 x 160"}
    yield {**table, "what": "drawing", "s": time.perf_counter() - start, "clips": sum(map(len, faces.values()))}
    seconds = max(setting.seconds - (time.perf_counter() - start) - 15, 1)
    with tempfile.TemporaryDirectory() as folder:
        autoencoder = LGIFormerForPreTraining(config)
        collator = PretrainingCollator(RegionTubeMasking(config))
        trained = _train(setting, autoencoder, faces["train"], collator, folder, seconds * SHARES["pre-training"])
        yield {**table, "what": "pre-training", **trained}
        autoencoder.save_pretrained(folder, save_code=False)
        fields = {"num_labels": len(LABELS), "drop_path_rate": 0.1}
        pretrained = LGIFormerForVideoClassification.from_pretrained(folder, **fields)
        collator = FinetuningCollator(len(LABELS), mixup_alpha=0, cutmix_alpha=0, label_smoothing=0.1)
        for what, classifier, share in (
            ("fine-tuning, pre-trained", pretrained, SHARES["fine-tuning"]),
            ("fine-tuning, from scratch", LGIFormerForVideoClassification(pretrained.config), 0.15),
        ):
            trained = _train(setting, classifier, faces["train"], collator, folder, seconds * share)
            yield {**table, "what": what, **trained, "UAR": _uar(setting, classifier, faces["test"])}


class _Faces(Dataset):
    """Clips in memory, uint8 (clips, frames, 3, height, width), mirrored and shifted at random."""

    def __init__(self, clips: torch.Tensor, labels: list[int]):
        self.clips, self.labels = clips, labels

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator()
        seed = generator.seed() % 2**62
        clip = self.clips[index]
        if torch.rand(1, generator=generator) < 0.5:
            clip = clip.flip(-1)
        down, right = torch.randint(-6, 7, (2,), generator=generator).tolist()
        clip = clip.roll((down, right), dims=(-2, -1))
        return {
            "pixel_values": _normalised(clip),
            "labels": self.labels[index],
            "video": f"drawn face {index}",
            "seed": seed,
        }


def _normalised(clips):
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return (clips.float() / 255 - mean) / deviation


def _draw(config, number, seed):
    """Clips for a model, all classes equally often. Other seeds give other people."""
    labels = [index % len(LABELS) for index in range(number)]
    tasks = [
        (labels[first : first + DRAWN_AT_ONCE], 10**6 * seed + first, config)
        for first in range(0, number, DRAWN_AT_ONCE)
    ]
    # Forks start fast. They are possible because this section has not used the GPU yet.
    with torch.multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        return _Faces(torch.cat([torch.from_numpy(clips) for clips in pool.starmap(_drawn, tasks)]), labels)


def _drawn(labels, seed, config):
    torch.set_num_threads(1)
    clips = draw_faces(labels, torch.Generator().manual_seed(seed), config.num_frames, DRAWN_SIZE)
    frames = clips.permute(0, 1, 4, 2, 3).flatten(0, 1).float()
    frames = F.interpolate(frames, size=(config.image_size, config.image_size), mode="bilinear")
    # Return an array: it goes through a pipe. A tensor would need shared memory, which may be small.
    return frames.round().to(torch.uint8).unflatten(0, clips.shape[:2]).numpy()


class _Clock(TrainerCallback):
    """Ends training when its time is over, after three steps at the earliest, and records the end of each step."""

    def __init__(self, seconds: float):
        self.end = time.perf_counter() + seconds
        self.steps = []

    def on_step_end(self, args, state, control, **kwargs):
        self.steps.append(time.perf_counter())
        is_over = len(self.steps) >= FEWEST_STEPS and time.perf_counter() > self.end
        control.should_training_stop = control.should_training_stop or is_over


def _train(setting, model, faces, collator, folder, seconds):
    """Train for `seconds`. A few timed steps give the number of steps, which the schedule needs."""
    is_pretraining = isinstance(model, LGIFormerForPreTraining)
    batch_size = setting.pick(BATCH_SIZE, 4)

    def train(steps, clock):
        arguments = RecipeTrainingArguments(
            output_dir=str(Path(folder, "run")),
            max_steps=steps,
            per_device_train_batch_size=batch_size,
            learning_rate=6e-4 if is_pretraining else 3e-4,
            layer_decay=1.0 if is_pretraining else 0.75,
            adam_beta2=0.95 if is_pretraining else 0.999,
            weight_decay=0.05,
            warmup_steps=max(steps // 10, 1),
            lr_scheduler_type="cosine_with_min_lr",
            lr_scheduler_kwargs={"min_lr": 1e-6},
            logging_steps=max(steps // 20, 1),
            dataloader_num_workers=setting.pick(min(14, len(os.sched_getaffinity(0))), 0),
            bf16=setting.on_gpu,
            use_cpu=not setting.on_gpu,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = LGIFormerTrainer(
            model,
            arguments,
            train_dataset=faces,
            data_collator=collator,
            callbacks=[clock],
        )
        trainer.train()
        return trainer

    start = time.perf_counter()
    timed = setting.pick(TIMED_STEPS, 4)
    first = _Clock(seconds)
    train(timed, first)
    ends = first.steps[len(first.steps) // 2 :]
    left = seconds - (time.perf_counter() - start)
    startup = first.steps[0] - start  # workers also start again
    steps = setting.pick(max(int((left - startup) / (ends[-1] - ends[0]) * (len(ends) - 1)), 10), 2)
    middle = time.perf_counter()
    trainer = train(steps, _Clock(left))
    taken, done = time.perf_counter() - middle, trainer.state.global_step
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "s": time.perf_counter() - start,
        "steps": timed + done,
        "of planned": timed + steps,
        "clips/s": done * batch_size / taken,
        "first loss": losses[0],
        "last loss": losses[-1],
    }


@torch.no_grad()
def _uar(setting, model, faces):
    model.eval()
    predicted = []
    for clips in faces.clips.split(32):
        with autocast(setting):
            predicted += model(_normalised(clips).to(setting.device)).logits.argmax(dim=1).tolist()
    return float(recall_score(faces.labels, predicted, average="macro"))
