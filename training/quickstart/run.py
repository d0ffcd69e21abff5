"""`lgi-former quickstart`: the whole method on drawn faces, within minutes on two cores.

It draws a corpus, pre-trains without labels, fine-tunes with labels, and evaluates on other people. For comparison,
the same model trains from scratch on the same labels for as many steps.
"""

import shutil
from pathlib import Path

import datasets
from transformers import PreTrainedModel
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ...files import LOCK_FILE, only_writer
from ...hub.model_card import ModelFacts
from ...image_processing import processor_for
from ...messages import print_step
from ..data.skipped_videos import SkippedVideos
from ..evaluation.evaluate_views import evaluate_views
from ..run.lifecycle import publish, train_and_save
from ..trainer import LGIFormerTrainer
from .corpus import draw_parts
from .decoded_clips import DecodedClips, DecodedViews
from .drawn_faces import TIME_ORDER_LABELS
from .duration import about_minutes, measure_speed, seconds_needed
from .outcome import DEFAULT_PLAN, PROGRESS_FILE, QUICK_PLAN, Outcome, Plan
from .progress import show_progress
from .recipe import (
    CROPS,
    DATASET,
    IMAGE_SIZE,
    LABEL_NAMES,
    finetuning_run,
    new_autoencoder,
    new_classifier,
    pretrained_classifier,
    pretraining_run,
)
from .report import FROM_SCRATCH, PRETRAINED, write_report


CORPUS, PRETRAINING, REPORT = "corpus", "pre-training", "report"
QUICK_WARNING = (
    "This quick run shows that everything works. Its models have too few steps to learn much: expect accuracies near "
    "chance."
)


def quickstart(
    output_dir: str | Path = "quickstart", seed: int | None = None, quick: bool = False, resume: bool = False
) -> Outcome:
    """Draw the corpus, train both models, evaluate them and write the report.

    Args:
        output_dir: A new folder. It gets `corpus`, `pretrained`, `model` (for `AutoModelForVideoClassification`),
            `from_scratch`, `evaluation`, `metrics.json` and `report.md` with its figures.
        seed: Decides all random draws, by default 0.
        quick: Take few videos and few steps. The models then learn little.
        resume: Go on with the quickstart in `output_dir`, with its seed and plan.

    Raises:
        ValueError: If `seed` is out of range, `output_dir` is not empty, or there is no quickstart to resume, or it
            has another seed or plan. If another process writes to `output_dir`.
        NotWrittenError: If something cannot be written, for example to a full disk. It is an `OSError`.
    """
    output_dir = Path(output_dir)
    if seed is not None and not 0 <= seed < 2**32:
        raise ValueError(f"--seed {seed} is out of range. Give a whole number from 0 to {2**32 - 1}.")
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"'{output_dir}' is a file. Choose another --output.")
    with only_writer(output_dir):
        if resume:
            outcome = _resumed(output_dir, seed, quick)
            print_step(f"Resuming '{output_dir}'. Finished stages: {', '.join(outcome.finished) or 'none'}.")
        else:
            _check_new(output_dir)
            outcome = Outcome(seed or 0, QUICK_PLAN if quick else DEFAULT_PLAN)
            outcome.save(output_dir)
            print_step(f"\n{announcement(outcome.plan, seconds_needed(outcome.plan, measure_speed()))}")
        return run_stages(outcome, output_dir)


def announcement(plan: Plan, seconds: float) -> str:
    """The plan and its duration in plain words."""
    videos = plan.num_unlabelled + plan.num_labelled + plan.num_tested
    return (
        f"Plan: {videos} videos, {plan.pretraining_steps} steps of pre-training, {plan.finetuning_steps} steps for "
        f"each of 2 classifiers.\n"
        f"This takes {about_minutes(seconds)} on this machine. Ctrl-C is safe: `--resume` goes on."
        + (f"\n{QUICK_WARNING}" if plan == QUICK_PLAN else "")
    )


