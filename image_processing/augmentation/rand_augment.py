"""RandAugment of clips: `rand-m7-n4-mstd0.5-inc1`, the policy of MAE-DFER and VideoMAE for fine-tuning.

The policy is that of timm with this name (`timm.data.auto_augment`, `_RAND_INCREASING_TRANSFORMS`), after Cubuk et
al., "RandAugment" (https://arxiv.org/abs/1909.13719). timm changes PIL images. Here, each operation changes all frames
of a clip, and differs from timm by at most one grey level. Histograms and means are those of single frames, as
published.

Geometry is always bicubic. timm draws bilinear or bicubic unless the caller chooses. The published code passes
`--train_interpolation`, which is "bicubic" by default and in all scripts.
"""

import math
from collections.abc import Callable

import torch
from einops import rearrange
from torchvision.transforms.v2 import functional

from . import colour
from .interpolation import grey_levels, interpolate_points


GREY = 128  # fills pixels outside of the frame, as in timm
MAGNITUDE, MAGNITUDE_STD, LARGEST_MAGNITUDE = 7.0, 0.5, 10.0
PROBABILITY = 0.5  # that a drawn operation is applied

# ((a, b, c), (d, e, f)): the pixel (x, y) of the result is the pixel (ax + by + c, dx + ey + f) of the clip. x points
# right and y down, in pixels from the upper left corner. PIL's `Image.transform` has the same convention.
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


def rand_augment(clip: torch.Tensor, generator: torch.Generator, num_operations: int = 4) -> torch.Tensor:
    """Change colours and geometry of a clip, uint8 (frames, 3, height, width), in the same way in all frames.

    Args:
        clip: The clip. The result has the same shape and dtype.
        generator: Draws the operations. The number of drawn values is always the same.
        num_operations: Number of drawn operations. Half of them are applied on average.
    """
    for name, level in draw_operations(generator, num_operations):
        clip = OPERATIONS[name](clip, level)
    return clip


def draw_operations(generator: torch.Generator, num_operations: int) -> list[tuple[str, float]]:
    """Draw the operations for a clip with replacement: names of `OPERATIONS`, and levels from -1 to 1.

    Each is applied with probability 0.5. Magnitudes on a scale of 0 to 10 come from N(7, 0.5), and signs are random.
    """
    drawn = torch.randint(len(OPERATIONS), (num_operations,), generator=generator).tolist()
    applied = torch.rand(num_operations, generator=generator) < PROBABILITY
    magnitudes = MAGNITUDE + MAGNITUDE_STD * torch.randn(num_operations, generator=generator)
    signs = 1 - 2 * torch.randint(2, (num_operations,), generator=generator)
    levels = (signs * magnitudes.clamp(0, LARGEST_MAGNITUDE) / LARGEST_MAGNITUDE).tolist()
    names = list(OPERATIONS)
    return [(names[drawn[index]], levels[index]) for index in applied.nonzero().flatten().tolist()]


def _rotate(clip: torch.Tensor, degrees: float) -> torch.Tensor:
    """Rotate counter-clockwise about the centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = clip.shape[-1] / 2, clip.shape[-2] / 2
    matrix = ((cos, -sin, x - x * cos + y * sin), (sin, cos, y - x * sin - y * cos))
    return _warp(clip, matrix)


def _warp(clip: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    frames, channels, height, width = clip.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    (a, b, c), (d, e, f) = matrix
    x, y = a * x + b * y + c, d * x + e * y + f
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # Fractions are cut off as in PIL.
    sampled = grey_levels(interpolate_points(clip, y[inside], x[inside]).clamp_(0, 255))
    warped = torch.full((height, width, channels, frames), GREY, dtype=torch.uint8)
    warped.numpy()[inside.numpy()] = sampled.numpy()  # PyTorch takes twice as long
    return rearrange(warped, "h w c t -> t c h w")


# timm's names. `level` is from -1 to 1. Operations without a direction ignore its sign. Solarizing fails for levels
# below 1/256, which are 14 standard deviations away from the mean magnitude.
OPERATIONS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "AutoContrast": lambda clip, level: colour.autocontrast(clip),
    "Equalize": lambda clip, level: colour.equalize(clip),
    "Invert": lambda clip, level: functional.invert(clip),
    "Rotate": lambda clip, level: _rotate(clip, 30 * level),
    "PosterizeIncreasing": lambda clip, level: functional.posterize(clip, 4 - int(4 * abs(level))),
    "SolarizeIncreasing": lambda clip, level: colour.solarize(clip, 256 - int(256 * abs(level))),
    "SolarizeAdd": lambda clip, level: colour.solarize_add(clip, int(110 * abs(level))),
    "ColorIncreasing": lambda clip, level: colour.adjust_saturation(clip, 1 + 0.9 * level),
    "ContrastIncreasing": lambda clip, level: colour.adjust_contrast(clip, 1 + 0.9 * level),
    "BrightnessIncreasing": lambda clip, level: functional.adjust_brightness(clip, 1 + 0.9 * level),
    "SharpnessIncreasing": lambda clip, level: colour.adjust_sharpness(clip, 1 + 0.9 * level),
    "ShearX": lambda clip, level: _warp(clip, ((1, 0.3 * level, 0), (0, 1, 0))),
    "ShearY": lambda clip, level: _warp(clip, ((1, 0, 0), (0.3 * level, 1, 0))),
    "TranslateXRel": lambda clip, level: _warp(clip, ((1, 0, 0.45 * level * clip.shape[-1]), (0, 1, 0))),
    "TranslateYRel": lambda clip, level: _warp(clip, ((1, 0, 0), (0, 1, 0.45 * level * clip.shape[-2]))),
}
