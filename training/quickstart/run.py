"""`lgi-former quickstart`: the whole method on drawn faces, within minutes on two cores.

It draws a corpus, pre-trains on the unlabelled part, fine-tunes on the labelled part, and evaluates on other people.
Two controls train on the same labels for as many steps: a model from scratch, and the pre-trained model on single
frames.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from transformers import PreTrainedModel, TrainerCallback, set_seed

from ...configuration import LGIFormerConfig
from ...hub.model_card import ModelFacts
from ...image_processing import processor_for
from ...image_processing.augmentation import FinetuningAugmentation
from ...modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from ..data.annotations import load_annotations
from ..data.clips import ViewDataset
from ..data.skipped_videos import SkippedVideos
from ..evaluation.evaluate_views import evaluate_views
from ..run.arguments import RecipeTrainingArguments
from ..run.lifecycle import publish, train_and_save
from ..run.precision import bf16_is_faster
from ..run.starting_model import make_masking
from ..run.trainers import finetuning_trainer, pretraining_trainer
from ..trainer import LGIFormerTrainer
from .decoded_clips import DecodedClips, FrameViews, SingleFrame
from .drawn_faces import LABELS, NUM_FRAMES, SIZE, TIME_ORDER_LABELS, Part, write_part
from .outcome import Outcome, Plan
from .report import write_report


LABEL_NAMES = list(LABELS)
DATASET = "drawn-faces"
BATCH_SIZE = 64
NUM_WORKERS = 2

MASK_RATIO = 0.75
CONFIG = {
    "image_size": SIZE,
    "num_frames": NUM_FRAMES,
    "region_size": (2, 2, 4),  # the upper and the lower half of the face
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "decoder_hidden_size": 96,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 4,
    "decoder_intermediate_size": 384,
    "mask_ratio": MASK_RATIO,
}
STILL_FRAMES = 4  # length of a clip of one repeated frame: as many frames as a region has
ATTENTION = "eager"  # 1.3 to 1.8 times as fast as PyTorch's fused attention on short sequences on a CPU

# Shares of the available time. Evaluation and the report take the rest.
CORPUS_SHARE, PRETRAINING_SHARE, FINETUNING_SHARE = 0.11, 0.44, 0.14  # two fine-tunings, and one on single frames
TIMED_STEPS = 12
SECONDS_BESIDE = 8  # for loading libraries and drawing the figures
LABELLED_SHARE, TESTED_SHARE = 0.30, 0.10

PRETRAINED, FROM_SCRATCH, SINGLE_FRAMES = "pre-trained", "from scratch", "single frames"
FINETUNING_RATE, LAYER_DECAY = 2e-3, 0.8
LABEL_FIELDS = {
    "id2label": dict(enumerate(LABEL_NAMES)),
    "label2id": {name: index for index, name in enumerate(LABEL_NAMES)},
}
CLASSIFIER = LABEL_FIELDS | {"drop_path_rate": 0.1}

# The faces are small and cropped already, so crops must not cut much off. With the augmentation of the recipes, a
# model would learn too little in so few steps.
TRANSFORM = FinetuningAugmentation(SIZE, num_operations=0, crop_area=(0.75, 1.0), erasing_probability=0)


def quickstart(output_dir: str | Path = "quickstart", minutes: float = 6.0, seed: int = 0) -> Outcome:
    """Draw the corpus, train all models, evaluate them and write the report.

    Args:
        output_dir: A new folder. It gets `corpus`, `pretrained`, `model` (for `AutoModelForVideoClassification`),
            `evaluation`, `metrics.json` and `report.md` with its figures.
        minutes: Time for everything on this machine, at least 1. A short timing decides the size of the corpus and the
            numbers of steps.
        seed: Decides all random draws, except for the timing.

    Raises:
        ValueError: If `output_dir` is not empty, or `minutes` is less than 1.
    """
    output_dir = Path(output_dir)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise ValueError(f"'{output_dir}' already exists and is not empty. Choose another --output.")
    if not 1 <= minutes < math.inf:
        raise ValueError(f"{minutes:g} minutes are too few. Give at least 1.")
    start = time.monotonic()
    speed = measure_speed()
    spent = time.monotonic() - start + SECONDS_BESIDE
    plan = make_plan(60 * minutes - spent, speed)
    print(
        f"\nPlan for {minutes:g} minutes: {plan.num_unlabelled} unlabelled videos, {plan.num_labelled} labelled ones, "
        f"{plan.num_tested} to test on; {plan.pretraining_steps} steps of pre-training and {plan.finetuning_steps} of "
        f"each fine-tuning, of {BATCH_SIZE} clips."
    )
    return run_plan(plan, output_dir, seed)


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
        clips = DecodedClips(draw_part(Part(Path(folder, "videos"), BATCH_SIZE, seed=0)), TRANSFORM, seed=0)
        video = (time.monotonic() - start) / BATCH_SIZE
        steps = {"steps": TIMED_STEPS, "seed": 0, "output_dir": folder}
        pretraining, finetuning = StepTimes(), StepTimes()
        pretraining_run(new_autoencoder(0), clips, **steps, callbacks=[pretraining]).train()
        finetuning_run(new_classifier(0), clips, **steps, callbacks=[finetuning]).train()
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


def make_plan(seconds: float, speed: Speed) -> Plan:
    """Plan a run of this many seconds."""
    num_videos = int(CORPUS_SHARE * seconds / speed.video)
    num_tested = max(int(TESTED_SHARE * num_videos / len(LABELS)), 10) * len(LABELS)
    num_labelled = max(int(LABELLED_SHARE * num_videos / len(LABELS)), 10) * len(LABELS)
    return Plan(
        num_unlabelled=max(num_videos - num_tested - num_labelled, BATCH_SIZE),
        num_labelled=num_labelled,
        num_tested=num_tested,
        pretraining_steps=max(int(PRETRAINING_SHARE * seconds / speed.pretraining_step), 10),
        finetuning_steps=max(int(FINETUNING_SHARE * seconds / speed.finetuning_step), 10),
    )


def run_plan(plan: Plan, output_dir: str | Path, seed: int) -> Outcome:
    """Do everything after the timing; see `quickstart`."""
    output_dir = Path(output_dir)
    outcome = Outcome(seed, plan)
    with outcome.timed("corpus"):
        parts = draw_parts(plan, output_dir / "corpus", seed)
        unlabelled = DecodedClips(parts["unlabelled"], TRANSFORM, seed)
        labelled = DecodedClips(parts["labelled"], TRANSFORM, seed)

    pretrained_dir = output_dir / "pretrained"
    skipped = SkippedVideos(output_dir, plan.num_tested, max_fraction=0)
    with outcome.timed("pre-training"):
        pretraining = pretraining_run(new_autoencoder(seed), unlabelled, plan.pretraining_steps, seed, pretrained_dir)
        train_and_save(pretraining)
        outcome.histories["pre-training"] = pretraining.state.log_history

    processor = processor_for(pretraining.model.config, sampling_rate=1)
    views = ViewDataset(parts["test"], processor, skipped=skipped)
    frames = FrameViews(parts["test"], processor, skipped=skipped, num_frames=STILL_FRAMES)
    stills = labelled.with_transform(SingleFrame(TRANSFORM, STILL_FRAMES))

    def finetune_and_evaluate(name, model, clips, evaluated, is_saved=False, **options):
        with outcome.timed(name):
            trainer = finetuning_run(model, clips, plan.finetuning_steps, seed, output_dir / "model", **options)
            if is_saved:
                train_and_save(trainer)
            else:
                trainer.train()
            outcome.histories[name] = trainer.state.log_history
            folder = output_dir / "evaluation" / name.replace(" ", "_")
            figures = evaluate_views(trainer, evaluated, folder, LABEL_NAMES)
            outcome.figures[name] = figures | {"time_order_uar": time_order_uar(figures)}
        return trainer

    model = pretrained_classifier(pretrained_dir, seed)
    finetuned = finetune_and_evaluate(PRETRAINED, model, labelled, views, is_saved=True)
    finetuned.model_facts = ModelFacts(pretrained_dir, dataset=DATASET, figures=outcome.figures[PRETRAINED])
    publish(finetuned)
    # Layer decay would slow down layers that have not learnt anything yet.
    finetune_and_evaluate(FROM_SCRATCH, new_classifier(seed), labelled, views, layer_decay=1.0)
    of_frames = pretrained_classifier(pretrained_dir, seed, num_frames=STILL_FRAMES)
    finetune_and_evaluate(SINGLE_FRAMES, of_frames, stills, frames)
    with outcome.timed("report"):
        write_report(outcome, output_dir, pretraining.model, finetuned.model, processor)
    return outcome


def draw_parts(plan: Plan, folder: Path, seed: int) -> dict[str, datasets.Dataset]:
    """Draw the corpus: its parts `unlabelled`, `labelled` and `test`."""
    # Other seeds give other people. No two parts have the same seed, within a run or between runs.
    sizes = {"unlabelled": plan.num_unlabelled, "labelled": plan.num_labelled, "test": plan.num_tested}
    return {
        name: draw_part(Part(folder / name, size, seed=len(sizes) * seed + index))
        for index, (name, size) in enumerate(sizes.items())
    }


def draw_part(part: Part) -> datasets.Dataset:
    """Draw a part of the corpus and list its videos."""
    annotations = write_part(part, NUM_WORKERS)
    return load_annotations(annotations, label_names=LABEL_NAMES)


def pretraining_run(
    model: PreTrainedModel,
    clips: DecodedClips,
    steps: int,
    seed: int,
    output_dir: str | Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> LGIFormerTrainer:
    """Make the trainer of a masked autoencoder."""
    return pretraining_trainer(
        model,
        training_arguments(output_dir, steps, seed, learning_rate=2e-3, adam_beta2=0.95),
        clips,
        make_masking(model.config, MASK_RATIO),
        processor_for(model.config, sampling_rate=1),
        ModelFacts(dataset=DATASET),
        callbacks,
    )


def finetuning_run(
    model: PreTrainedModel,
    clips: DecodedClips,
    steps: int,
    seed: int,
    output_dir: str | Path,
    layer_decay: float = LAYER_DECAY,
    callbacks: Sequence[TrainerCallback] = (),
) -> LGIFormerTrainer:
    """Make the trainer of a classifier. All classifiers have the same recipe except for `layer_decay`."""
    return finetuning_trainer(
        model,
        training_arguments(
            *(output_dir, steps, seed),
            learning_rate=FINETUNING_RATE,
            layer_decay=layer_decay,
            label_smoothing_factor=0.1,
        ),
        clips,
        LABEL_NAMES,
        processor_for(model.config, sampling_rate=1),
        ModelFacts(dataset=DATASET),
        mixup_alpha=0,
        cutmix_alpha=0,
        callbacks=callbacks,
    )


def new_autoencoder(seed: int) -> LGIFormerForPreTraining:
    """Make a masked autoencoder from scratch."""
    set_seed(seed)
    return LGIFormerForPreTraining(LGIFormerConfig(**CONFIG, attn_implementation=ATTENTION))


def new_classifier(seed: int) -> LGIFormerForVideoClassification:
    """Make a classifier from scratch.

    Its encoder starts from the Xavier weights of pre-training. With them, so narrow a model learns far more in few
    steps than with the initial weights of the published classifier.
    """
    with tempfile.TemporaryDirectory() as folder:
        new_autoencoder(seed).save_pretrained(folder)
        return pretrained_classifier(folder, seed)


def pretrained_classifier(
    pretrained_dir: str | Path, seed: int, num_frames: int = NUM_FRAMES
) -> LGIFormerForVideoClassification:
    """Make a classifier with a pre-trained encoder, for clips of `num_frames` frames."""
    set_seed(seed)
    return LGIFormerForVideoClassification.from_pretrained(
        pretrained_dir, **CLASSIFIER, num_frames=num_frames, attn_implementation=ATTENTION
    )


def training_arguments(output_dir: str | Path, steps: int, seed: int, **fields) -> RecipeTrainingArguments:
    """Options that all training stages share."""
    return RecipeTrainingArguments(
        output_dir=str(output_dir),
        max_steps=steps,
        seed=seed,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=16,
        weight_decay=0.05,
        # The recipes do not clip gradients. At the high learning rate of these few steps clipping is safer: gradients
        # of fine-tuning have norms of 2 to 6.
        max_grad_norm=1.0,
        warmup_steps=max(steps // 10, 1),
        logging_steps=max(steps // 40, 1),
        bf16=bf16_is_faster(),
        save_strategy="no",
        report_to="none",
        **fields,
    )


def time_order_uar(figures: dict) -> float:
    """Mean recall of the classes that differ from another class only in the order of time."""
    return sum(figures["class_accuracy"][name] for name in TIME_ORDER_LABELS) / len(TIME_ORDER_LABELS)
