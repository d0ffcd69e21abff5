import pytest
import torch
from torch.nn import functional as F

from lgi_former.image_processing.interpolation import (
    centres,
    frame_by_frame,
    grey_levels,
    interpolate_grid,
    interpolate_points,
    pixel_by_pixel,
)


@pytest.fixture
def clip() -> torch.Tensor:
    """uint8 (5, 3, 12, 17), as decoders give it: channels last in memory."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (5, 12, 17, 3), generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)


@pytest.mark.parametrize("as_decoded", [True, False])
def test_layouts_hold_the_same_clip(clip, as_decoded):
    clip = clip if as_decoded else clip.contiguous()
    pixels = pixel_by_pixel(clip)
    assert torch.equal(pixels, clip) and pixels.permute(2, 3, 1, 0).is_contiguous()
    frames = frame_by_frame(pixels)
    assert torch.equal(frames, clip) and frames.is_contiguous()


@pytest.mark.parametrize("size", [(12, 17), (24, 9), (5, 40), (1, 1)])
def test_resizing_is_that_of_pytorch(clip, size):
    resized = interpolate_grid(clip, *map(centres, clip.shape[-2:], size))
    expected = F.interpolate(clip.float(), size, mode="bilinear")
    assert resized.dtype == torch.float32
    torch.testing.assert_close(resized, expected, atol=1e-3, rtol=0)


def test_points_are_sampled_as_pytorch_does(clip):
    y, x = 16 * torch.rand(2, 40, generator=torch.Generator().manual_seed(0)) - 2  # some beyond the border
    grid = torch.stack([2 * x / 17 - 1, 2 * y / 12 - 1], dim=-1).expand(5, 1, -1, -1)
    expected = F.grid_sample(clip.float(), grid, padding_mode="border", align_corners=False)[:, :, 0]
    sampled = interpolate_points(clip, y, x, "bilinear")
    torch.testing.assert_close(sampled, expected.permute(2, 1, 0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_themselves_at_their_centres(clip, interpolation):
    sampled = interpolate_points(clip, centres(12, 12), centres(12, 12), interpolation)
    assert torch.equal(sampled, clip.float().diagonal(dim1=2, dim2=3).permute(2, 1, 0))
    # The same where not all places are centres.
    y, x = torch.tensor([3.5, 0.2]), torch.tensor([11.5, 0.7])
    assert torch.equal(interpolate_points(clip, y, x, interpolation)[0], clip[:, :, 3, 11].T.float())


def test_grey_levels_are_cut_off():
    assert grey_levels(torch.tensor([0.0, 0.9, 254.99, 255.0])).tolist() == [0, 0, 254, 255]
