"""The labels in rows of a `datasets.Dataset`."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, LargeList, List, Value
from datasets.features.features import FeatureType

from .annotation_tables import LABEL_COLUMN
from .label_values import names_of_feature, without_lists
from .labels import AnnotationError, written_label
from .list_text import Annotations
from .tasks import Wanted


def place_in_dataset(row: int) -> str:
    """The place of a row, for messages."""
    return f"Row {row} of the data set"


def labels_in_rows(source: Dataset, wanted: Wanted) -> tuple[Annotations, Wanted]:
    """The labels of a data set as annotations without paths, and what is wanted with what the data set says itself.

    Raises:
        AnnotationError: If a row has no label, or the type of the labels is not understood.
    """
    names = _named_columns(source, wanted)
    if LABEL_COLUMN not in source.column_names or (names and wanted.task is not None):
        columns = {name: column_of(source, column) for name, column in names.items()}
        return Annotations(None, None, place_in_dataset, columns), wanted
    feature, column = source.features[LABEL_COLUMN], column_of(source, LABEL_COLUMN)
    if isinstance(feature, LargeList):
        feature = List(feature.feature)
        column = column.cast(pa.list_(column.type.value_type))
    _refuse_missing(column, lambda row: f"{place_in_dataset(row)} has no label")
    if wanted.task in ("regression", "distribution"):
        _refuse_classes(feature, wanted.task)
    if wanted.label_names is None:
        wanted = replace(wanted, label_names=names_of_feature(feature))
    annotations = Annotations(None, None, place_in_dataset)
    if _is_of_frames(feature, column, wanted):
        counts = pc.list_value_length(column).to_numpy()
        rows = np.repeat(np.arange(len(counts)), counts)
        annotations.frame_counts, annotations.place_of_frame = counts, lambda row: place_in_dataset(rows[row])
        feature, column = feature.feature, column.flatten()
        _refuse_missing(column, lambda frame: f"{place_in_dataset(rows[frame])} has a frame without a label")
    return _with_values(annotations, feature, column, wanted)


def _refuse_missing(column: pa.Array, problem: Callable[[int], str]):
    if (number := pc.index(pc.is_null(column), True).as_py()) >= 0:
        raise AnnotationError(f"{problem(number)}. Leave it out with `filter`.")


def _refuse_classes(feature: FeatureType, task: str):
    feature = without_lists(feature)
    if isinstance(feature, ClassLabel):
        names = ", ".join(feature.names[:20])
        raise AnnotationError(
            f"The column label has classes ({names}), but the task {task} needs numbers. Give it a column of numbers, "
            "for example with `cast_column`, or name columns of numbers with label_names."
        )


def _with_values(
    annotations: Annotations, feature: FeatureType, column: pa.Array, wanted: Wanted
) -> tuple[Annotations, Wanted]:
    """Put the labels of a column, of videos or frames, into the annotations."""
    if isinstance(feature, dict):
        if wanted.task == "single_label":
            raise AnnotationError(
                f"The column label has the fields {', '.join(feature)} in a row, which are no single label."
            )
        names = list(wanted.label_names or feature)
        if missing := [name for name in names if name not in feature]:
            raise AnnotationError(
                f"The column label has no field {missing[0]!r} of label_names, only {', '.join(feature)}."
            )
        fields = {name: column.field(name) for name in names}
        return replace(annotations, columns=fields), replace(wanted, label_names=names)
    if not isinstance(feature, List):
        labels = pa.array([written_label(label, feature) for label in column.to_pylist()], pa.string())
        return replace(annotations, labels=labels), wanted
    if wanted.task == "single_label":
        raise AnnotationError(f"The column label has several labels in a row, {feature}, which is no single label.")
    lengths, values = pc.list_value_length(column), column.flatten()
    names = wanted.label_names
    if names is not None and pc.all(pc.equal(lengths, len(names))).as_py() and _are_numbers(feature.feature):
        columns = {name: values.take(np.arange(index, len(values), len(names))) for index, name in enumerate(names)}
        return replace(annotations, columns=columns), wanted
    if _is_float(feature.feature) or isinstance(feature.feature, (dict, List)):
        raise AnnotationError(
            f"The labels are of the type {feature}, which may be numbers of the video or of its frames. Name the "
            "numbers of a video with label_names, or pass frame_level=True."
        )
    if wanted.task in ("regression", "distribution"):
        raise AnnotationError(
            f"The labels are of the type {feature}, which is not one number for each name of label_names. The task "
            f"{wanted.task} needs such labels."
        )
    written = [[written_label(label, feature.feature) for label in labels] for labels in column.to_pylist()]
    return replace(annotations, labels=pa.array(written, pa.list_(pa.string()))), wanted


def _is_of_frames(feature: FeatureType, column: pa.Array, wanted: Wanted) -> bool:
    """Whether labels are lists over frames, and not several labels of a video."""
    if not isinstance(feature, List) or wanted.frame_level is False:
        return False
    inner = feature.feature
    if isinstance(inner, (dict, List)):
        return not isinstance(inner, List) or wanted.frame_level is True or isinstance(inner.feature, ClassLabel)
    if wanted.frame_level is True or wanted.task == "single_label":
        return True
    if wanted.task is not None or _is_float(inner):
        return False
    lengths = pc.list_value_length(column)
    is_vector = wanted.label_names is not None and pc.all(pc.equal(lengths, len(wanted.label_names))).as_py()
    return not is_vector and repeats_a_class(column)


def repeats_a_class(lists: pa.Array) -> bool:
    """Whether one of many lists has a class twice. Then they are labels of frames, and not sets of classes."""
    return any(len(set(classes)) < len(classes) for classes in lists.to_pylist())


def _are_numbers(feature: FeatureType) -> bool:
    """Whether lists with a value for each label are numbers. As indices, they would name all classes in each row."""
    return isinstance(feature, Value) and "string" not in feature.dtype


def _is_float(feature: FeatureType) -> bool:
    return isinstance(feature, Value) and feature.dtype.startswith("float")


def _named_columns(source: Dataset, wanted: Wanted) -> dict[str, str]:
    """The column of each name in `label_names`, compared without regard to case. Empty if one has no column."""
    names = list(wanted.label_names or ())
    if wanted.task == "single_label" or names == [LABEL_COLUMN]:
        return {}
    columns = {column.lower(): column for column in source.column_names}
    found = {name: name if name in source.column_names else columns.get(name.lower()) for name in names}
    return {} if None in found.values() else found


def column_of(source: Dataset, name: str) -> pa.Array:
    """The values of a column."""
    column = source.select_columns([name]).with_format("arrow")[:][name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
