"""Bilinear and bicubic interpolation of all frames of a clip at once.

Clips have the memory layout *pixel by pixel*: all channels and frames of a pixel are contiguous. Each pixel of the
result is a weighted sum of a few rows of a table, which `embedding_bag` computes. Indices and weights are computed
once for all frames and channels. `interpolate` and `grid_sample` compute them for each frame.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch.nn.functional import embedding_bag


ROWS_AT_ONCE = 10  # they fit into the cache of a processor


def pixel_by_pixel(clip: torch.Tensor) -> torch.Tensor:
    """Copy a uint8 clip (frames, 3, height, width) to a layout with contiguous pixels."""
    # NumPy transposes bytes 2.6 times as fast as PyTorch.
    pixels = np.ascontiguousarray(rearrange(clip.numpy(), "t c h w -> h w c t"))
    return rearrange(torch.from_numpy(pixels), "h w c t -> t c h w")


def grey_levels(clip: torch.Tensor) -> torch.Tensor:
    """Convert the values of a float clip, 0 to 255, to uint8. Fractions are cut off."""
    return torch.from_numpy(clip.numpy().astype(np.uint8))  # 3 times as fast as PyTorch's conversion


def centres(size: int, new_size: int) -> torch.Tensor:
    """The centres of `new_size` equal parts of `size` pixels: float32 (new_size,)."""
    return (torch.arange(new_size) + 0.5) * (size / new_size)


def interpolate_grid(clip: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Interpolate a clip bilinearly at all crossings of rows and columns. Pixels of the border continue outside.

    Args:
        clip: (frames, 3, height, width).
        y, x: float (rows,) and (columns,), in pixels from the upper left corner of the upper left pixel.

    Returns:
        float32 (frames, 3, rows, columns), contiguous.
    """
    frames, channels, height, width = clip.shape
    rows, row_weights = _neighbours(y, height, BILINEAR)
    columns, column_weights = _neighbours(x, width, BILINEAR)
    table = rearrange(clip, "t c h w -> h (w c t)").float()
    result = torch.empty(frames, channels, len(y), len(x))
    starts = torch.arange(ROWS_AT_ONCE, dtype=torch.int32)[:, None, None] * width
    columns, column_weights = (starts + columns).flatten(0, 1), column_weights.repeat(ROWS_AT_ONCE, 1)
    for start in range(0, len(y), ROWS_AT_ONCE):
        band = slice(start, start + ROWS_AT_ONCE)
        stretched = embedding_bag(rows[band], table, mode="sum", per_sample_weights=row_weights[band])
        count = len(stretched) * len(x)
        pixels = embedding_bag(
            columns[:count],
            stretched.view(-1, channels * frames),
            mode="sum",
            per_sample_weights=column_weights[:count],
        )
        result[:, :, band] = rearrange(pixels, "(h w) (c t) -> t c h w", w=len(x), c=channels)
    return result


def interpolate_points(clip: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Interpolate a clip bicubically at points, float `y` and `x` (points,). Returns float32 (points, 3, frames).

    Pixels and points are as for `interpolate_grid`.
    """
    rows, row_weights = _neighbours(y, clip.shape[2], BICUBIC)
    columns, column_weights = _neighbours(x, clip.shape[3], BICUBIC)
    pixels = embedding_bag(
        (rows[:, :, None] * clip.shape[3] + columns[:, None, :]).flatten(1),
        rearrange(clip, "t c h w -> (h w) (c t)").float(),
        mode="sum",
        per_sample_weights=(row_weights[:, :, None] * column_weights[:, None, :]).flatten(1),
    )
    return rearrange(pixels, "points (c t) -> points c t", c=clip.shape[1])


def _neighbours(places: torch.Tensor, size: int, kernel: "Kernel") -> tuple[torch.Tensor, torch.Tensor]:
    """The pixels around `places` (n,) in one dimension, int32 (n, neighbours), and their weights."""
    places = places - 0.5
    before = places.floor()
    indices = before.int()[:, None]
    if torch.equal(places, before):  # centres of pixels, for example the rows of a clip that moves sideways
        return indices.clamp_(0, size - 1), torch.ones(len(places), 1)
    weights = kernel.weigh(((places - before)[:, None] - kernel.steps).abs_())
    return (indices + kernel.steps).clamp_(0, size - 1), weights


def _bicubic(distance: torch.Tensor) -> torch.Tensor:
    # Keys' kernel with a = -1, as in PIL's `Image.transform` and `Image.rotate`.
    near = (distance - 2) * distance**2 + 1
    far = ((5 - distance) * distance - 8) * distance + 4
    return torch.where(distance <= 1, near, far)


class Kernel(NamedTuple):
    """Offsets of the neighbours of a place, from the pixel before it, and their weights by distance."""

    steps: torch.Tensor
    weigh: Callable[[torch.Tensor], torch.Tensor]


BILINEAR = Kernel(torch.tensor([0, 1], dtype=torch.int32), lambda distance: 1 - distance)
BICUBIC = Kernel(torch.tensor([-1, 0, 1, 2], dtype=torch.int32), _bicubic)
