"""Evaluating a trainer's model on the views of videos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.clips import ViewDataset
from ..trainer import LGIFormerTrainer
from .report import print_evaluation, write_evaluation


def evaluate_views(
    trainer: LGIFormerTrainer, views: ViewDataset, output_dir: str | Path, label_names: Sequence[str]
) -> dict | None:
    """Predict every video, write what `write_evaluation` writes and print the table.

    Args:
        trainer: With `ViewCollator` as its `eval_data_collator`.
        views: Labelled videos.
        output_dir: Where to write.
        label_names: The classes.

    Returns:
        The figures; None in other processes than the first, which do not have all predictions written.

    Raises:
        ValueError: If no video could be read.
        TooManySkippedVideosError: If more videos than allowed cannot be read.
    """
    output = trainer.predict(views)
    if not trainer.is_world_process_zero():
        return None
    probabilities = np.exp(output.predictions)
    figures = write_evaluation(output_dir, views.names(), output.label_ids, probabilities, label_names)
    print_evaluation(figures)
    return figures
