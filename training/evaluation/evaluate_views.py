"""Evaluates a trainer's model on the views of videos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.clips import ViewDataset
from ..trainer import LGIFormerTrainer
from .report import print_evaluation, write_evaluation


def evaluate_views(
    trainer: LGIFormerTrainer, views: ViewDataset, output_dir: str | Path, label_names: Sequence[str]
) -> dict | None:
    """Predict every video, write the report with `write_evaluation`, and print a table.

    Args:
        trainer: Its `eval_data_collator` is `ViewCollator`.
        views: Labelled videos.
        output_dir: Folder of the report.
        label_names: The classes.

    Returns:
        The figures; None in all processes except the first.

    Raises:
        ValueError: If no video can be read.
        TooManySkippedVideosError: If more videos than allowed cannot be read.
    """
    output = trainer.predict(views)
    if not trainer.is_world_process_zero():
        return None
    probabilities = np.exp(output.predictions)
    figures = write_evaluation(output_dir, views.names(), output.label_ids, probabilities, label_names)
    print_evaluation(figures)
    return figures
