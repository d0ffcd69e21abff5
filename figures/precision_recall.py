"""Draws precision over recall of labels that do not exclude each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve

from .style import STYLES, WIDTH, colour_of, drawable, fonts_of_all_scripts


@fonts_of_all_scripts()
def draw_precision_recall(labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a curve for each label that a video has, with its average precision in the legend.

    Args:
        labels: float (videos, labels), 0 or 1.
        probabilities: float (videos, labels).
        names: Names of the labels.
    """
    curves = [(index, name) for index, name in enumerate(names) if labels[:, index].any()]
    figure = Figure(figsize=(0.7 * WIDTH, 4.5 + 0.25 * ((len(curves) + 1) // 2)), layout="constrained")
    axes = figure.subplots()
    for position, (index, name) in enumerate(curves):
        true, scores = labels[:, index], probabilities[:, index]
        precision, recall, _ = precision_recall_curve(true, scores)
        style = STYLES[position // 8 % len(STYLES)]
        label = f"{drawable(name)}, AP {average_precision_score(true, scores):.1%}"
        axes.step(recall, precision, style, where="post", linewidth=1.5, color=colour_of(position), label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.03))
    axes.grid(alpha=0.3)
    if curves:
        # Outside the axes, the legend hides no curve.
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
