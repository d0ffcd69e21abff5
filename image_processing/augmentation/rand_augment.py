"""RandAugment of clips: `rand-m7-n4-mstd0.5-inc1`, the policy of MAE-DFER and VideoMAE for fine-tuning.

The policy is that of timm with this name (`timm.data.auto_augment`, `_RAND_INCREASING_TRANSFORMS`), after Cubuk et
al., "RandAugment" (https://arxiv.org/abs/1909.13719). timm changes PIL images. Here, each operation changes all frames
of a clip, and differs from timm by at most one grey level. Histograms and means are those of single frames, as
published.

Geometry is always bicubic. timm draws bilinear or bicubic unless the caller chooses. The published code passes
`--train_interpolation`, which is "bicubic" by default and in all scripts.
"""

import math

import torch
from torchvision.transforms.v2 import functional

from . import colour
from .operations import WHOLE_PICTURE, Box, Matrix, Recolouring, View, Warp


MAGNITUDE, MAGNITUDE_STD, LARGEST_MAGNITUDE = 7.0, 0.5, 10.0
PROBABILITY = 0.5  # that a drawn operation is applied


def rand_augment(clip: torch.Tensor, operations: list[tuple[str, float]], parts: list[Box], size: int) -> torch.Tensor:
    """Change colours and geometry of a clip in the same way in all frames.

    Args:
        clip: uint8 (frames, 3, height, width): the first of `parts`.
        operations: From `draw_operations`.
        parts: From `needed_parts`.
        size: Height and width of the whole picture in pixels.

    Returns:
        uint8 (frames, 3, height, width): the last of `parts`.
    """
    for (name, level), part, next_part in zip(operations, parts[:-1], parts[1:], strict=True):
        clip = OPERATIONS[name](clip, level, View(size, size, part, next_part))
    return clip


def needed_parts(operations: list[tuple[str, float]], part: Box, size: int) -> list[Box]:
    """The parts of a picture of `size` x `size` pixels that the operations need if the result is only `part`.

    Returns:
        The needed part of the picture before each operation, and `part` itself.
    """
    parts = [part]
    for name, level in reversed(operations):
        parts.append(OPERATIONS[name].needed_part(level, parts[-1], size, size))
    return parts[::-1]


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


def _rotation(degrees: float, height: int, width: int) -> Matrix:
    """Rotate counter-clockwise about the centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = width / 2, height / 2
    return (cos, -sin, x - x * cos + y * sin), (sin, cos, y - x * sin - y * cos)


# timm's names. `level` is from -1 to 1. Operations without a direction ignore its sign. Solarizing fails for levels
# below 1/256, which are 14 standard deviations away from the mean magnitude.
OPERATIONS: dict[str, Recolouring | Warp] = {
    "AutoContrast": Recolouring(lambda clip, level: colour.autocontrast(clip), WHOLE_PICTURE),
    "Equalize": Recolouring(lambda clip, level: colour.equalize(clip), WHOLE_PICTURE),
    "Invert": Recolouring(lambda clip, level: functional.invert(clip)),
    "Rotate": Warp(lambda level, height, width: _rotation(30 * level, height, width)),
    "PosterizeIncreasing": Recolouring(lambda clip, level: functional.posterize(clip, 4 - int(4 * abs(level)))),
    "SolarizeIncreasing": Recolouring(lambda clip, level: colour.solarize(clip, 256 - int(256 * abs(level)))),
    "SolarizeAdd": Recolouring(lambda clip, level: colour.solarize_add(clip, int(110 * abs(level)))),
    "ColorIncreasing": Recolouring(lambda clip, level: colour.adjust_saturation(clip, 1 + 0.9 * level)),
    "ContrastIncreasing": Recolouring(
        lambda clip, level: colour.adjust_contrast(clip, 1 + 0.9 * level), WHOLE_PICTURE
    ),
    "BrightnessIncreasing": Recolouring(lambda clip, level: functional.adjust_brightness(clip, 1 + 0.9 * level)),
    "SharpnessIncreasing": Recolouring(lambda clip, level: colour.adjust_sharpness(clip, 1 + 0.9 * level), margin=1),
    "ShearX": Warp(lambda level, height, width: ((1, 0.3 * level, 0), (0, 1, 0))),
    "ShearY": Warp(lambda level, height, width: ((1, 0, 0), (0.3 * level, 1, 0))),
    "TranslateXRel": Warp(lambda level, height, width: ((1, 0, 0.45 * level * width), (0, 1, 0))),
    "TranslateYRel": Warp(lambda level, height, width: ((1, 0, 0), (0, 1, 0.45 * level * height))),
}
