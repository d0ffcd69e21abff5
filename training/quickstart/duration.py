"""How long a quickstart takes on this machine, from a short timing."""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PrinterCallback, TrainerCallback

from .corpus import draw_part
from .decoded_clips import DecodedClips
from .drawn_faces import Part
from .outcome import Plan
from .recipe import (
    BATCH_SIZE,
    CROPS,
    IMAGE_SIZE,
    STEPS_BETWEEN_CHECKPOINTS,
    finetuning_run,
    new_autoencoder,
    new_classifier,
    pretraining_run,
)


TIMED_STEPS = 6
SECONDS_BESIDE = 20  # for loading libraries, saving models and drawing the figures
SHARE_OF_FORWARD = 1 / 3  # the share of a training step that evaluation needs


@dataclass
class Speed:
    """Seconds for drawing and reading a video of the corpus, and for a step of each training."""

    video: float
    pretraining_step: float
    finetuning_step: float


def measure_speed() -> Speed:
    """Time this machine for a few seconds."""
    print("== timing this machine ==", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        clips = DecodedClips(draw_part(Part(Path(folder, "videos"), BATCH_SIZE, seed=0)), IMAGE_SIZE, CROPS, seed=0)
        video = (time.monotonic() - start) / BATCH_SIZE
        options = {"steps": TIMED_STEPS, "seed": 0, "output_dir": folder, "save_strategy": "no"}
        pretraining, finetuning = StepTimes(), StepTimes()
        for trainer in (
            pretraining_run(new_autoencoder(0), clips, **options, callbacks=[pretraining]),
            finetuning_run(new_classifier(0), clips, **options, callbacks=[finetuning]),
        ):
            trainer.remove_callback(PrinterCallback)
            trainer.train()
    return Speed(video, pretraining.typical(), finetuning.typical())


class StepTimes(TrainerCallback):
    """Records when each step ends."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, *args, **kwargs):
        self.ends.append(time.monotonic())

    def typical(self) -> float:
        """Median of the seconds of a step. It ignores the slow first steps."""
        return statistics.median(np.diff(self.ends))


def seconds_needed(plan: Plan, speed: Speed) -> float:
    """Seconds that the stages of a plan take, both classifiers included."""
    videos = plan.num_unlabelled + plan.num_labelled + plan.num_tested
    evaluations = plan.finetuning_steps // STEPS_BETWEEN_CHECKPOINTS + 2
    evaluated_batches = evaluations * plan.num_tested / BATCH_SIZE
    finetuning_steps = 2 * (plan.finetuning_steps + SHARE_OF_FORWARD * evaluated_batches)
    return (
        videos * speed.video
        + plan.pretraining_steps * speed.pretraining_step
        + finetuning_steps * speed.finetuning_step
        + SECONDS_BESIDE
    )


def about_minutes(seconds: float) -> str:
    """A duration in words, such as "about 9 minutes"."""
    minutes = max(round(seconds / 60), 1)
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"
