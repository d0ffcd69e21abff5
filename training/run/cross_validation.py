"""Cross-validation: one run for each fold, and the table of all folds."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from accelerate import PartialState
from rich import box
from rich.table import Table

from ...messages import console, note
from ..evaluation.report import METRICS_FILE, evaluation_files, pool_evaluations
from .arguments import DataArguments, ModelArguments, RecipeTrainingArguments


FOLD = "{fold}"
CROSS_VALIDATION_FILE = "cross_validation.json"
POOLED_FOLDER = "all_folds"
FIGURES = ("uar", "war")


def cross_validate(
    run: Callable[[ModelArguments, DataArguments, RecipeTrainingArguments], int],
    check: Callable[[DataArguments], object],
    folds: Sequence[int],
    model_arguments: ModelArguments,
    data: DataArguments,
    training: RecipeTrainingArguments,
) -> int:
    """Train and evaluate every fold, and write `cross_validation.json` beside the folds' folders.

    UAR and WAR are the means over the folds, as in the paper. The folder `all_folds` has the metrics and the confusion
    matrix of the pooled predictions of all folds.

    A resumed run skips the folds that were evaluated already.

    Args:
        run: Trains and evaluates one fold, into `training.output_dir`; returns an exit status.
        check: Raises a ValueError if the data of a fold are wrong. All folds are checked before the first is trained.
        folds: Numbers that replace `{fold}` in the data's and the model's paths, in `output_dir` and `hub_model_id`.
        model_arguments, data, training: The options of `run`, with `{fold}`.

    Raises:
        ValueError: If a path lacks `{fold}`, there is no data to evaluate on, or data are wrong.
    """
    _check(data, training)
    if FOLD not in training.output_dir:
        training.output_dir = str(Path(training.output_dir, f"fold_{FOLD}"))
    parts = Path(training.output_dir).parts
    parent = Path(*parts[: next(index for index, part in enumerate(parts) if FOLD in part)])
    for fold in folds[1:]:  # `run` checks the first before it writes anything
        check(of_fold(fold, data))
    folders = {}
    for fold in folds:
        options = [of_fold(fold, kind) for kind in (model_arguments, data, training)]
        options[1].folds = [fold]
        folders[fold] = Path(options[-1].output_dir)
        if training.resume_from_checkpoint and Path(folders[fold], METRICS_FILE).is_file():
            continue
        status = run(*options)
        if status or data.check_data:
            return status
    if PartialState().is_main_process:
        print_cross_validation(write_cross_validation(folders, parent))
        note(
            f"Wrote '{Path(parent, CROSS_VALIDATION_FILE)}', and {', '.join(evaluation_files())} of all folds "
            f"together in '{Path(parent, POOLED_FOLDER)}'."
        )
    return 0


def of_fold(fold: int, options):
    """Copy options and replace `{fold}` by the number of the fold."""
    options = copy.deepcopy(options)
    for name, value in vars(options).items():
        if isinstance(value, str) and FOLD in value:  # enumerations are strings too and must not change
            setattr(options, name, value.replace(FOLD, str(fold)))
        elif name == "train_data":
            options.train_data = [source.replace(FOLD, str(fold)) for source in value]
    return options


def write_cross_validation(folders: dict[int, Path], parent: Path) -> dict:
    """Write the figures of all folds.

    Args:
        folders: Where each fold was evaluated.
        parent: Where `cross_validation.json` and the folder `all_folds` go.

    Returns:
        `folds`: UAR and WAR of each; `mean` and `standard_deviation` of them; `pooled`: figures of all predictions.
    """
    figures = {fold: json.loads(Path(folder, METRICS_FILE).read_text()) for fold, folder in folders.items()}
    of_folds = {fold: {name: figures[fold][name] for name in FIGURES} for fold in folders}
    pooled = pool_evaluations(list(folders.values()), Path(parent, POOLED_FOLDER))
    table = {
        "folds": of_folds,
        "mean": {name: float(np.mean([row[name] for row in of_folds.values()])) for name in FIGURES},
        "standard_deviation": {name: float(np.std([row[name] for row in of_folds.values()])) for name in FIGURES},
        "pooled": pooled,
    }
    Path(parent, CROSS_VALIDATION_FILE).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return table


def print_cross_validation(figures: dict):
    """Print the table of all folds in per cent."""
    table = Table("fold", box=box.SIMPLE)
    for name in FIGURES:
        table.add_column(name.upper(), justify="right")
    for fold, row in figures["folds"].items():
        table.add_row(str(fold), *(f"{100 * row[name]:.2f}" for name in FIGURES))
    table.add_section()
    for title in ("mean", "standard_deviation", "pooled"):
        table.add_row(title.replace("_", " "), *(f"{100 * figures[title][name]:.2f}" for name in FIGURES))
    console().print(table)


def refuse_placeholder(data: DataArguments):
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


def _check(data, training):
    if training.push_to_hub and FOLD not in (training.hub_model_id or ""):
        raise ValueError(
            f"hub_model_id={training.hub_model_id!r} must contain {FOLD}, because each fold has its own repository."
        )
    for name in ("train_data", "eval_data"):
        path = getattr(data, name)
        if FOLD not in str(path):
            raise ValueError(f"{name}={path!r} must contain {FOLD}, which is replaced by the number of each fold.")
