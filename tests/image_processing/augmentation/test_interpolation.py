import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from lgi_former.image_processing.augmentation.interpolation import (
    centres,
    grey_levels,
    interpolate_grid,
    interpolate_points,
    pixel_by_pixel,
)


@pytest.fixture
def clip() -> torch.Tensor:
    """uint8 (5, 3, 12, 17), with channels last in memory like decoded frames."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (5, 12, 17, 3), generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)


@pytest.mark.parametrize("as_decoded", [True, False])
def test_layouts_have_the_same_pixels(clip, as_decoded):
    clip = clip if as_decoded else clip.contiguous()
    pixels = pixel_by_pixel(clip)
    assert torch.equal(pixels, clip) and pixels.permute(2, 3, 1, 0).is_contiguous()


@pytest.mark.parametrize("size", [(12, 17), (24, 9), (5, 40), (1, 1)])
def test_resizing_is_like_pytorch(clip, size):
    resized = interpolate_grid(clip, *map(centres, clip.shape[-2:], size))
    expected = F.interpolate(clip.float(), size, mode="bilinear")
    assert resized.dtype == torch.float32 and resized.is_contiguous()
    torch.testing.assert_close(resized, expected, atol=1e-3, rtol=0)


def test_points_are_sampled_like_pillow(clip):
    matrix = (0.9, 0.2, -0.3, -0.1, 1.1, 0.4)  # from the result to the frame, and partly outside of it
    y, x = torch.meshgrid(torch.arange(12) + 0.5, torch.arange(17) + 0.5, indexing="ij")
    a, b, c, d, e, f = matrix
    y, x = (d * x + e * y + f).flatten(), (a * x + b * y + c).flatten()
    inside = (x >= 0) & (x < 17) & (y >= 0) & (y < 12)
    image = Image.fromarray(clip[2].permute(1, 2, 0).numpy())
    expected = np.array(image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))
    sampled = interpolate_points(clip, y[inside], x[inside])[..., 2].clamp(0, 255).floor()
    difference = (sampled - torch.from_numpy(expected).flatten(0, 1)[inside]).abs()
    assert inside.sum() > 150 and difference.max() <= 1 and difference.mean() < 0.01


def test_pixels_do_not_change_at_their_centres(clip):
    sampled = interpolate_points(clip, centres(12, 12), centres(12, 12))
    assert torch.equal(sampled, clip.float().diagonal(dim1=2, dim2=3).permute(2, 1, 0))
    # The same if not all places are centres.
    y, x = torch.tensor([3.5, 0.2]), torch.tensor([11.5, 0.7])
    assert torch.equal(interpolate_points(clip, y, x)[0], clip[:, :, 3, 11].T.float())


def test_grey_levels_are_cut_off():
    assert grey_levels(torch.tensor([0.0, 0.9, 254.99, 255.0])).tolist() == [0, 0, 254, 255]
