"""Changes the colours of all frames of a clip in the same way as PIL changes images.

Clips are uint8 (frames, 3, height, width), preferably in the memory layout of `interpolation.pixel_by_pixel`.
torchvision's functions with these names take up to 8 times as long in this layout. Histograms and means are those of
single frames.
"""

import numpy as np
import torch
from einops import rearrange
from torchvision.transforms.v2 import functional

from .interpolation import grey_levels


LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 256)  # all grey levels, as an image of one row
LUMA = torch.tensor([0.299, 0.587, 0.114])


def solarize(clip: torch.Tensor, threshold: int) -> torch.Tensor:
    """Invert all levels of at least `threshold`."""
    return _change_levels(clip, functional.solarize(LEVELS, threshold))


def solarize_add(clip: torch.Tensor, addition: int) -> torch.Tensor:
    """Add at most 127 to the darker half of the levels."""
    return _change_levels(clip, torch.where(LEVELS < 128, LEVELS + addition, LEVELS))


def autocontrast(clip: torch.Tensor) -> torch.Tensor:
    """Stretch the grey levels of each channel of a frame from 0 to 255."""
    pixels = _pixels(clip)
    columns = pixels.flatten(0, 1).flatten(1).numpy()  # PyTorch takes 3 times as long for extremes
    low, high = columns.min(axis=0).astype(np.float32), columns.max(axis=0).astype(np.float32)
    flat = low == high  # these do not change
    low, high = (torch.from_numpy(np.where(flat, bound, level)) for bound, level in ((0, low), (255, high)))
    stretched = (pixels.flatten(2) - low).mul_(255 / (high - low))
    return _clip_of(grey_levels(stretched.view(pixels.shape)))


def equalize(clip: torch.Tensor) -> torch.Tensor:
    """Equalise the histogram of each channel of a frame."""
    pixels = _pixels(clip).numpy()
    columns = np.arange(pixels[0, 0].size).reshape(pixels.shape[2:])
    places = pixels + 256 * columns  # the place of each pixel in the histogram of its column
    counts = np.bincount(places.ravel(), minlength=256 * columns.size).reshape(-1, 256)
    brightest = 255 - (counts[:, ::-1] > 0).argmax(axis=1)
    step = (counts.sum(axis=1) - counts[np.arange(len(counts)), brightest])[:, None] // 255
    below = counts.cumsum(axis=1) - counts
    tables = ((below + step // 2) // step.clip(min=1)).clip(max=255)
    tables = np.where(step > 0, tables, np.arange(256)).astype(np.uint8)
    return _clip_of(torch.from_numpy(np.take(tables, places)))


def adjust_saturation(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply the distance of colours to grey by `factor`."""
    pixels = _pixels(clip).float()
    red, green, blue = pixels.unbind(2)
    grey = (LUMA[0] * red).add_(green, alpha=LUMA[1].item()).add_(blue, alpha=LUMA[2].item()).round_()
    return _blended(grey[:, :, None], pixels, factor)


def adjust_contrast(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply the distance of levels to the mean of the frame by `factor`."""
    pixels = _pixels(clip).float()
    means = LUMA @ pixels.flatten(2).flatten(0, 1).mean(dim=0).view(pixels.shape[2:])
    return _blended(means.round_(), pixels, factor)


def adjust_sharpness(clip: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply the distance of pixels to the smoothed frame by `factor`, except at the border."""
    pixels = _pixels(clip).float()
    inner = pixels[1:-1, 1:-1]
    rows = (pixels[:-2] + pixels[1:-1]).add_(pixels[2:])
    smoothed = (rows[:, :-2] + rows[:, 1:-1]).add_(rows[:, 2:]).add_(inner, alpha=4).mul_(1 / 13).round_()
    inner.copy_(torch.lerp(smoothed, inner, factor))
    return _clip_of(grey_levels(pixels.clamp_(0, 255)))


def _change_levels(clip: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    """Replace the levels of a clip. `changed` has the new value of each of `LEVELS`."""
    pixels = np.take(changed.flatten().numpy(), _pixels(clip).numpy())
    return _clip_of(torch.from_numpy(pixels))


def _blended(without: torch.Tensor, pixels: torch.Tensor, factor: float) -> torch.Tensor:
    blended = torch.lerp(without, pixels, factor).clamp_(0, 255)
    return _clip_of(grey_levels(blended))


def _pixels(clip: torch.Tensor) -> torch.Tensor:
    """Permute a clip to (height, width, 3, frames)."""
    return rearrange(clip, "t c h w -> h w c t")


def _clip_of(pixels: torch.Tensor) -> torch.Tensor:
    return rearrange(pixels, "h w c t -> t c h w")
