"""Cross-validation: one run for each fold, and the table of all folds."""

import copy
import json
import statistics
from collections.abc import Callable
from pathlib import Path

from accelerate import PartialState
from rich import box
from rich.table import Table

from ...files import only_writer_of, whole_file
from ...hub.model_card.figures import METRICS, as_number, as_percent
from ...messages import console, note
from ..evaluation.report import METRICS_FILE, evaluation_files, pool_evaluations
from .arguments import LabelledDataArguments, ModelArguments, RecipeTrainingArguments


FOLD = "{fold}"
CROSS_VALIDATION_FILE = "cross_validation.json"
POOLED_FOLDER = "all_folds"
SECONDS_FOR_LOCK = 60.0  # runs of single folds may end together
FIGURES = {
    "single_label": ("uar", "war"),
    "distribution": ("uar", "war"),
    "multi_label": ("map", "macro_f1", "micro_f1"),
    "regression": ("ccc", "pearson", "mae"),
}
"""The figures of the table for each task."""
SUMMARIES = {"mean": "mean", "standard_deviation": "standard deviation (n - 1)", "pooled": "pooled"}
"""Titles of the rows below the folds."""


def cross_validate(
    run: Callable[[ModelArguments, LabelledDataArguments, RecipeTrainingArguments, int | None], int],
    check: Callable[[ModelArguments, LabelledDataArguments, RecipeTrainingArguments, int | None], object],
    model_arguments: ModelArguments,
    data: LabelledDataArguments,
    training: RecipeTrainingArguments,
) -> int:
    """Train and evaluate every fold, and write `cross_validation.json` beside the folds' folders.

    The figures are the means over the folds, as in the paper. The folder `all_folds` has the metrics and the confusion
    matrix of the pooled predictions of all folds.

    A resumed run skips the folds that were evaluated already.

    Args:
        run: Trains and evaluates one fold, into `training.output_dir`; returns an exit status. It takes the options
            of the fold, and the number of folds if `train_data` is divided into folds, else None.
        check: Takes the same, and raises a ValueError if the data of a fold are wrong. All folds are checked before
            the first is trained.
        model_arguments, data, training: The options; they are not changed. The numbers `data.folds` replace `{fold}`
            in the data's and the model's paths, in `output_dir` and `hub_model_id`. If `train_data` has no `{fold}`,
            it is divided into as many folds as the only number of `data.folds` says.

    Raises:
        ValueError: If a path lacks `{fold}`, there is no data to evaluate on, or data are wrong.
    """
    folds, num_folds = _folds(data, training)
    if FOLD not in training.output_dir:
        training = copy.copy(training)
        training.output_dir = str(Path(training.output_dir, f"fold_{FOLD}"))
    parts = Path(training.output_dir).parts
    parent = Path(*parts[: next(index for index, part in enumerate(parts) if FOLD in part)])
    options_of_folds = {fold: _options_of(fold, model_arguments, data, training) for fold in folds}
    # Without a checkpoint, `run` checks the first fold before it writes anything.
    for fold in folds if training.resume_from_checkpoint else folds[1:]:
        check(*options_of_folds[fold], num_folds)
    folders = {}
    for fold, options in options_of_folds.items():
        folders[fold] = Path(options[-1].output_dir)
        if training.resume_from_checkpoint and Path(folders[fold], METRICS_FILE).is_file():
            continue
        status = run(*options, num_folds)
        if status or data.check_data:
            return status
    if PartialState().is_main_process:
        with only_writer_of(Path(parent, CROSS_VALIDATION_FILE), SECONDS_FOR_LOCK):
            figures = write_cross_validation(folders, parent)
        print_cross_validation(figures)
        files = evaluation_files(figures["pooled"].get("task", "single_label"))
        note(
            f"Wrote '{Path(parent, CROSS_VALIDATION_FILE)}', and {', '.join(files)} of all folds "
            f"together in '{Path(parent, POOLED_FOLDER)}'."
        )
    return 0


def _options_of(fold, model_arguments, data, training):
    options = [of_fold(fold, kind) for kind in (model_arguments, data, training)]
    options[1].folds = [fold]
    return options


