"""Class indices of labels, which are written as names or numbers."""

import difflib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Value
from transformers.utils import logging

from ...messages import printable
from .label_spelling import differ_in_spelling_only, problem_of_label


UNREADABLE_LABEL = -100
"""The label of a video that could not be read. It has a row in predictions, and metrics leave it out."""

logger = logging.get_logger(__name__)

HIGHEST_INDEX = 999_999  # a larger number is not a class index but, for example, an identifier or a date

FROM_ONE = (
    "If the list counts from 1, as DFEW's lists do, subtract 1 from each label (`lgi-former prepare` does), or write "
    "the names."
)


class AnnotationError(ValueError):
    """Annotations cannot be understood. The message says where, what is wrong and what to do."""


def label_index(label: str, label_names: Sequence[str] | None, place: str) -> int:
    """The class index of a label, which is a name or a number. An `AnnotationError` begins with `place`.

    Without `label_names`, only numbers are understood. If one of the classes is a number, all labels are names.
    """
    if label_names is not None and (name := _name_of(label, label_names)) is not None:
        return list(label_names).index(name)
    if not is_number(label) or (label_names is not None and any(map(is_number, label_names))):
        raise AnnotationError(f"{place}: the label {label!r} is {_unknown(label, label_names)}.")
    index = int(label)
    highest = HIGHEST_INDEX if label_names is None else len(label_names) - 1
    if not 0 <= index <= highest:
        classes = "" if label_names is None else f" to {highest}, for {', '.join(label_names)}"
        advice = f" {FROM_ONE}" if label_names is not None and index == highest + 1 else ""
        raise AnnotationError(f"{place}: the label {index} is out of range. Labels count from 0{classes}.{advice}")
    return index


def check_names(label_names: Sequence[str]):
    """Raise an `AnnotationError` if two classes have the same name, or a name has a control character."""
    for name in label_names:
        if printable(str(name), keeps="") != str(name):
            raise AnnotationError(f"The class {name!r} has a line break or control character in its name. Rename it.")
    if len(set(label_names)) < len(label_names):
        raise AnnotationError(f"The classes {', '.join(label_names)} repeat a name. Give each class its own name.")


def _unknown(label: str, label_names: Sequence[str] | None) -> str:
    if label_names is None:
        return "not a number, and the names of the classes are not given"
    near = [name for name in label_names if name.casefold() == label.casefold()]
    near = near or difflib.get_close_matches(label, label_names, n=1)
    question = f" (is it {near[0]!r}?)" if near else ""
    return f"unknown{question}; the labels are {', '.join(label_names)}"


def _name_of(label: str, label_names: Sequence[str]) -> str | None:
    """The class with the name of a label. Zeros in front of a number do not count: `01` is the class `1`."""
    if label in label_names:
        return label
    same = [name for name in label_names if is_number(name) and is_number(label) and int(name) == int(label)]
    return same[0] if len(same) == 1 else None


def is_number(label: str) -> bool:
    """Whether a label is written as a whole number."""
    return label.removeprefix("-").isdecimal()


def distinct(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """The distinct values in their order, the first row of each, and for each row the number of its value."""
    encoded = pa.table({"value": values})["value"].combine_chunks().dictionary_encode()
    numbers = encoded.indices.to_numpy()
    return encoded.dictionary, np.unique(numbers, return_index=True)[1], numbers


def in_lists(values: pa.Array, lengths: np.ndarray | Sequence[int]) -> pa.ListArray:
    """Successive values as lists of these lengths, int (lists,)."""
    return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), values)


def label_column(
    labels: pa.Array | pa.ChunkedArray, label_names: Sequence[str] | None, place: Callable[[int], str]
) -> tuple[np.ndarray, ClassLabel | Value]:
    """Class indices, int64 (rows,), and the type of their column: `Value("int64")` if the classes have no names.

    Args:
        labels: The labels as they are written, string (rows,).
        label_names: As for `load_annotations`.
        place: Function from a row number to the place that an `AnnotationError` begins with.
    """
    values, rows, numbers = distinct(labels)
    first_rows = dict(zip(values.to_pylist(), rows.tolist(), strict=True))
    _refuse_wrong_spelling(first_rows, label_names or (), place)
    if label_names is None:
        label_names = _names_in(first_rows, place)
    else:
        check_names(label_names)
        _warn_if_none_is_zero(first_rows, label_names, place)
    indices = [label_index(label, label_names, place(row)) for label, row in first_rows.items()]
    feature = Value("int64") if label_names is None else ClassLabel(names=list(label_names))
    return np.array(indices, dtype=np.int64)[numbers], feature


def _refuse_wrong_spelling(first_rows: dict[str, int], label_names: Sequence[str], place: Callable[[int], str]):
    """Refuse labels that are not one name or number. Names in `label_names` are never wrong."""
    unknown = [label for label in first_rows if label not in label_names]
    known = {*first_rows, *label_names}
    for label in unknown:
        if (problem := problem_of_label(label, known)) is not None:
            raise AnnotationError(f"{place(first_rows[label])}: {problem}")
    if not label_names and (pair := differ_in_spelling_only(unknown)) is not None:
        one, other = pair
        raise AnnotationError(
            f"{place(first_rows[other])}: the label {other!r} is spelt {one!r} elsewhere "
            f"({place(first_rows[one])}). Spell it in one way, or name the classes with --labels."
        )


def _warn_if_none_is_zero(first_rows: dict[str, int], label_names: Sequence[str], place: Callable[[int], str]):
    unnamed = [label for label in first_rows if label not in label_names]
    if len(unnamed) == len(first_rows) and all(map(is_number, unnamed)) and 0 not in map(int, unnamed):
        logger.warning(
            f"{place(0)}: the labels of the list are numbers, and none is 0, the index of {label_names[0]!r}. "
            f"{FROM_ONE}"
        )


def _names_in(first_rows: dict[str, int], place: Callable[[int], str]) -> list[str] | None:
    """The names of the list in alphabetical order; None if the labels are numbers."""
    names = sorted(label for label in first_rows if not is_number(label))
    if names and len(names) < len(first_rows):
        number = next(label for label in first_rows if is_number(label))
        raise AnnotationError(
            f"{place(first_rows[names[0]])}: the label {names[0]!r} is a name, but {place(first_rows[number])} has "
            f"the number {number}. Write all labels in one way, or name the classes."
        )
    return names or None


def written_label(label: int | str, feature) -> str:
    """A label for `label_index`. An index in a column of `ClassLabel` becomes the name of its class."""
    if isinstance(feature, ClassLabel) and label is not None and label >= 0:
        return feature.int2str(label)
    return str(label)
