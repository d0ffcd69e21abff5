"""Labels of several values: the classes that apply, numbers, and votes for classes."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, List, Value

from .label_spelling import MINUS, SEPARATORS, is_missing
from .label_values import LabelFeature
from .labels import AnnotationError, distinct, in_lists, label_column
from .list_text import Annotations, refuse_first, shown


ONE_NUMBER = "value"
"""The name of the quantity of a regression if the list does not name it."""
NUMBER = rf"[+{MINUS}-]?(\d+\.?\d*|\.\d+)([eE][+{MINUS}-]?\d+)?"
_DECIMAL_COMMA = r"[+-]?\d*,\d+"
_INFINITE = r"(?i:[+-]?inf(inity)?)"
WITH_SIGN = rf"[$€£~<>≤≥±]\s*{NUMBER}|{NUMBER}\s*[%‰°$€£]\w?"  # such as 50%, no text
_TRUTH = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}

Place = Callable[[int], str]


class Labels(NamedTuple):
    """Labels of a list.

    Attributes:
        values (`pa.Array`): A label for each video, or for each frame of all videos.
        feature (`LabelFeature`): The type of a label.
    """

    values: pa.Array
    feature: LabelFeature


def vector_labels(annotations: Annotations, label_names: Sequence[str] | None, task: str) -> Labels:
    """Read the labels of a task whose labels have several values.

    Args:
        annotations: Their `columns` hold the labels if `labels` is None.
        label_names: The classes or quantities in their order, by default those of the list.
        task: `"multi_label"`, `"regression"` or `"distribution"`.

    Raises:
        AnnotationError: If a label is wrong. The message names the line.
    """
    if task == "distribution" and annotations.labels is not None:
        raise AnnotationError(f"{annotations.place(0)}: {one_class_only(task)}")
    columns, place = _named_columns(annotations, label_names, task), annotations.place_of_label
    if task == "multi_label" and annotations.labels is not None:
        return _listed_classes(annotations.labels, label_names, place)
    if not columns:
        raise AnnotationError(
            f"{annotations.place(0)}: there is no column of numbers for --task {task}. Give one column for each label."
        )
    if task == "multi_label":
        return _flagged_classes({name: truth_values(column, name, place) for name, column in columns.items()})
    values = {name: numbers_of(column, name, place) for name, column in columns.items()}
    if task == "distribution":
        values = _shares(values, place)
    arrays = [pa.array(column, pa.float32()) for column in values.values()]
    return Labels(pa.StructArray.from_arrays(arrays, list(values)), dict.fromkeys(values, Value("float32")))


def one_class_only(task: str) -> str:
    """The problem of a list with one class for each video, in sentences, if the task needs columns of numbers."""
    return (
        f"each video has one label, but --task {task} needs a column of numbers for each label. Leave --task out if "
        "the labels are classes."
    )


def _named_columns(annotations: Annotations, label_names: Sequence[str] | None, task: str) -> dict[str, pa.Array]:
    """The columns by the names of the labels."""
    columns = annotations.columns if annotations.labels is None else {ONE_NUMBER: annotations.labels}
    if label_names is None or (annotations.labels is not None and task == "multi_label"):
        return columns
    if len(label_names) != len(columns):
        raise AnnotationError(
            f"{annotations.place(0)}: --labels names {', '.join(label_names)}, which are {len(label_names)}, but the "
            f"list has {len(columns)} columns of labels."
        )
    return dict(zip(label_names, columns.values(), strict=True))


def looks_like_numbers(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether half of the values of a column are numbers, apart from missing ones. Other values are then errors."""
    if not pa.types.is_string(column.type):
        return True
    written = [value for value in distinct(column)[0].to_pylist() if not is_missing(value)]
    numbers = [value for value in written if re.fullmatch(f"{NUMBER}|{_DECIMAL_COMMA}|{_INFINITE}|{WITH_SIGN}", value)]
    truth = [value for value in written if value.lower() in _TRUTH]
    return len(written) > 0 and 2 * max(len(numbers), len(truth)) >= len(written)


def numbers_of(column: pa.Array | pa.ChunkedArray, name: str, place: Place) -> np.ndarray:
    """The numbers of a column, float64 (rows,). Raises an `AnnotationError` for a value that is no finite number."""
    if pa.types.is_string(column.type):
        text = pc.replace_substring(column, MINUS, "-")
        refuse_first(
            pc.match_substring_regex(text, f"^{_DECIMAL_COMMA}$"),
            column,
            place,
            f": the value {{}} of {shown(name)} has a decimal comma. Write a decimal point.",
        )
        wrong = pc.invert(pc.match_substring_regex(text, f"^{NUMBER}$"))
        if (row := pc.index(wrong, True).as_py()) >= 0 and is_missing(column[row].as_py()):
            raise AnnotationError(
                f"{place(row)}: the value of {shown(name)} is missing ({shown(column[row].as_py())}). Remove the row."
            )
        refuse_first(
            pc.match_substring_regex(text, f"^({WITH_SIGN})$"),
            column,
            place,
            f": the value {{}} of {shown(name)} has a sign beside the number. Write the number alone, or name other "
            "columns with --labels.",
        )
        refuse_first(wrong, column, place, f": the value {{}} of {shown(name)} is not a number.")
        column = pc.cast(pc.replace_substring_regex(text, r"^\+", ""), pa.float64())
    values = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    wrong = ~(np.abs(values) <= np.finfo(np.float32).max)  # also NaN
    if wrong.any():
        row = np.flatnonzero(wrong)[0].item()
        raise AnnotationError(
            f"{place(row)}: the value {values[row]} of {shown(name)} is missing or too large. Remove the row."
        )
    return values


