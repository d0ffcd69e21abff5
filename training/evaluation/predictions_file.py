"""`predictions.csv`: the labels and predictions of an evaluation, written and read."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import as_text_cell, from_text_cell, whole_file


PREDICTIONS_FILE = "predictions.csv"
FRAME = "frame"
_CLASSES = ("label", "prediction")

# Columns after the path and the frame: some fixed ones, then for each prefix a column of each label.
LAYOUTS = {
    "single_label": (_CLASSES, ("probability_",)),
    "distribution": (_CLASSES, ("share_", "probability_")),
    "multi_label": ((), ("label_", "probability_")),
    "regression": ((), ("label_", "prediction_")),
}


@dataclass
class Predictions:
    """Labels and predictions. A row is a video, or a frame of a video for a frame-level model.

    Attributes:
        task: One of `TASKS`.
        label_names: Names of the classes or quantities.
        videos: Path of the video of each row.
        labels: int (rows,) of single_label, otherwise float (rows, labels).
        values: float (rows, labels): probabilities, or the predicted numbers of regression.
        frames: Index of the frame in its video, int (rows,). None if the labels are those of videos.
        winners: Indices of the true and the predicted classes, two int (rows,). None if the task has no such class.
            The first of equal shares or probabilities is the class.
    """

    task: str
    label_names: list[str]
    videos: list[str]
    labels: np.ndarray
    values: np.ndarray
    frames: np.ndarray | None = None
    winners: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self):
        if self.winners is None and LAYOUTS[self.task][0]:
            true = self.labels.argmax(axis=1) if self.task == "distribution" else self.labels
            self.winners = true, self.values.argmax(axis=1)

    def classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return `winners`.

        Raises:
            ValueError: If the task has no such classes.
        """
        if self.winners is None:
            what = "numbers" if self.task == "regression" else "several labels a video"
            raise ValueError(
                f"The evaluation is one of {what} ({', '.join(self.label_names)}), so a video has no single class."
            )
        return self.winners


def write_predictions(file: Path, predictions: Predictions):
    """Write predictions as CSV: a header, then a line for each row.

    Numbers have the 9 digits that tell apart float32 numbers, also large ones with small differences. Spreadsheets run
    no name as a formula (`as_text_cell`). `read_predictions` reads the same names.
    """
    fixed, prefixes = LAYOUTS[predictions.task]
    frame = [] if predictions.frames is None else [FRAME]
    names = predictions.label_names
    parts = [predictions.values] if predictions.task == "single_label" else [predictions.labels, predictions.values]
    numbers = np.concatenate(parts, axis=1)
    with whole_file(file) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        titles = ["path", *frame, *fixed, *(f"{prefix}{name}" for prefix in prefixes for name in names)]
        writer.writerow(map(as_text_cell, titles))
        for index, (video, row) in enumerate(zip(predictions.videos, numbers, strict=True)):
            place = [video] if predictions.frames is None else [video, predictions.frames[index]]
            classes = [names[winners[index]] for winners in predictions.winners or ()]
            writer.writerow(map(as_text_cell, [*place, *classes, *(f"{value:.9g}" for value in row)]))


def read_predictions(source: str | Path) -> Predictions:
    """Read the predictions of an evaluation.

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
        texts = (list(map(from_text_cell, row)) for row in reader)
        task, names, has_frames = _read_header(next(texts, []), file)
        rows = []
        for row in filter(None, texts):
            try:
                rows.append(_parsed_row(row, task, names, has_frames))
            except ValueError as error:
                raise ValueError(f"'{file}', line {reader.line_num}: {error}") from error
    videos, frames, classes, numbers = zip(*rows, strict=True) if rows else ((), (), (), ())
    fixed, prefixes = LAYOUTS[task]
    winners = tuple(np.array(classes, dtype=np.int64).reshape(-1, len(fixed)).T) if fixed else None
    *labels, values = np.array(numbers, dtype=float).reshape(-1, len(prefixes), len(names)).swapaxes(0, 1)
    frames = np.array(frames, dtype=np.int64) if has_frames else None
    return Predictions(task, names, list(videos), labels[0] if labels else winners[0], values, frames, winners)


def _read_header(header: list[str], file: Path) -> tuple[str, list[str], bool]:
    """The task, the names of the labels, and whether a row is a frame."""
    has_frames = header[1:2] == [FRAME]
    for task, (fixed, prefixes) in LAYOUTS.items():
        start = ["path", *[FRAME] * has_frames, *fixed]
        titles = header[len(start) :]
        names = [title.removeprefix(prefixes[0]) for title in titles[: len(titles) // len(prefixes)]]
        if names and header == [*start, *(f"{prefix}{name}" for prefix in prefixes for name in names)]:
            return task, names, has_frames
    raise ValueError(
        f"'{file}' is not the {PREDICTIONS_FILE} of an evaluation: its columns are not path, label, prediction and "
        "probability_... for each class, nor those of another task. A table of `lgi-former predict` has no true "
        "classes."
    )


def _parsed_row(row: list[str], task: str, names: Sequence[str], has_frames: bool) -> tuple:
    """The video, the frame, the indices of the classes, and the numbers."""
    fixed, prefixes = LAYOUTS[task]
    start = 1 + has_frames
    columns = start + len(fixed) + len(names) * len(prefixes)
    if len(row) != columns:
        raise ValueError(f"{len(row)} values, but {columns} columns.")
    classes, numbers = row[start : start + len(fixed)], row[start + len(fixed) :]
    for name in classes:
        if name not in names:
            raise ValueError(f"'{name}' is not one of the classes.")
    frame = int(row[1]) if has_frames else 0
    return row[0], frame, [names.index(name) for name in classes], [float(number) for number in numbers]
