import numpy as np
import pytest
import torch
from PIL import Image

from lgi_former.image_processing.resizing import resize_frames, resize_part


def noise(count, height, width, channels=3):
    """uint8 (count, channels, height, width), with channels last in memory like decoded frames."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


# PyTorch's antialiased resizing of uint8 differs by 2 grey levels from 224 or 200 to 160 pixels.
@pytest.mark.parametrize("size", [(224, 224), (200, 200), (256, 256), (90, 60), (40, 50), (160, 90), (1, 1), (3, 500)])
def test_frames_are_resized_exactly_like_pillow(size, resize_with_pillow):
    frames = noise(2, *size)
    resized = resize_frames(frames, 160, 160)
    assert resized.dtype == torch.uint8 and torch.equal(resized, resize_with_pillow(frames, 160, 160))


@pytest.mark.parametrize("size", [(256, 256), (224, 200), (90, 61), (160, 90), (7, 500), (1, 1), (301, 720)])
@pytest.mark.parametrize("part", [(0, 0, 160, 96), (33, 17, 60, 71), (159, 0, 1, 96), (7, 95, 1, 1)])
def test_a_part_equals_this_part_of_the_resized_frames(size, part):
    frames = noise(2, *size)
    top, left, height, width = part
    expected = resize_frames(frames, 160, 96)[..., top : top + height, left : left + width]
    assert torch.equal(resize_part(frames, 160, 96, part), expected)


@pytest.mark.parametrize("resample", Image.Resampling, ids=lambda resample: resample.name)
def test_filters_are_those_of_pillow(resample, resize_with_pillow):
    frames = noise(2, 37, 52)
    for height, width in ((16, 24), (50, 64)):
        expected = resize_with_pillow(frames, height, width, resample)
        assert torch.equal(resize_frames(frames, height, width, resample), expected)


def test_frames_of_the_right_size_do_not_change():
    frames = noise(2, 20, 30)
    assert torch.equal(resize_frames(frames, 20, 30), frames)
    assert torch.equal(resize_frames(frames.float() / 7, 20, 30), frames.float() / 7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int16, torch.int64])
def test_whole_grey_levels_of_any_dtype_are_resized_like_uint8(dtype):
    frames = noise(2, 37, 52)
    assert torch.equal(resize_frames(frames.to(dtype), 16, 16), resize_frames(frames, 16, 16))


@pytest.mark.parametrize("frames", [noise(2, 37, 52) / 255, noise(2, 37, 52) - 128.0, noise(2, 37, 52).int() * 257])
def test_other_pixels_are_antialiased_and_not_rounded(frames):
    resized = resize_frames(frames, 16, 24)
    expected = torch.nn.functional.interpolate(frames.float(), (16, 24), mode="bilinear", antialias=True)
    assert resized.dtype == torch.float32
    torch.testing.assert_close(resized, expected, atol=1e-5 * frames.abs().max().item(), rtol=0)


def test_black_and_white_from_0_to_1_is_not_rounded():
    frames = (noise(1, 40, 40) > 127).float()
    resized = resize_frames(frames, 16, 16)
    assert ((resized > 0.1) & (resized < 0.9)).any()


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels_are_resized_like_rgb(channels):
    frames = noise(2, 37, 52, channels)
    rgb = [resize_frames(frames[:, [channel] * 3], 16, 24)[:, :1] for channel in range(channels)]
    assert torch.equal(resize_frames(frames, 16, 24), torch.cat(rgb, dim=1))


def test_leading_dimensions_are_preserved():
    frames = noise(6, 20, 30).unflatten(0, (2, 3))
    assert resize_frames(frames, 8, 9).shape == (2, 3, 3, 8, 9)
    assert torch.equal(resize_frames(frames, 8, 9)[1, 2], resize_frames(frames[1, 2:], 8, 9)[0])
