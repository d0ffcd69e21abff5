"""Infers the task from labels. What may have two meanings is refused, and both are named."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .label_spelling import MINUS, SEPARATORS, is_missing, is_real
from .labels import AnnotationError, distinct, is_number
from .list_text import Annotations, shown
from .vector_labels import classes_in, numbers_of, truth_values


SUM_TOLERANCE = 0.01  # of shares, which may be rounded


def infer_task(annotations: Annotations, label_names: Sequence[str] | None) -> str:
    """The task of labels as they are written.

    Raises:
        AnnotationError: If columns of numbers may be of two tasks.
    """
    if annotations.labels is None:
        return _task_of_columns(annotations)
    if pa.types.is_list(annotations.labels.type):
        return "multi_label"
    values = distinct(annotations.labels)[0].to_pylist()
    written = [value for value in values if value not in (label_names or ()) and not is_missing(value)]
    if len(label_names or ()) < 2 and written and all(map(is_real, written)) and any(map(_has_fraction, written)):
        return "regression"
    return "multi_label" if _name_several_classes(written, values, label_names) else "single_label"


def are_shares(values: np.ndarray) -> bool:
    """Whether numbers, float (rows, classes), are shares of a distribution.

    Each row has two or more, none is below 0, and their sum is 1 up to `SUM_TOLERANCE`.
    """
    num_classes = values.shape[1]
    return bool(num_classes > 1 and (values >= 0).all() and (np.abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def _has_fraction(label: str) -> bool:
    return not float(label.replace(MINUS, "-").replace(",", ".")).is_integer() and "inf" not in label.lower()


def _name_several_classes(written: list[str], values: list[str], label_names: Sequence[str] | None) -> bool:
    """Whether values such as `happy;sad` are several classes, because some of these occur in other values, too."""
    joined = [value for value in written if re.search(SEPARATORS, value)]
    if not joined:
        return False
    parts = [classes_in(value, label_names) for value in values]
    if any(part == "" or is_missing(part) or is_real(part) or is_number(part) for label in parts for part in label):
        return False
    if label_names is not None:
        return all(part in label_names for label in parts for part in label)
    names = [part for label in parts for part in set(label)]
    return len(set(names)) < len(names)


def _task_of_columns(annotations: Annotations) -> str:
    columns, place = annotations.columns, annotations.place_of_label
    if any(_holds_words(column) for column in columns.values()):
        for name, column in columns.items():
            truth_values(column, name, place)
        return "multi_label"
    values = np.stack([numbers_of(column, name, place) for name, column in columns.items()], axis=1)
    sums, num_columns = values.sum(axis=1), values.shape[1]
    if (values < 0).any():
        return "regression"
    if (values != np.round(values)).any():
        if are_shares(values):
            return "distribution"
        if num_columns == 1 or len(sums) == 1 or np.ptp(sums) > SUM_TOLERANCE * sums.max():
            return "regression"
        readings = "distribution if they are shares"
    elif (values <= 1).all():
        if num_columns > 1 and all(map(_is_written_whole, columns.values())) and (sums > 1).any():
            return "multi_label"
        readings = "multi_label if they say which labels apply"
        if num_columns > 1 and (sums == 1).all():
            readings += ", distribution if each row has one vote"
    elif num_columns > 1:
        readings = "distribution if they are votes"
    elif pa.types.is_floating(next(iter(columns.values())).type):
        return "regression"  # class indices are whole numbers or text
    else:
        raise AnnotationError(
            f"{annotations.place(0)}: the column {shown(*columns)} may hold class indices or a quantity. For indices, "
            "call it label. For a quantity, pass --task regression."
        )
    raise AnnotationError(
        f"{annotations.place(0)}: the numbers of {', '.join(columns)} may mean different things. Pass --task "
        f"{readings}, or regression if they are quantities."
    )


def _holds_words(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether a column holds true or false."""
    if not pa.types.is_string(column.type):
        return pa.types.is_boolean(column.type)
    return bool(pc.any(pc.is_in(pc.utf8_lower(column), pa.array(["true", "false"]))).as_py())


def _is_written_whole(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether the numbers of a column have no decimal point."""
    if not pa.types.is_string(column.type):
        return pa.types.is_integer(column.type)
    return not pc.any(pc.match_substring_regex(column, "[.eE]")).as_py()
