"""Labels as they are written, names or numbers, and the class indices that they stand for."""

import difflib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Value


class AnnotationError(ValueError):
    """Annotations cannot be understood. The message says where, what is wrong and what to do."""


def label_index(label: str, label_names: Sequence[str] | None, place: str) -> int:
    """The class index that a label (a name or a number) stands for.

    Args:
        label: As it was written.
        label_names: The classes; without them, only numbers are understood.
        place: Where the label was found, for the message.

    Raises:
        AnnotationError: If there is no such class.
    """
    if label_names is not None and label in label_names:
        return list(label_names).index(label)
    if not _is_number(label):
        raise AnnotationError(f"{place}: the label {label!r} is {_unknown(label, label_names)}.")
    index = int(label)
    if index < 0 or (label_names is not None and index >= len(label_names)):
        highest = "" if label_names is None else f" to {len(label_names) - 1}, for {', '.join(label_names)}"
        raise AnnotationError(f"{place}: the label {index} is out of range. Labels count from 0{highest}.")
    return index


def _unknown(label: str, label_names: Sequence[str] | None) -> str:
    if label_names is None:
        return "not a number, and the names of the classes are not given"
    near = difflib.get_close_matches(label, label_names, n=1)
    question = f" (is it {near[0]!r}?)" if near else ""
    return f"unknown{question}; the labels are {', '.join(label_names)}"


def _is_number(label: str) -> bool:
    return label.removeprefix("-").isdecimal()


def label_column(
    labels: pa.Array | pa.ChunkedArray, label_names: Sequence[str] | None, place: Callable[[int], str]
) -> tuple[np.ndarray, object]:
    """Class indices, int64, and the type of their column.

    Args:
        labels: As they were written.
        label_names: The classes in the order of their indices. Without them, labels that are names get indices in
            alphabetical order, and labels that are numbers stay so.
        place: Where the label of a row was found, for the message.

    Raises:
        AnnotationError: If there is no such class, or some labels are names and some numbers.
    """
    # Distinct labels, and for each row which of them it has.
    encoded = pa.table({"label": labels})["label"].combine_chunks().dictionary_encode()
    numbers = encoded.indices.to_numpy()
    _, rows = np.unique(numbers, return_index=True)
    first_rows = dict(zip(encoded.dictionary.to_pylist(), rows.tolist(), strict=True))
    if label_names is None:
        label_names = _names_in(first_rows, place)
    indices = [label_index(label, label_names, place(row)) for label, row in first_rows.items()]
    feature = Value("int64") if label_names is None else ClassLabel(names=list(label_names))
    return np.array(indices, dtype=np.int64)[numbers], feature


def _names_in(first_rows: dict[str, int], place: Callable[[int], str]) -> list[str] | None:
    """The names that occur, in alphabetical order; None if the labels are numbers."""
    names = sorted(label for label in first_rows if not _is_number(label))
    if names and len(names) < len(first_rows):
        number = next(label for label in first_rows if _is_number(label))
        raise AnnotationError(
            f"{place(first_rows[names[0]])}: the label {names[0]!r} is a name, but {place(first_rows[number])} has "
            f"the number {number}. Write all labels in one way, or name the classes."
        )
    return names or None


def written_label(label: int | str, feature) -> str:
    """A label as `label_index` takes it, by the type of its column: the name of a class, so that it does not matter
    which index that has there."""
    if isinstance(feature, ClassLabel) and label is not None and label >= 0:
        return feature.int2str(label)
    return str(label)