def of_fold(fold: int, options):
    """Copy options and replace `{fold}` by the number of the fold."""
    options = copy.deepcopy(options)
    for name, value in vars(options).items():
        if isinstance(value, str) and FOLD in value:  # enumerations are strings too and must not change
            setattr(options, name, value.replace(FOLD, str(fold)))
        elif name == "train_data" and value is not None:
            options.train_data = [source.replace(FOLD, str(fold)) for source in value]
    return options


def write_cross_validation(folders: dict[int, Path], parent: Path) -> dict:
    """Write the figures of all folds.

    Args:
        folders: Where each fold was evaluated.
        parent: Where `cross_validation.json` and the folder `all_folds` go.

    Returns:
        `folds`: the `FIGURES` of each; `mean` and `standard_deviation` (divided by n - 1; None for one fold) of them;
        `pooled`: figures of all predictions.
    """
    figures = {
        fold: json.loads(Path(folder, METRICS_FILE).read_text(encoding="utf-8")) for fold, folder in folders.items()
    }
    task = next(iter(figures.values())).get("task", "single_label")
    of_folds = {fold: {name: figures[fold][name] for name in FIGURES[task]} for fold in folders}
    pooled = pool_evaluations(list(folders.values()), Path(parent, POOLED_FOLDER))
    table = {
        "folds": of_folds,
        "mean": _over_folds(statistics.mean, of_folds),
        "standard_deviation": _over_folds(statistics.stdev, of_folds),
        "pooled": pooled,
    }
    with whole_file(Path(parent, CROSS_VALIDATION_FILE)) as file:
        file.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return table


def _over_folds(function: Callable[[list[float]], float], of_folds: dict[int, dict]) -> dict[str, float | None]:
    """A statistic of each figure over the folds: None for the deviation of one fold, and for undefined figures."""
    columns = {name: [row[name] for row in of_folds.values()] for name in next(iter(of_folds.values()))}
    return {
        name: None if None in column or (function is statistics.stdev and len(column) < 2) else function(column)
        for name, column in columns.items()
    }


def print_cross_validation(figures: dict):
    """Print the table of all folds, in per cent except for numbers (regression)."""
    names = list(figures["mean"])
    table = Table("fold", box=box.SIMPLE)
    for name in names:
        table.add_column(METRICS[name].title, justify="right")
    for fold, row in figures["folds"].items():
        table.add_row(str(fold), *(_shown(name, row[name]) for name in names))
    table.add_section()
    for key, title in SUMMARIES.items():
        table.add_row(title, *(_shown(name, figures[key][name]) for name in names))
    console().print(table)


def _shown(name: str, value: float | None) -> str:
    return as_percent(value) if METRICS[name].is_share else as_number(value)


def refuse_placeholder(data: LabelledDataArguments):
    """Check that no path has `{fold}` in it when no fold was chosen.

    Raises:
        ValueError: If a path has.
    """
    for name, value in vars(data).items():
        if FOLD in str(value):
            raise ValueError(
                f"{name}={value!r} contains {FOLD}. Choose folds, for example with --folds 1 2 3 4 5, or give "
                f"another --{name}."
            )


def _folds(data: LabelledDataArguments, training: RecipeTrainingArguments) -> tuple[list[int], int | None]:
    """The numbers of the folds, and into how many folds `--train_data` is divided: None if each has its own list.

    Raises:
        ValueError: If a path or `hub_model_id` lacks `{fold}`.
    """
    if training.push_to_hub and FOLD not in (training.hub_model_id or ""):
        raise ValueError(
            f"hub_model_id={training.hub_model_id!r} must contain {FOLD}, because each fold has its own repository."
        )
    if FOLD not in str(data.train_data) and len(data.folds) == 1 and data.folds[0] > 1:
        num_folds = data.folds[0]
        return list(range(1, num_folds + 1)), num_folds
    for name in ("train_data", "eval_data"):
        path = getattr(data, name)
        if FOLD not in str(path):
            raise ValueError(
                f"{name}={path!r} must contain {FOLD}, which is replaced by the number of each fold. To divide one "
                "list into folds, give their number alone, such as --folds 5."
            )
    return data.folds, None
