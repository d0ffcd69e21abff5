"""The figure of a confusion matrix."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lgi_former.figures import draw_confusion_matrix


def test_cells_have_counts_and_recall_of_the_row():
    figure = draw_confusion_matrix(np.array([[3, 1], [0, 0]]), ["_happy", "$sad$"], "4 videos")
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["3\n75%", "1\n25%", "0", "0"]
    assert [text.get_text().strip() for text in axes.get_yticklabels()] == ["_happy", r"\$sad\$"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert np.isnan(axes.images[0].get_array().filled(np.nan)).tolist() == [[False, False], [True, True]]


def test_eleven_classes_fit_into_the_figure():
    names = [f"disappointment {number}" for number in range(11)]
    figure = draw_confusion_matrix(np.full((11, 11), 1234), names)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.axes[0].get_tightbbox(canvas.get_renderer())
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
