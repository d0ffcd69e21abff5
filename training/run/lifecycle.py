"""The steps of a training run: check the output folder, train or resume, save, upload, report skipped videos."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from accelerate import PartialState
from transformers import PrinterCallback
from transformers.utils import logging

from ...files import LOCK_FILE, only_writer
from ...hub.weight_files import check_finite
from ...messages import is_quiet, note, suggest
from ..data.skipped_videos import SkippedVideos
from ..evaluation.report import evaluation_files
from ..trainer import LGIFormerTrainer
from ..trainer.whole_checkpoints import newest_whole_checkpoint
from .arguments import RecipeTrainingArguments
from .run_data import BAD_VIDEOS_FILE
from .starting_commit import STARTING_MODEL_FILE, record_starting_model


logger = logging.get_logger(__name__)

NEWEST = ("true", "last", "newest")
"""Values of `--resume_from_checkpoint` that mean the newest complete checkpoint of the output folder."""


@contextlib.contextmanager
def only_run_in(training: RecipeTrainingArguments) -> Iterator[None]:
    """Hold the lock of the output folder in a `with` block. One process of a distributed run holds it.

    Raises:
        ValueError: As `only_writer` and `check_output_dir`.
        NotWrittenError: If something in the block cannot be written. It is an `OSError`.
    """
    if not training.should_save:
        yield
        return
    with only_writer(Path(training.output_dir)):  # first: a folder where a run works is not to be resumed
        check_output_dir(training)
        yield


def check_output_dir(training: RecipeTrainingArguments):
    """Check that the output folder is empty, unless a run is resumed.

    Raises:
        ValueError: If the folder has files in it.
    """
    folder = Path(training.output_dir)
    if training.process_index > 0 or training.resume_from_checkpoint or not folder.exists():
        return
    # `--check_data` and a run that ended before its first checkpoint leave no more than these files.
    if any(entry.name not in (LOCK_FILE, BAD_VIDEOS_FILE, STARTING_MODEL_FILE) for entry in folder.iterdir()):
        raise ValueError(
            f"output_dir '{folder}' is not empty. Choose another folder, or resume the run in it with "
            "--resume_from_checkpoint true."
        )


def warn_of_selection(training: RecipeTrainingArguments):
    """Warn that the evaluated videos select the model, if they do."""
    if training.load_best_model_at_end:
        logger.warning(
            "The best checkpoint is chosen on the videos that are evaluated, so its figures are too good. The "
            "published code also chooses on the test list. Evaluate the model on other videos too."
        )


def train_and_save(trainer: LGIFormerTrainer):
    """Train, then save the model, its card, its processor and the run's state in the output folder.

    Raises:
        TooManySkippedVideosError: If more videos than allowed cannot be read.
        NonFiniteLossError: If the loss of a step is not finite.
        ValueError: If the weights are not finite after the last step.
    """
    if is_quiet():
        trainer.remove_callback(PrinterCallback)
    if trainer.is_world_process_zero():
        record_starting_model(trainer.model_facts, trainer.args)
    outcome = trainer.train(_checkpoint(trainer.args))
    if not trainer.is_fsdp_enabled:  # no process has whole weights
        check_finite(trainer.accelerator.unwrap_model(trainer.model), "The trained model")
    trainer.save_model()
    trainer.create_model_card()
    trainer.save_state()
    if not is_quiet():
        trainer.log_metrics("train", outcome.metrics)


def publish(trainer: LGIFormerTrainer, figures: dict | None = None):
    """Write the card of the saved model again, and upload the model if `push_to_hub` is set.

    Args:
        trainer: Its model is in the output folder.
        figures: Those of an evaluation, for the card.
    """
    if figures is not None:
        trainer.model_facts.figures = figures
    trainer.create_model_card()
    if trainer.args.push_to_hub:
        trainer.push_to_hub()


def report_written(training: RecipeTrainingArguments, evaluated: bool, *next_command: str, task: str = "single_label"):
    """Say what the run wrote, and suggest the next command.

    Args:
        training: Options of the run.
        evaluated: Whether an evaluation was written, too.
        next_command: Words of the command.
        task: One of `TASKS`: what was evaluated.
    """
    if not PartialState().is_main_process:
        return
    evaluation = f" and its evaluation ({', '.join(evaluation_files(task))})" if evaluated else ""
    note(f"Wrote the model{evaluation} to '{training.output_dir}'.")
    suggest(*next_command)


def report_skipped(trainer: LGIFormerTrainer, skipped: SkippedVideos):
    """Print how many videos could not be read, if any."""
    number = len(skipped.listed())
    if number and trainer.is_world_process_zero() and not is_quiet():
        print(f"{number} of {skipped.total} videos could not be read and were skipped. See {skipped.path}.")


def _checkpoint(training: RecipeTrainingArguments) -> str | None:
    """The checkpoint to resume from. If the newest is wanted and there is none, logs a warning and returns None."""
    resume = training.resume_from_checkpoint
    if resume is None or str(resume).lower() not in NEWEST:
        return resume
    newest = newest_whole_checkpoint(training.output_dir)
    if newest is None:
        logger.warning(f"No complete checkpoint is in {training.output_dir}. Training starts from the beginning.")
    return newest and str(newest)
