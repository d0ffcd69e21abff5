"""Draws predicted numbers over true numbers."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import WIDTH, colour_of, drawable, fonts_of_all_scripts


PANELS_IN_A_ROW = 3
PANEL = WIDTH / PANELS_IN_A_ROW  # inches
LETTERS_IN_A_TITLE = 20  # fit into the width of a panel
MANY_POINTS = 500  # more points are drawn smaller and paler


@fonts_of_all_scripts()
def draw_truth_and_prediction(
    labels: np.ndarray,
    predictions: np.ndarray,
    names: Sequence[str],
    concordances: Sequence[float | None] | None = None,
    units: Sequence[str | None] | None = None,
) -> Figure:
    """Draw a panel for each quantity, with a point for each video. On the dashed line, both numbers are equal.

    Args:
        labels, predictions: float (videos, quantities).
        names: Names of the quantities.
        concordances: CCC of each quantity for its title; None if it is undefined.
        units: Units of the quantities; None or empty for a quantity without unit.
    """
    columns = min(len(names), PANELS_IN_A_ROW)
    rows = math.ceil(len(names) / columns)
    side = PANEL if columns > 1 else 1.5 * PANEL
    figure = Figure(figsize=(columns * side, rows * (side + 0.3)), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    few = len(labels) <= MANY_POINTS
    for index, (axes, name) in enumerate(zip(panels, names, strict=False)):
        true, predicted = labels[:, index], predictions[:, index]
        lowest, highest = (end([*true, *predicted]) for end in (min, max))
        margin = 0.05 * (highest - lowest) or 0.5
        limits = (lowest - margin, highest + margin)
        axes.plot(limits, limits, "--", color="0.5", linewidth=1)
        axes.scatter(true, predicted, s=16 if few else 4, alpha=0.6 if few else 0.3, color=colour_of(0), linewidths=0)
        unit = f" ({units[index]})" if units and units[index] else ""
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.set_xlabel(f"true{drawable(unit)}")
        axes.set_ylabel(f"predicted{drawable(unit)}")
        ccc = concordances[index] if concordances else None
        lines = textwrap.wrap(name, LETTERS_IN_A_TITLE) + ([] if ccc is None else [f"CCC {ccc:.3f}"])
        axes.set_title(drawable("\n".join(lines)))
        axes.grid(alpha=0.3)
    for axes in list(panels)[len(names) :]:
        axes.set_axis_off()
    return figure
