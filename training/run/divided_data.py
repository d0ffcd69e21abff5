"""Divides `--train_data` for `--eval_split` and `--folds`, and writes the lists of the parts."""

import os
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np

from ...files import whole_file
from ...messages import note
from ..data.class_balance import strata_of
from ..data.division import fold_of_each, held_out
from ..data.groups import groups_of
from ..data.sharded_videos import ShardedVideos
from ..data.video_rows import holds_paths
from ..data.written_lists import list_text
from .arguments import LabelledDataArguments


TRAIN_SPLIT_FILE, EVAL_SPLIT_FILE = "train_split.csv", "eval_split.csv"


class Division(NamedTuple):
    """A data set in two parts.

    Attributes:
        train, evaluated: Videos with labels, of `load_annotations`.
        lists: The content of the lists of both parts, by the name of their files.
        summary: The sizes of the parts in a sentence.
        group_column: Title of the column whose values are in one part each; None if there is none.
    """

    train: datasets.Dataset
    evaluated: datasets.Dataset
    lists: dict[str, str]
    summary: str
    group_column: str | None


def divides(data: LabelledDataArguments, num_folds: int | None = None) -> bool:
    """Whether the options divide `--train_data`.

    Args:
        num_folds: As for `divide`.

    Raises:
        ValueError: If the options clash.
    """
    is_divided = data.eval_split is not None or num_folds is not None
    if data.eval_split is not None and data.folds:
        raise ValueError("eval_split clashes with folds, which divide the videos too. Leave one of the two out.")
    if is_divided and data.eval_data is not None:
        option = "folds" if data.eval_split is None else "eval_split"
        raise ValueError(
            f"{option} divides --train_data, so eval_data={data.eval_data!r} would not be used. Leave one of the two "
            "out."
        )
    if data.group_column is not None and not is_divided:
        raise ValueError("group_column has no effect without --eval_split, or --folds with one list. Leave it out.")
    return is_divided


def divide(
    videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset,
    data: LabelledDataArguments,
    label_names: list[str],
    task: str,
    seed: int,
    num_folds: int | None = None,
) -> Division:
    """Divide the videos of `--train_data`, stratified by class, with each group in one part.

    Args:
        num_folds: Number of folds. The fold `data.folds[0]` is evaluated. Without it, `data.eval_split` is held out.

    Raises:
        ValueError: If they are not a list, have no such column of groups, or cannot be divided.
    """
    if len(data.train_data) > 1 or not holds_paths(videos):
        raise ValueError(
            f"'{' '.join(data.train_data)}' cannot be divided, because it is not one list or class folder. Give one, "
            "or the videos of each part in --train_data and --eval_data."
        )
    paths = videos["video"][:]
    column, groups = groups_of(data.train_data[0], paths, data.group_column)
    strata = strata_of(videos, len(label_names), task)
    if num_folds is None:
        is_evaluated = held_out(data.eval_split, paths, strata, groups, seed)
    else:
        is_evaluated = fold_of_each(num_folds, paths, strata, groups, seed) == data.folds[0]
    parts = {TRAIN_SPLIT_FILE: np.flatnonzero(~is_evaluated), EVAL_SPLIT_FILE: np.flatnonzero(is_evaluated)}
    lists = {
        name: list_text(videos.select(rows), task, column, groups and [groups[row] for row in rows])
        for name, rows in parts.items()
    }
    summary = _summary(parts, column, groups, data.group_column)
    return Division(*(videos.select(rows) for rows in parts.values()), lists, summary, column)


def check_lists(folder: str | os.PathLike, division: Division):
    """Check that a run that resumes has the same parts as before.

    Raises:
        ValueError: If the folder holds other lists.
    """
    for name, text in division.lists.items():
        file = Path(folder, name)
        if file.is_file() and file.read_text(encoding="utf-8") != text:
            raise ValueError(
                f"'{file}' has other videos than this run would have. Resume with the list, the options and the seed "
                "of that run, or choose another --output_dir."
            )


def write_lists(folder: str | os.PathLike, division: Division):
    """Write the lists of both parts, which can be used again as `--train_data` and `--eval_data`, and print a note."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in division.lists.items():
        with whole_file(Path(folder, name)) as file:
            file.write_text(text, encoding="utf-8")
    note(f"{division.summary} The lists are in '{folder}'.")


def _summary(parts: dict[str, np.ndarray], column: str | None, groups: list[str] | None, asked: str | None) -> str:
    train, evaluated = (
        f"{len(rows)} videos" + ("" if groups is None else f" (groups: {len({groups[row] for row in rows})})")
        for rows in parts.values()
    )
    sentence = f"{train} to train on and {evaluated} to evaluate on"
    if groups is not None:
        return f"{sentence}, by the column '{column}'."
    warning = " No column of persons was found, so one person may be in both parts (--group_column)."
    return f"{sentence}.{'' if asked else warning}"
