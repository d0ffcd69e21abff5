"""Writes the report of an evaluation: metrics, predictions, a picture of the confusion matrix, a table."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ...extras import needs_extra
from ...files import whole_file
from ...messages import console
from ..data.labels import UNREADABLE_LABEL
from .metrics import compute_figures


with needs_extra("train"):
    from ...figures import draw_confusion_matrix


METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
CONFUSION_MATRIX_FILE = "confusion_matrix.png"
EVALUATION_FILES = (METRICS_FILE, PREDICTIONS_FILE, CONFUSION_MATRIX_FILE)


def write_evaluation(
    output_dir: str | Path,
    videos: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
) -> dict:
    """Write `metrics.json`, `predictions.csv` and `confusion_matrix.png`.

    Args:
        output_dir: The folder of the files, which is made if it is missing.
        videos: Paths.
        labels: int (videos,). Videos of label -100 are unreadable and in none of the files.
        probabilities: float (videos, classes).
        label_names: The classes.

    Returns:
        The metrics of `FacialExpressionMetric`, `num_videos` and `num_unreadable_videos`.

    Raises:
        ValueError: If no video could be read.
    """
    read = labels != UNREADABLE_LABEL
    predictions = probabilities.argmax(axis=1)
    figures = compute_figures(predictions=predictions[read], references=labels[read], label_names=list(label_names))
    figures |= {"num_videos": int(read.sum()), "num_unreadable_videos": int((~read).sum())}
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    _write_predictions(output_dir / PREDICTIONS_FILE, videos, labels, probabilities, label_names)
    draw_confusion_matrix(np.array(figures["confusion_matrix"]), label_names).savefig(
        output_dir / CONFUSION_MATRIX_FILE, dpi=150
    )
    # This file is the last: if it exists, the others exist, too.
    with whole_file(output_dir / METRICS_FILE) as file:
        file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def read_predictions(output_dir: str | Path) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Read the videos, labels, probabilities and label names that `write_evaluation` wrote."""
    with Path(output_dir, PREDICTIONS_FILE).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    label_names = [name.removeprefix("probability_") for name in header[3:]]
    labels = np.array([label_names.index(row[1]) for row in rows])
    return [row[0] for row in rows], labels, np.array([row[3:] for row in rows], dtype=float), label_names


def print_evaluation(figures: dict):
    """Print a table of the metrics and of the accuracy of each class."""
    table = Table(box=box.SIMPLE)
    table.add_column("", overflow="fold")  # a long name gets several lines
    table.add_column("%", justify="right", min_width=6)
    for name, title in (("uar", "UAR"), ("war", "WAR"), *((f"{kind}_f1", f"{kind} F1") for kind in _AVERAGES)):
        table.add_row(title, f"{100 * figures[name]:.2f}")
    table.add_section()
    for name, accuracy in figures["class_accuracy"].items():
        table.add_row(Text(name), "-" if accuracy is None else f"{100 * accuracy:.2f}")
    console().print(table)


_AVERAGES = ("weighted", "micro", "macro")


def _write_predictions(path, videos, labels, probabilities, label_names):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", *(f"probability_{name}" for name in label_names)])
        for video, label, row in zip(videos, labels, probabilities, strict=True):
            if label != UNREADABLE_LABEL:
                prediction = label_names[row.argmax()]
                writer.writerow([video, label_names[label], prediction, *(f"{value:.6g}" for value in row)])
