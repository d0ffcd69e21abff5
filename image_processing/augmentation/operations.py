"""Operations on clips that can be limited to a part of the picture.

Training shows a random crop of the picture. Pixels outside of the crop are computed only if an operation needs them.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from torchvision.transforms.v2 import functional

from .interpolation import grey_levels, interpolate_points


GREY = 128  # fills pixels outside of the frame, as in timm
ROUNDING_ERROR = 1e-3  # grey levels; more than the error of a weighted sum in float32
WHOLE_PICTURE = sys.maxsize  # the margin of operations that read all pixels

Box = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""

# ((a, b, c), (d, e, f)): the pixel (x, y) of the result is the pixel (ax + by + c, dx + ey + f) of the clip. x points
# right and y down, in pixels from the upper left corner. PIL's `Image.transform` has the same convention.
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


class View(NamedTuple):
    """What an operation gets and returns.

    Attributes:
        height, width: Size of the whole picture.
        source: The part of the picture that the operation gets.
        target: The part that it returns.
    """

    height: int
    width: int
    source: Box
    target: Box

    @classmethod
    def of_whole(cls, clip: torch.Tensor) -> "View":
        """The view of an operation that gets and returns the whole picture."""
        height, width = clip.shape[-2:]
        return cls(height, width, (0, 0, height, width), (0, 0, height, width))


@dataclass(frozen=True)
class Recolouring:
    """An operation that does not move pixels.

    Args:
        change: Changes uint8 clips (frames, 3, height, width) by a level from -1 to 1.
        margin: How far around a pixel it reads others, in pixels.
    """

    change: Callable[[torch.Tensor, float], torch.Tensor]
    margin: int = 0

    def needed_part(self, level: float, part: Box, height: int, width: int) -> Box:
        """The part of a picture of `height` x `width` pixels that is needed for `part` of the result."""
        top, left, rows, columns = part
        margin = self.margin
        return _part_between(top - margin, left - margin, top + rows + margin, left + columns + margin, height, width)

    def __call__(self, clip: torch.Tensor, level: float, view: View | None = None) -> torch.Tensor:
        """Change a clip. By default, it is the whole picture."""
        view = view or View.of_whole(clip)
        (source_top, source_left, *_), (top, left, *size) = view.source, view.target
        return functional.crop(self.change(clip, level), top - source_top, left - source_left, *size)


@dataclass(frozen=True)
class Warp:
    """An operation that moves pixels. It interpolates bicubically. Pixels from outside of the picture are grey.

    Args:
        matrix: Returns the matrix for a level from -1 to 1, and for the height and width of the picture.
    """

    matrix: Callable[[float, int, int], Matrix]

    def needed_part(self, level: float, part: Box, height: int, width: int) -> Box:
        """As `Recolouring.needed_part`."""
        top, left, rows, columns = part
        corners = torch.tensor([[x, y, 1.0] for x in (left, left + columns) for y in (top, top + rows)])
        x, y = torch.tensor(self.matrix(level, height, width)) @ corners.T
        margin = 2  # pixels, for bicubic interpolation
        bounds = y.min() - margin, x.min() - margin, y.max() + margin + 1, x.max() + margin + 1
        return _part_between(*(int(bound.floor()) for bound in bounds), height, width)

    def __call__(self, clip: torch.Tensor, level: float, view: View | None = None) -> torch.Tensor:
        """As `Recolouring.__call__`."""
        height, width, (source_top, source_left, *_), (top, left, *size) = view or View.of_whole(clip)
        y, x = torch.meshgrid(
            *(torch.arange(n) + (m + 0.5) for m, n in zip((top, left), size, strict=True)), indexing="ij"
        )
        (a, b, c), (d, e, f) = self.matrix(level, height, width)
        x, y = a * x + b * y + c, d * x + e * y + f
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        sampled = interpolate_points(clip, y[inside] - source_top, x[inside] - source_left)
        # Fractions are cut off as in PIL. PIL sums in float64, where equal pixels remain equal.
        sampled = sampled.add_(ROUNDING_ERROR).clamp_(0, 255)
        warped = torch.full((*size, *clip.shape[1::-1]), GREY, dtype=torch.uint8)
        warped.numpy()[inside.numpy()] = grey_levels(sampled).numpy()  # PyTorch takes twice as long
        return rearrange(warped, "h w c t -> t c h w")


def _part_between(top: int, left: int, bottom: int, right: int, height: int, width: int) -> Box:
    """The part of these bounds that lies in a picture: at least one pixel, at the border if there is no other."""
    top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
    return top, left, max(min(bottom, height) - top, 1), max(min(right, width) - left, 1)
