"""Evaluates a trainer's model on the views of videos."""

from collections.abc import Sequence
from pathlib import Path

from ...hub.answer_kind import THRESHOLD
from ..data.clips import ViewDataset
from ..trainer import LGIFormerTrainer
from .metrics import values_of
from .report import print_evaluation, write_evaluation


def evaluate_views(
    trainer: LGIFormerTrainer,
    views: ViewDataset,
    output_dir: str | Path,
    label_names: Sequence[str],
    task: str = "single_label",
    threshold: float = THRESHOLD,
) -> dict | None:
    """Predict every video, write the report with `write_evaluation`, and print a table.

    Args:
        trainer: Its `eval_data_collator` is `ViewCollator`.
        views: Labelled videos.
        output_dir: Folder of the report.
        label_names: The classes or quantities.
        task: One of `TASKS`: what the labels of the videos are.
        threshold: As for `multi_label_figures`.

    Returns:
        The figures; None in all processes except the first.

    Raises:
        ValueError: If no video can be read, or a frame-level model has several views of a video.
        TooManySkippedVideosError: If more videos than allowed cannot be read.
    """
    output = trainer.predict(views)
    if not trainer.is_world_process_zero():
        return None
    values = values_of(output.predictions, task)
    figures = write_evaluation(
        output_dir,
        views.names(),
        output.label_ids,
        values,
        label_names,
        task,
        threshold=threshold,
        frame_indices=views.frame_indices(),
        precision=_precision_of(trainer),
        units=getattr(trainer.model.config, "label_units", None),
    )
    print_evaluation(figures)
    return figures


def _precision_of(trainer: LGIFormerTrainer) -> str:
    mixed = {"bf16": "bfloat16", "fp16": "float16"}.get(trainer.accelerator.mixed_precision)
    return mixed or str(trainer.model.dtype).removeprefix("torch.")
