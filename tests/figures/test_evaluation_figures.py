"""Figures of predicted numbers and of several labels."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lgi_former.figures import draw_precision_recall, draw_truth_and_prediction


def test_points_and_the_line_of_equal_numbers():
    labels, predictions = np.array([[0.0, 1], [1, 1]]), np.array([[0.5, 1], [-1, 1]])
    figure = draw_truth_and_prediction(labels, predictions, ["$v$", "a"], [0.25, None], ["", "Hz"])
    FigureCanvasAgg(figure).draw()
    valence, arousal = figure.axes
    assert (valence.get_title(), arousal.get_title()) == (r"\$v\$" + "\nCCC 0.250", "a")
    assert (valence.get_xlabel(), arousal.get_ylabel()) == ("true", "predicted (Hz)")
    np.testing.assert_array_equal(valence.collections[0].get_offsets(), [[0, 0.5], [1, -1]])
    assert valence.get_xlim() == valence.get_ylim() == pytest.approx((-1.1, 1.1))
    line = valence.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_four_quantities_have_four_panels():
    figure = draw_truth_and_prediction(np.zeros((1, 4)), np.ones((1, 4)), list("abcd"))
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_curves_of_labels_that_occur():
    labels = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0]])
    figure = draw_precision_recall(labels, np.array([[0.9, 0, 0.2], [0.5, 0, 0.1], [0.1, 0, 0.3]]), ["a", "b", "_c"])
    FigureCanvasAgg(figure).draw()
    texts = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert texts == ["a, AP 83.3%", "_c, AP 58.3%"]
    assert len(figure.axes[0].lines) == 2