def truth_values(column: pa.Array | pa.ChunkedArray, name: str, place: Place) -> np.ndarray:
    """0 or 1 for each row, float64 (rows,). Raises an `AnnotationError` for other values than 0, 1, true and false."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    if pa.types.is_string(column.type):
        values, rows, numbers = distinct(pc.utf8_lower(column))
        for value, row in zip(values.to_pylist(), rows.tolist(), strict=True):
            if value not in _TRUTH:
                written = shown(column[row].as_py())
                raise AnnotationError(f"{place(row)}: {written} of {shown(name)} is not 0, 1, true or false.")
        return np.array([_TRUTH[value] for value in values.to_pylist()])[numbers]
    values = numbers_of(column, name, place)
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = np.flatnonzero(wrong)[0].item()
        raise AnnotationError(f"{place(row)}: the value {values[row]:g} of {shown(name)} is not 0 or 1.")
    return values


def classes_in(label: str, label_names: Sequence[str] | None = None) -> list[str]:
    """The classes of a value such as `happy;surprised`. A name in `label_names` may hold separators."""
    if not label or label in (label_names or ()):
        return [label] if label else []
    return [part.strip() for part in re.split(SEPARATORS, label)]


def _listed_classes(labels: pa.Array | pa.ChunkedArray, label_names: Sequence[str] | None, place: Place) -> Labels:
    """The classes of values such as `happy;surprised`, and none for an empty value; or of lists of classes."""
    if pa.types.is_list(labels.type):
        sets = labels.to_pylist()
        return _sets_of_classes(sets, [";".join(classes) for classes in sets], label_names, place)
    values, rows, numbers = distinct(labels)
    written = values.to_pylist()
    sets = [classes_in(value, label_names) for value in written]
    labels = _sets_of_classes(sets, written, label_names, lambda value: place(rows[value]))
    return labels._replace(values=labels.values.take(pa.array(numbers)))


def _sets_of_classes(
    sets: Sequence[Sequence[str]], written: Sequence[str], label_names: Sequence[str] | None, place: Place
) -> Labels:
    """The labels of sets of classes. Messages show a set as it is `written`."""
    for row, classes in enumerate(sets):
        if "" in classes or len(set(classes)) < len(classes):
            raise AnnotationError(
                f"{place(row)}: the label {shown(written[row])} has an empty part or repeats a class."
            )
    parts, counts = [name for classes in sets for name in classes], [len(classes) for classes in sets]
    if not parts:
        raise AnnotationError(f"{place(0)}: no class applies to any video. Write classes, such as happy;surprised.")
    set_of_part = np.repeat(np.arange(len(sets)), counts)
    indices, feature = label_column(
        pa.array(parts, pa.string()), label_names, lambda part: place(set_of_part[part].item())
    )
    if not isinstance(feature, ClassLabel):
        if indices.min() > 0:
            raise AnnotationError(
                f"{place(0)}: classes count from 0, but the smallest label is {indices.min()}. Subtract it, or name "
                "the classes with --labels."
            )
        feature = ClassLabel(names=[str(index) for index in range(indices.max() + 1)])
    return Labels(in_lists(pa.array(indices, pa.int64()), counts), List(feature))


def _flagged_classes(flags: dict[str, np.ndarray]) -> Labels:
    """The classes whose flag is 1."""
    applies = np.stack(list(flags.values()), axis=1) > 0
    indices = pa.array(np.nonzero(applies)[1], pa.int64())
    return Labels(in_lists(indices, applies.sum(axis=1)), List(ClassLabel(names=list(flags))))


def _shares(votes: dict[str, np.ndarray], place: Place) -> dict[str, np.ndarray]:
    """Votes as probabilities."""
    if len(votes) < 2:
        raise AnnotationError(f"{place(0)}: a distribution needs columns of two classes, not only {shown(*votes)}.")
    for name, column in votes.items():
        if (column < 0).any():
            row = np.flatnonzero(column < 0)[0].item()
            raise AnnotationError(f"{place(row)}: {shown(name)} has {column[row]:g} votes, which are fewer than none.")
    sums = sum(votes.values())
    if (sums == 0).any():
        raise AnnotationError(
            f"{place(np.flatnonzero(sums == 0)[0].item())}: there is no vote for {', '.join(votes)}. Remove the row, "
            "or name more classes with --labels."
        )
    return {name: column / sums for name, column in votes.items()}
