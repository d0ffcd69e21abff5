"""Draws rows of frames, which most figures consist of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure


GAP = 0.03  # between frames, of their width
WIDER_GAP = 0.12
# In inches:
LARGEST_FRAME = 0.95
ROOM_FOR_FRAMES = 7.5
ROOM_FOR_NAMES = 1.4
ROOM_FOR_HEADINGS = 0.22
MARGIN = 0.08


@dataclass
class Row:
    """Frames to be drawn side by side.

    Attributes:
        name (`str`): Text on the left, in lines of about 16 letters at most.
        frames (`torch.Tensor` of shape `(frames, 3, height, width)`): Pixels, which are clipped to [0, 1].
        headings (`Sequence[str]`): One above each frame, or none.
    """

    name: str
    frames: torch.Tensor
    headings: Sequence[str] = ()


class FrameRows:
    """Rows of frames below one another, and their size. All rows have the same number and size of frames.

    The positions are computed here, because the layouts of Matplotlib cut off names beside axes with a fixed aspect.

    Args:
        rows: From top to bottom.
        wider_before: Frames before which the gap is wider.
    """

    def __init__(self, rows: Sequence[Row], wider_before: Collection[int] = ()):
        self.rows = rows
        number, _, self._frame_height, self._frame_width = rows[0].frames.shape
        gap, wider_gap = (max(round(share * self._frame_width), 1) for share in (GAP, WIDER_GAP))
        gaps = [0, *(wider_gap if frame in wider_before else gap for frame in range(1, number))]
        self.left_edges = [frame * self._frame_width + int(before) for frame, before in enumerate(np.cumsum(gaps))]
        """The first column of pixels of each frame in a row."""
        self._strip_width = self.left_edges[-1] + self._frame_width
        self._inches = min(LARGEST_FRAME / self._frame_width, ROOM_FOR_FRAMES / self._strip_width)  # of a pixel

    @property
    def width(self) -> float:
        """Inches, with names and margins."""
        return ROOM_FOR_NAMES + self._strip_width * self._inches + MARGIN

    @property
    def height(self) -> float:
        """Inches, with headings and margins."""
        return MARGIN + sum(self._height_of(row) for row in self.rows)

    def draw(self, figure: Figure, top: float = 0.0) -> list[Axes]:
        """Draw the rows `top` inches below the upper edge of the figure. Returns the axes of each row, in pixels."""
        drawn = []
        figure_width, figure_height = figure.get_size_inches()
        width, height = self._strip_width * self._inches, self._frame_height * self._inches
        for row in self.rows:
            top += self._height_of(row)
            box = (ROOM_FOR_NAMES, figure_height - top, width, height)
            axes = figure.add_axes(
                [inches / side for inches, side in zip(box, 2 * (figure_width, figure_height), strict=True)]
            )
            self._draw_row(axes, row)
            drawn.append(axes)
        return drawn

    def _height_of(self, row: Row) -> float:
        return self._frame_height * self._inches + MARGIN + bool(row.headings) * ROOM_FOR_HEADINGS

    def _draw_row(self, axes: Axes, row: Row):
        strip = np.ones((self._frame_height, self._strip_width, 3), dtype=np.float32)
        for start, frame in zip(self.left_edges, row.frames.clip(0, 1), strict=True):
            strip[:, start : start + self._frame_width] = frame.permute(1, 2, 0).numpy()
        axes.imshow(strip)
        axes.set_ylabel(row.name, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
        if row.headings:
            axes.set_xticks([start + (self._frame_width - 1) / 2 for start in self.left_edges], row.headings)
            axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0, labelsize="small")
        axes.spines[:].set_visible(False)


def draw_rows(rows: Sequence[Row], wider_before: Collection[int] = ()) -> Figure:
    """Draw a figure of rows of frames. The arguments are those of `FrameRows`."""
    drawing = FrameRows(rows, wider_before)
    figure = Figure(figsize=(drawing.width, drawing.height))
    drawing.draw(figure)
    return figure


def spread(number: int, most: int) -> list[int]:
    """Evenly spaced indices below `number`, `most` of them at most: `spread(16, 4)` is 0, 5, 10, 15."""
    return np.linspace(0, number - 1, min(number, most)).round().astype(int).tolist()
