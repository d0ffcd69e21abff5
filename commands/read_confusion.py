"""Reads the confusion matrix of an evaluation from the files of `lgi-former evaluate`."""

import csv
import json
from pathlib import Path

import numpy as np

from ..training.evaluation.report import METRICS_FILE, PREDICTIONS_FILE, read_predictions


def read_confusion(source: str | Path) -> tuple[np.ndarray, list[str]]:
    """Read a confusion matrix and the names of the classes.

    Args:
        source: The folder of an evaluation, its `metrics.json` or its `predictions.csv`. In a folder, `metrics.json`
            is read if it exists.

    Returns:
        int64 (true classes, predicted classes), and the names.

    Raises:
        ValueError: If there is no such file, or its content is not that of an evaluation.
        OSError: If the file cannot be read.
    """
    source = Path(source)
    if source.is_dir():
        files = [source / name for name in (METRICS_FILE, PREDICTIONS_FILE) if (source / name).is_file()]
        if not files:
            raise ValueError(
                f"'{source}' holds no {METRICS_FILE} and no {PREDICTIONS_FILE}: it is not the folder of an evaluation."
            )
        source = files[0]
    if not source.is_file():
        raise ValueError(f"There is no file or folder '{source}'. Give the folder of an evaluation.")
    try:
        return _read_metrics(source) if source.suffix.lower() == ".json" else _read_predictions(source)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{source}' is not a text file in UTF-8. Give the folder of an evaluation.") from error


def _read_metrics(file: Path) -> tuple[np.ndarray, list[str]]:
    try:
        metrics = json.loads(file.read_text(encoding="utf-8-sig"))
        names = list(metrics["class_accuracy"].keys())
        matrix = np.array(metrics["confusion_matrix"])
    except UnicodeDecodeError:
        raise
    except KeyError as error:
        if (task := metrics.get("task")) is None:
            raise ValueError(_not_metrics(file)) from error
        raise ValueError(f"'{file}' evaluates the task {task}, which has no confusion matrix.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(_not_metrics(file)) from error
    if matrix.dtype.kind not in "iu" or matrix.shape != (len(names), len(names)) or (matrix < 0).any():
        raise ValueError(f"The confusion matrix in '{file}' is not a count for each pair of its {len(names)} classes.")
    if not matrix.sum():
        raise ValueError(f"The confusion matrix in '{file}' counts no video.")
    return matrix.astype(np.int64), names


def _not_metrics(file: Path) -> str:
    return f"'{file}' is not the {METRICS_FILE} of an evaluation: it has no 'class_accuracy' and 'confusion_matrix'."


def _read_predictions(file: Path) -> tuple[np.ndarray, list[str]]:
    predictions = read_predictions(file)
    if not predictions.videos:
        raise ValueError(f"'{file}' holds no video.")
    classes = len(predictions.label_names)
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, predictions.classes(), 1)
    return matrix, predictions.label_names
