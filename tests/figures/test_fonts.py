"""Names in letters that the usual font lacks, such as Japanese ones."""

import numpy as np
import pytest
from matplotlib.text import Text

from lgi_former.figures import (
    draw_confusion_matrix,
    draw_embedding_map,
    draw_losses,
    draw_precision_recall,
    draw_truth_and_prediction,
    style,
)


NAME = "幸せ"
FIGURES = {
    "confusion matrix": lambda: draw_confusion_matrix(np.eye(2, dtype=int), [NAME, "b"]),
    "embedding map": lambda: draw_embedding_map(np.zeros((4, 2)), np.zeros(4, dtype=int), [NAME]),
    "losses": lambda: draw_losses({NAME: [{"step": 1, "loss": 1.0}]}),
    "precision and recall": lambda: draw_precision_recall(np.ones((2, 1)), np.ones((2, 1)), [NAME]),
    "truth and prediction": lambda: draw_truth_and_prediction(np.ones((2, 1)), np.ones((2, 1)), [NAME]),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_names_are_drawn_with_the_fonts_of_the_machine(draw, monkeypatch):
    """Matplotlib brings DejaVu Serif along. It stands for the Japanese font of a machine."""
    monkeypatch.setattr(style, "FONTS_OF_OTHER_SCRIPTS", ("A font that is not installed", "DejaVu Serif"))
    texts = [text for text in draw().findobj(Text) if NAME in text.get_text()]
    assert texts and all(text.get_fontfamily()[1:] == ["DejaVu Serif"] for text in texts)
