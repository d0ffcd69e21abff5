"""Colours, line styles, markers and sizes of all figures."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from ..files import whole_file
from ..messages import escaped, printable


WIDTH = 9.0  # inches
DPI = 110  # 990 pixels fit into a README

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Colours of Okabe and Ito, for all kinds of colour vision. Brown replaces yellow, which is faint on white."""

FONTS_OF_OTHER_SCRIPTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "WenQuanYi Zen Hei"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans", "Arial Unicode MS"),
)

STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h", "d")
"""The number of markers is not a multiple of the number of colours, so that many pairs differ."""


def colour_of(index: int) -> str:
    """The colour of a curve or class. Colours repeat."""
    return COLOURS[index % len(COLOURS)]


def area_colour_of(index: int) -> tuple[float, float, float]:
    """The colour of an area, RGB from 0 to 1. Full and paler colours alternate in rounds."""
    strong = to_rgb(colour_of(index))
    return strong if index // len(COLOURS) % 2 == 0 else tuple((1 + part) / 2 for part in strong)


def text_colour_on(colour: tuple[float, float, float]) -> str:
    """Black or white, for the better contrast on an area of a colour, RGB from 0 to 1."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def drawable(name: str) -> str:
    """Escape the name of a class, run or file so that Matplotlib draws it letter by letter.

    Matplotlib reads text between dollar signs as a formula. It omits labels with a leading underscore from legends. It
    cannot draw bytes of a file name that are not UTF-8, nor control characters.
    """
    text = printable(escaped(name)).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


@contextlib.contextmanager
def fonts_of_all_scripts() -> Iterator[None]:
    """Texts that are made in this block have also the fonts of this machine for letters that the usual font lacks.

    It is also a decorator, `@fonts_of_all_scripts()`, of a function that draws.
    """
    installed = set(fontManager.get_font_names())
    others = [name for name in FONTS_OF_OTHER_SCRIPTS if name in installed]
    with rc_context({"font.family": [*rcParams["font.family"], *others]}):
        yield


def save_figure(figure: Figure, path: str | Path):
    """Save a figure atomically. Missing folders are created.

    Raises:
        OSError: If the file cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(Path(path)) as file:
        figure.savefig(file, dpi=DPI)
