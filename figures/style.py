"""What all figures have in common: colours, line styles, markers, size."""

from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..messages import escaped


WIDTH = 9.0  # inches
DPI = 110  # so 990 pixels, which a README shows without shrinking much

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's, for all kinds of colour vision; their yellow, which is lost on white, is brown."""

STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d")
"""One more than colours and no multiple of them, so that both together tell many classes apart."""


def colour_of(index: int) -> str:
    """The colour of a curve or class; they repeat."""
    return COLOURS[index % len(COLOURS)]


def area_colour_of(index: int) -> tuple[float, float, float]:
    """The colour of an area, RGB from 0 to 1: after all colours come paler ones of them, and so on in turn."""
    strong = to_rgb(colour_of(index))
    return strong if index // len(COLOURS) % 2 == 0 else tuple((1 + part) / 2 for part in strong)


def text_colour_on(colour: tuple[float, float, float]) -> str:
    """Black or white, whichever is better read on an area of a colour, RGB from 0 to 1."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def drawable(name: str) -> str:
    """A name of a class, run or file as Matplotlib draws it letter by letter.

    Matplotlib takes text between dollar signs for a formula, and leaves labels that begin with an underscore out of
    the legend. It cannot draw bytes of a file name that are no text.
    """
    text = escaped(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def save_figure(figure: Figure, path: str | Path):
    """Save a figure for a README or, as `.pdf` or `.svg`, for a paper; folders are made.

    Raises:
        OSError: If it cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
