"""Labels of frames: a list in each value of a column, or a row of a table for each frame."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .labels import AnnotationError, distinct
from .list_text import Annotations, refuse_first, shown
from .tasks import Wanted


_LIST = r"^(\[.*\]|\S+(\s+\S+)+)$"
_BRACKETS = r"^\[.*\]$"
_NUMBERS = r"^[+\-\d.eE,;\s]+$"
_COMMA, _SPACE = r"[^,;\s],[^,;\s]", r"[^,;\s]\s+[^,;\s]"  # between two values, without another separator


def by_frames(annotations: Annotations, wanted: Wanted) -> Annotations:
    """Give labels of frames one row for each frame. Other annotations do not change.

    Raises:
        AnnotationError: If some videos have labels of frames and others have none, frames are missing, or lists may be
            labels of frames or several labels of the video.
    """
    if annotations.frame_numbers is not None and wanted.frame_level is not False:
        annotations = _grouped(annotations)
    if annotations.frame_counts is None:
        columns = annotations.columns if annotations.labels is None else {"label": annotations.labels}
        lists = {name: column for name, column in columns.items() if holds_lists(column, wanted)}
        if lists:
            return _split(annotations, lists, wanted)
    return annotations


def holds_lists(column: pa.Array | pa.ChunkedArray, wanted: Wanted) -> bool:
    """Whether all values are lists of numbers, or of names in brackets."""
    if wanted.task in ("multi_label", "distribution") or not pa.types.is_string(column.type):
        return False
    names = pa.array(wanted.label_names or [], pa.string())
    is_list = pc.and_(pc.match_substring_regex(column, _LIST), pc.invert(pc.is_in(column, names)))
    in_brackets, numbers = (pc.match_substring_regex(column, pattern) for pattern in (_BRACKETS, _NUMBERS))
    if not pc.any(pc.and_(is_list, pc.or_(in_brackets, numbers))).as_py():
        return False
    all_are_frames, all_are_lists = (pc.all(values).as_py() for values in (pc.or_(in_brackets, numbers), is_list))
    return bool(all_are_frames and (wanted.frame_level or all_are_lists))


def _grouped(annotations: Annotations) -> Annotations:
    """Join the rows of each video, in the order of their frames. A table without a repeated video does not change."""
    _, first_rows, videos = distinct(annotations.paths)
    if len(first_rows) == len(annotations.paths):
        return annotations
    numbers = annotations.frame_numbers
    is_number = pc.match_substring_regex(numbers, r"^\d{1,18}$")
    refuse_first(pc.invert(is_number), numbers, annotations.place, ": the frame {} is not a whole number from 0.")
    frames = pc.cast(numbers, pa.int64()).to_numpy()
    order = np.lexsort([frames, videos])
    counts = np.bincount(videos)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    first = min(frames.min(), 1)
    wrong = frames[order] != np.arange(len(order)) - starts + first
    if wrong.any():
        row = order[np.flatnonzero(wrong)[0]].item()
        raise AnnotationError(
            f"{annotations.place(row)}: the frames of '{annotations.paths[row]}' are not numbered "
            f"{first}, {first + 1}, ... without a gap or a repetition. Each frame needs one row."
        )
    labels = annotations.labels
    place = annotations.place
    return replace(
        annotations,
        paths=annotations.paths.take(first_rows),
        labels=None if labels is None else labels.take(order),
        columns={name: column.take(order) for name, column in annotations.columns.items()},
        place=lambda row: place(first_rows[row]),
        frame_counts=counts,
        place_of_frame=lambda row: place(order[row]),
    )


def _split(annotations: Annotations, lists: dict[str, pa.ChunkedArray], wanted: Wanted) -> Annotations:
    for column in lists.values():
        problem = ": {} has two kinds of separators. Separate numbers by spaces, and write decimals with a point."
        has_both = pc.and_(pc.match_substring_regex(column, _COMMA), pc.match_substring_regex(column, _SPACE))
        refuse_first(has_both, column, annotations.place, problem)
    split = {name: _parts(column) for name, column in lists.items()}
    counts = [pc.list_value_length(parts).to_numpy() for parts in split.values()]
    for other in counts[1:]:
        if (counts[0] != other).any():
            row = np.flatnonzero(counts[0] != other)[0].item()
            raise AnnotationError(f"{annotations.place(row)}: the columns {', '.join(split)} have different lengths.")
    if wanted.frame_level is not True and (len(set(counts[0].tolist())) == 1 or wanted.frame_level is False):
        value = next(iter(lists.values()))[0].as_py()
        raise AnnotationError(
            f"{annotations.place(0)}: {shown(value)} looks like several labels: of the video, or one of each "
            "frame. For a video, write happy;sad or one column for each label. Labels of frames need a model with "
            "frame_level=true, see docs/datasets.md."
        )
    videos = np.repeat(np.arange(len(counts[0])), counts[0])
    flat = {name: pc.utf8_trim(pc.list_flatten(parts), "'\"") for name, parts in split.items()}
    return replace(
        annotations,
        labels=None if annotations.labels is None else flat["label"],
        columns={} if annotations.labels is not None else flat,
        frame_counts=counts[0],
        place_of_frame=lambda row: annotations.place(videos[row].item()),
    )


def _parts(column: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """The values of lists such as `[0, 1]`, `[0 1]`, `0 1` or `['happy', 'sad']`."""
    text = pc.utf8_trim(column, "[] \t")
    parts = pc.split_pattern_regex(text, r"(\s*[,;]\s*|\s+)")
    return parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
