"""Draws a confusion matrix: the number of videos of each class, and its share of the true class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import drawable, fonts_of_all_scripts


CELL, ROOM_FOR_NAMES, SMALLEST_SIDE = 0.72, 1.6, 2.6  # inches
FONT_SIZE, NUMBER_SIZE = 13, 11  # points
HEAT = "cividis"


@fonts_of_all_scripts()
def draw_confusion_matrix(matrix: np.ndarray, label_names: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix. Each cell has the count and, below it, the recall: the share of its row.

    The colour is the recall. A class without videos has no recall, and its row is white.

    Args:
        matrix: int (true classes, predicted classes).
        label_names: Names of the classes.
        title: Title of the figure.
    """
    videos = matrix.sum(axis=1, keepdims=True)
    recalls = np.divide(matrix, videos, out=np.full(matrix.shape, np.nan), where=videos > 0)
    side = max(CELL * len(label_names), SMALLEST_SIDE) + ROOM_FOR_NAMES
    figure = Figure(figsize=(side, side + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(recalls, cmap=HEAT, vmin=0, vmax=1)
    for (row, column), recall in np.ndenumerate(recalls):
        text = str(matrix[row, column]) if np.isnan(recall) else f"{matrix[row, column]}\n{recall:.0%}"
        colour = "white" if recall <= 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=NUMBER_SIZE)
    names, places = list(map(drawable, label_names)), range(len(label_names))
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=FONT_SIZE)
    axes.set_yticks(places, names, fontsize=FONT_SIZE)
    axes.set_xlabel("predicted class", fontsize=FONT_SIZE)
    axes.set_ylabel("true class", fontsize=FONT_SIZE)
    figure.suptitle(drawable(title), fontsize=FONT_SIZE)
    return figure