def run_stages(outcome: Outcome, output_dir: Path) -> Outcome:
    """Run the stages that are not finished. A stage that was interrupted goes on from its newest checkpoint."""
    plan, seed = outcome.plan, outcome.seed
    with outcome.stage(CORPUS, output_dir):
        parts = draw_parts(plan, output_dir / "corpus", seed)
    skipped = SkippedVideos(output_dir, plan.num_tested, max_fraction=0)
    pretrained_dir = output_dir / "pretrained"
    if PRETRAINING not in outcome.finished:
        with outcome.stage(PRETRAINING, output_dir):
            videos = datasets.concatenate_datasets([parts["unlabelled"], parts["labelled"]])
            clips = DecodedClips(videos, IMAGE_SIZE, CROPS, seed)
            trainer = pretraining_run(new_autoencoder(seed), clips, plan.pretraining_steps, seed, pretrained_dir)
            show_progress(trainer)
            train_and_save(trainer)
            outcome.histories[PRETRAINING] = trainer.state.log_history
            _remove_checkpoints(trainer)

    stages = _Finetuning(outcome, output_dir, parts, skipped)
    if PRETRAINED not in outcome.finished:
        model = pretrained_classifier(pretrained_dir, seed)
        facts = ModelFacts(pretrained_dir, dataset=DATASET)
        stages.run(PRETRAINED, model, output_dir / "model", facts)
    if FROM_SCRATCH not in outcome.finished:
        # Layer decay would slow down layers that have not learnt anything yet.
        facts = ModelFacts(dataset=DATASET)
        stages.run(FROM_SCRATCH, new_classifier(seed), output_dir / "from_scratch", facts, layer_decay=1.0)
    with outcome.stage(REPORT, output_dir):
        write_report(outcome, output_dir)
    return outcome


class _Finetuning:
    """The stages of fine-tuning, which share the labelled clips and the views of the test videos."""

    def __init__(self, outcome: Outcome, output_dir: Path, parts: dict, skipped: SkippedVideos):
        self.outcome, self.output_dir, self.parts, self.skipped = outcome, output_dir, parts, skipped
        self.data = None

    def run(self, name: str, model: PreTrainedModel, model_dir: Path, facts: ModelFacts, **options):
        """Fine-tune a classifier, save it, evaluate it, and write the figures into its card."""
        outcome = self.outcome
        with outcome.stage(name, self.output_dir):
            clips, views = self.data = self.data or self._read(model)
            steps, seed = outcome.plan.finetuning_steps, outcome.seed
            trainer = finetuning_run(model, clips, steps, seed, model_dir, views=views, **options)
            show_progress(trainer)
            train_and_save(trainer)
            outcome.histories[name] = trainer.state.log_history
            folder = self.output_dir / "evaluation" / name.replace(" ", "_")
            figures = evaluate_views(trainer, views, folder, LABEL_NAMES)
            outcome.figures[name] = figures | {"time_order_uar": time_order_uar(figures)}
            facts.figures = outcome.figures[name]
            trainer.model_facts = facts
            publish(trainer)
            _remove_checkpoints(trainer)

    def _read(self, model: PreTrainedModel) -> tuple[DecodedClips, DecodedViews]:
        clips = DecodedClips(self.parts["labelled"], IMAGE_SIZE, CROPS, self.outcome.seed)
        processor = processor_for(model.config, sampling_rate=1)
        return clips, DecodedViews(self.parts["test"], processor, skipped=self.skipped)


def _remove_checkpoints(trainer: LGIFormerTrainer):
    """Remove the checkpoints of a finished stage. Only an interrupted stage needs them."""
    for checkpoint in Path(trainer.args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)


def time_order_uar(figures: dict) -> float:
    """Mean recall of the classes that differ from another class only in the order of time."""
    return sum(figures["class_accuracy"][name] for name in TIME_ORDER_LABELS) / len(TIME_ORDER_LABELS)


def _check_new(output_dir: Path):
    """
    Raises:
        ValueError: If the folder is not empty.
    """
    if all(entry.name == LOCK_FILE for entry in output_dir.iterdir()):
        return
    if (output_dir / PROGRESS_FILE).is_file():
        raise ValueError(f"'{output_dir}' has a quickstart. Add --resume to go on, or choose another --output.")
    raise ValueError(f"'{output_dir}' already exists and is not empty. Choose another --output.")


def _resumed(output_dir: Path, seed: int | None, quick: bool) -> Outcome:
    outcome = Outcome.load(output_dir)
    if seed is not None and seed != outcome.seed:
        raise ValueError(f"'{output_dir}' was started with seed {outcome.seed}. Resume it without --seed {seed}.")
    if quick and outcome.plan != QUICK_PLAN:
        raise ValueError(f"'{output_dir}' was not started with --quick. Resume it without --quick.")
    return outcome
