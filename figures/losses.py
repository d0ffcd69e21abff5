"""Draws loss curves of training runs from the logs of `Trainer`."""

import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint

from .style import STYLES, WIDTH, colour_of, drawable, fonts_of_all_scripts


MOST_POINTS = 200  # a longer curve is drawn as means of this many parts, over its points in a pale colour


def read_log_history(path: str | Path) -> list[dict]:
    """Read the log of a training run.

    Args:
        path: `trainer_state.json`, or the output directory of a `Trainer`. If the directory has no such file, the last
            checkpoint is read.

    Raises:
        ValueError: If there is no such file, it is not the state of a trainer, or it logs no loss.
    """
    path = Path(path)
    file = _state_in(path) if path.is_dir() else path
    try:
        history = json.loads(file.read_text(encoding="utf-8"))["log_history"]
        has_losses = any("loss" in entry for entry in history)
    except OSError as error:
        raise ValueError(f"'{file}' cannot be read as the log of a training run: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{file}' is not a {TRAINER_STATE_NAME}: it has no 'log_history'.") from error
    if not has_losses:
        raise ValueError(f"'{file}' logs no loss. Train with fewer --logging_steps than the run has.")
    return history


def draw_losses(histories: dict[str, list[dict]]) -> Figure:
    """Draw the training losses of several runs by step, and their evaluation losses where they were logged.

    Args:
        histories: `log_history` of each run, by its name.
    """
    figure = Figure(figsize=(WIDTH, 4), layout="constrained")
    axes = figure.subplots()
    plot_losses(axes, histories)
    return figure


@fonts_of_all_scripts()
def plot_losses(axes: Axes, histories: dict[str, list[dict]]):
    """Draw losses on existing axes; otherwise as `draw_losses`."""
    for index, (name, history) in enumerate(histories.items()):
        name = drawable(name)
        colour, style = colour_of(index), STYLES[index % len(STYLES)]
        steps, losses = _curve(history, "loss")
        if len(steps) > MOST_POINTS:
            axes.plot(steps, losses, color=colour, alpha=0.2, linewidth=0.8)
            steps, losses = _means_of_stretches(steps), _means_of_stretches(losses)
        axes.plot(steps, losses, style, color=colour, label=name, marker="o" if len(steps) == 1 else None)
        steps, losses = _curve(history, "eval_loss")
        if len(steps):
            label = f"{name}, evaluation"
            axes.plot(steps, losses, style, color=colour, marker="o", markerfacecolor="white", label=label)
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    # Below the axes, the legend hides no curve.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)


def _state_in(folder: Path) -> Path:
    if (folder / TRAINER_STATE_NAME).is_file():
        return folder / TRAINER_STATE_NAME
    checkpoint = get_last_checkpoint(folder)
    if checkpoint is None:
        raise ValueError(
            f"'{folder}' holds no {TRAINER_STATE_NAME}: it is not the output directory of a training run."
        )
    return Path(checkpoint, TRAINER_STATE_NAME)


def _curve(history: list[dict], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a quantity, from the entries that have it."""
    points = [(entry["step"], entry[quantity]) for entry in history if quantity in entry]
    return tuple(np.array(points, dtype=float).reshape(-1, 2).T)


def _means_of_stretches(values: np.ndarray) -> np.ndarray:
    return np.array([stretch.mean() for stretch in np.array_split(values, MOST_POINTS)])
