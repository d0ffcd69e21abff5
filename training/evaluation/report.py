"""Writes the report of an evaluation: metrics, predictions, a picture, a table."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ...extras import needs_extra
from ...files import whole_file
from ...hub.answer_kind import THRESHOLD
from ...hub.model_card.figures import METRICS, as_number, as_percent
from ...messages import console
from .label_metrics import REGRESSION_METRICS
from .metrics import CLASS_METRICS, figures_of_task, is_readable
from .predictions_file import PREDICTIONS_FILE, Predictions, read_predictions, write_predictions


with needs_extra("train"):
    from matplotlib.figure import Figure

    from ...figures import draw_confusion_matrix, draw_precision_recall, draw_truth_and_prediction


METRICS_FILE = "metrics.json"
CONFUSION_MATRIX_FILE = "confusion_matrix.png"
PICTURES = {
    "single_label": CONFUSION_MATRIX_FILE,
    "distribution": CONFUSION_MATRIX_FILE,
    "multi_label": "precision_recall.png",
    "regression": "truth_and_prediction.png",
}


def evaluation_files(task: str = "single_label") -> tuple[str, str, str]:
    """The files that `write_evaluation` writes for a task."""
    return METRICS_FILE, PREDICTIONS_FILE, PICTURES[task]


def write_evaluation(
    output_dir: str | Path,
    videos: Sequence[str],
    labels: np.ndarray,
    values: np.ndarray,
    label_names: Sequence[str],
    task: str = "single_label",
    *,
    threshold: float = THRESHOLD,
    units: Sequence[str | None] | None = None,
    frame_indices: np.ndarray | None = None,
    precision: str | None = None,
) -> dict:
    """Write the `evaluation_files`: `metrics.json`, `predictions.csv` and a picture.

    Args:
        output_dir: The folder of the files, which is made if it is missing.
        videos: Paths.
        labels: int (videos,) of single_label, otherwise float (videos, labels), or with frames between. Videos of
            label -100 or NaN are unreadable and in none of the files.
        values: float (videos, labels) or (videos, frames, labels): probabilities, or the numbers of regression.
        label_names: Names of the classes or quantities.
        task: One of `TASKS`.
        threshold: As for `figures_of_task`.
        units: Units of the quantities of regression. A quantity without unit has an empty one.
        frame_indices: Index in its video of each frame with a label, int (videos, frames). By default, frames are
            counted in the clip.
        precision: The type that the model computed with, such as `"bfloat16"`, for the report.

    Returns:
        The metrics of `figures_of_task`, `num_videos` and `num_unreadable_videos`. With frame-level labels, the
        metrics are those of frames, and there is `num_frames`. Quantities with a unit have it as `unit`. `precision`
        if it is given.

    Raises:
        ValueError: If no video could be read, or labels are impossible.
    """
    labels = labels if task == "single_label" else labels.reshape(values.shape)
    read = is_readable(labels, task)
    places = np.nonzero(read)
    predictions = Predictions(
        task,
        list(label_names),
        [videos[index] for index in places[0]],
        labels[read],
        values[read],
        _frames_at(places, frame_indices),
    )
    num_unreadable = len(videos) - len(set(places[0]))
    return write_report(output_dir, predictions, num_unreadable, threshold=threshold, units=units, precision=precision)


def _frames_at(places: tuple[np.ndarray, ...], frame_indices: np.ndarray | None) -> np.ndarray | None:
    if len(places) < 2:
        return None
    return places[1] if frame_indices is None else frame_indices[places]


def write_report(
    output_dir: str | Path,
    predictions: Predictions,
    num_unreadable_videos: int,
    *,
    threshold: float = THRESHOLD,
    units: Sequence[str | None] | None = None,
    precision: str | None = None,
) -> dict:
    """Write the report of predictions; otherwise as `write_evaluation`."""
    figures = figures_of_task(
        predictions.task, predictions.values, predictions.labels, predictions.label_names, threshold
    )
    for row, unit in zip(figures.get("quantities", {}).values(), units or (), strict=False):
        row |= {"unit": unit} if unit else {}
    num_rows = len(predictions.videos)
    if predictions.frames is None:
        figures |= {"num_videos": num_rows}
    else:
        figures |= {"num_videos": len(set(predictions.videos)), "num_frames": num_rows}
    figures |= {"num_unreadable_videos": num_unreadable_videos}
    figures |= {"precision": precision} if precision else {}
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    write_predictions(output_dir / PREDICTIONS_FILE, predictions)
    with whole_file(output_dir / PICTURES[predictions.task]) as file:
        _draw(predictions, figures).savefig(file, dpi=150)
    # This file is the last: if it exists, the others exist, too.
    with whole_file(output_dir / METRICS_FILE) as file:
        file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def pool_evaluations(folders: Sequence[str | Path], output_dir: str | Path) -> dict:
    """Write the report of the predictions of several evaluations together, such as the folds of a cross-validation.

    Args:
        folders: Folders of `write_evaluation`.
        output_dir: As for `write_evaluation`.

    Returns:
        As `write_evaluation`.

    Raises:
        ValueError: If the evaluations have different tasks, labels or thresholds.
    """
    read = [read_predictions(folder) for folder in folders]
    metrics = [json.loads(Path(folder, METRICS_FILE).read_text(encoding="utf-8")) for folder in folders]
    kinds = [_kind(*pair) for pair in zip(read, metrics, strict=True)]
    for folder, kind in zip(folders, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(
                f"'{folder}' evaluates {kind}, but '{folders[0]}' {kinds[0]}. Pool evaluations of one kind."
            )
    first = read[0]
    pooled = Predictions(
        first.task,
        first.label_names,
        [video for predictions in read for video in predictions.videos],
        np.concatenate([predictions.labels for predictions in read]),
        np.concatenate([predictions.values for predictions in read]),
        None if first.frames is None else np.concatenate([predictions.frames for predictions in read]),
    )
    num_unreadable = sum(figures["num_unreadable_videos"] for figures in metrics)
    precisions = {figures.get("precision") for figures in metrics}
    return write_report(
        output_dir,
        pooled,
        num_unreadable,
        threshold=metrics[0].get("threshold", THRESHOLD),
        units=_units_in(metrics[0]),
        precision=precisions.pop() if len(precisions) == 1 else None,
    )


def _units_in(figures: dict) -> list[str | None]:
    return [row.get("unit") for row in figures.get("quantities", {}).values()]


def _kind(predictions: Predictions, figures: dict) -> str:
    """What was evaluated, in words."""
    rows = "" if predictions.frames is None else " of frames"
    threshold = f" from the probability {figures['threshold']:g}" if "threshold" in figures else ""
    return f"the labels {', '.join(predictions.label_names)} ({predictions.task}{rows}){threshold}"


def print_evaluation(figures: dict):
    """Print a table of the metrics, and of those of each class or quantity, with notes on undefined ones."""
    task = figures.get("task", "single_label")
    if task == "regression":
        table = _table("", *(METRICS[name].title for name in REGRESSION_METRICS))
        for name, row in figures["quantities"].items():
            title = f"{name} ({row['unit']})" if "unit" in row else name
            table.add_row(Text(title), *(as_number(row[metric]) for metric in REGRESSION_METRICS))
        if len(figures["quantities"]) > 1:
            table.add_section()
            table.add_row("mean", *(as_number(figures[metric]) for metric in REGRESSION_METRICS))
    elif task == "multi_label":
        table = _table("", "AP %", "F1 %", "videos")
        for name, row in figures["labels"].items():
            table.add_row(Text(name), as_percent(row["average_precision"]), as_percent(row["f1"]), str(row["support"]))
        table.add_section()
        table.add_row("mean (mAP, macro F1)", as_percent(figures["map"]), as_percent(figures["macro_f1"]))
        table.add_row("micro F1", "", as_percent(figures["micro_f1"]))
    else:
        table = _table("", "%")
        for name in CLASS_METRICS:
            table.add_row(METRICS[name].title, as_percent(figures[name]))
        table.add_section()
        for name, accuracy in figures["class_accuracy"].items():
            table.add_row(Text(name), as_percent(accuracy))
    console().print(table)
    if task == "distribution":
        console().print(
            f"KL(label || prediction) is {figures['kl']:.4g} nats. Classes are those with the largest shares."
        )
    if figures.get("precision", "float32") != "float32":
        console().print(f"The model computed in {figures['precision']}, which changes scores a little.")
    for sentence in figures.get("notes", ()):
        console().print(Text(sentence))


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column(titles[0], overflow="fold")  # a long name gets several lines
    for title in titles[1:]:
        table.add_column(title, justify="right", min_width=6)
    return table


def _draw(predictions: Predictions, figures: dict) -> Figure:
    names = predictions.label_names
    if predictions.task == "regression":
        concordances = [row["ccc"] for row in figures["quantities"].values()]
        return draw_truth_and_prediction(
            predictions.labels, predictions.values, names, concordances, _units_in(figures)
        )
    if predictions.task == "multi_label":
        return draw_precision_recall(predictions.labels, predictions.values, names)
    return draw_confusion_matrix(np.array(figures["confusion_matrix"]), names)
