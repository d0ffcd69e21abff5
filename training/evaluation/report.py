"""Writes the report of an evaluation: metrics, predictions, a picture of the confusion matrix, a table."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
_COLUMNS = ["path", "label", "prediction"]
_PROBABILITY = "probability_"


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


class Predictions(NamedTuple):
    """The content of a `predictions.csv`.

    Attributes:
        videos (`list[str]`): Paths.
        labels (`np.ndarray`): Indices of the true classes, int (videos,).
        probabilities (`np.ndarray`): float (videos, classes).
        label_names (`list[str]`): The classes.
        predicted (`np.ndarray`): Indices of the predicted classes, int (videos,).
    """

    videos: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    label_names: list[str]
    predicted: np.ndarray


def read_predictions(source: str | Path) -> Predictions:
    """Read the predictions that `write_evaluation` wrote.

    Args:
        source: The folder of an evaluation, or its `predictions.csv`.

    Raises:
        ValueError: If the file is not the `predictions.csv` of an evaluation.
        OSError: If the file cannot be read.
    """
    file = Path(source)
    file = file / PREDICTIONS_FILE if file.is_dir() else file
    with file.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.reader(text)
        header = next(reader, [])
        titles = header[len(_COLUMNS) :]
        if header[: len(_COLUMNS)] != _COLUMNS or not titles or not titles[0].startswith(_PROBABILITY):
            raise ValueError(
                f"'{file}' is not the {PREDICTIONS_FILE} of an evaluation: its columns are not {', '.join(_COLUMNS)} "
                f"and {_PROBABILITY}... for each class. A table of `lgi-former predict` has no true classes."
            )
        names = [title.removeprefix(_PROBABILITY) for title in titles]
        rows = []
        for row in filter(None, reader):
            try:
                rows.append(_parsed_row(row, names))
            except ValueError as error:
                raise ValueError(f"'{file}', line {reader.line_num}: {error}") from error
    videos, labels, predicted, probabilities = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Predictions(
        list(videos),
        np.array(labels, dtype=np.int64),
        np.array(probabilities, dtype=float).reshape(-1, len(names)),
        names,
        np.array(predicted, dtype=np.int64),
    )


def _parsed_row(row: list[str], names: list[str]) -> tuple[str, int, int, list[float]]:
    if len(row) != len(_COLUMNS) + len(names):
        raise ValueError(f"{len(row)} values, but {len(_COLUMNS) + len(names)} columns.")
    video, label, prediction, *probabilities = row
    for name in (label, prediction):
        if name not in names:
            raise ValueError(f"'{name}' is not one of the classes.")
    return video, names.index(label), names.index(prediction), [float(value) for value in probabilities]


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
        writer.writerow([*_COLUMNS, *(f"{_PROBABILITY}{name}" for name in label_names)])
        for video, label, row in zip(videos, labels, probabilities, strict=True):
            if label != UNREADABLE_LABEL:
                prediction = label_names[row.argmax()]
                writer.writerow([video, label_names[label], prediction, *(f"{value:.6g}" for value in row)])
