"""Random crops and flips of a whole batch at once, which costs a fraction of cropping clip by clip."""

import math

import torch
from einops import rearrange
from torch.nn import functional
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD


NUM_DRAWS = 5
CROP_ASPECT = (3 / 4, 4 / 3)


class RandomCrops:
    """Crops each clip, resizes the crop to the size of the clip, flips half of the clips, and normalises them.

    The crop is the same in all frames of a clip. Crop and flip are one bilinear interpolation.

    Args:
        smallest_area: Smallest share of the picture that a crop keeps.

    Called with clips, uint8 (batch, frames, 3, height, width), and random numbers from 0 to 1, float
    (batch, `NUM_DRAWS`), it returns float32 of the shape of the clips.
    """

    def __init__(self, smallest_area: float):
        self.smallest_area = smallest_area
        mean, std = torch.tensor(IMAGENET_DEFAULT_MEAN), torch.tensor(IMAGENET_DEFAULT_STD)
        self.scale = (1 / (255 * std)).view(3, 1, 1)
        self.shift = (-mean / std).view(3, 1, 1)

    def __call__(self, clips: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        pictures = rearrange(clips, "b t c h w -> b (t c) h w").float()
        grid = functional.affine_grid(self._crops(draws), pictures.shape, align_corners=False)
        pictures = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return pictures.view(clips.shape).mul_(self.scale).add_(self.shift)

    def _crops(self, draws: torch.Tensor) -> torch.Tensor:
        """Affine maps from the result to the picture, float (batch, 2, 3)."""
        area, aspect, down, right, flip = draws.unbind(1)
        area = self.smallest_area + (1 - self.smallest_area) * area
        low, high = (math.log(bound) for bound in CROP_ASPECT)
        aspect = torch.exp(low + (high - low) * aspect)
        height, width = (area / aspect).sqrt().clamp(max=1), (area * aspect).sqrt().clamp(max=1)
        maps = torch.zeros(len(draws), 2, 3)
        maps[:, 0, 0] = torch.where(flip < 0.5, -width, width)
        maps[:, 0, 2] = (2 * right - 1) * (1 - width)
        maps[:, 1, 1] = height
        maps[:, 1, 2] = (2 * down - 1) * (1 - height)
        return maps
