"""Random crops of whole batches."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from lgi_former.training.quickstart.random_crops import NUM_DRAWS, RandomCrops


MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
CLIPS = torch.randint(256, (3, 2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def draws(area=1.0, aspect=0.5, down=0.5, right=0.5, flip=1.0):
    return torch.tensor([[area, aspect, down, right, flip]]).expand(len(CLIPS), NUM_DRAWS)


def normalised(clips):
    return (clips / 255 - MEAN) / STD


def test_a_crop_of_the_whole_picture_only_normalises():
    torch.testing.assert_close(RandomCrops(0.75)(CLIPS, draws()), normalised(CLIPS), atol=1e-4, rtol=0)


def test_a_flip_mirrors_all_frames():
    mirrored = normalised(CLIPS).flip(-1)
    torch.testing.assert_close(RandomCrops(0.75)(CLIPS, draws(flip=0.0)), mirrored, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("down", "right", "top", "left"), [(0.0, 0.0, 0, 0), (1.0, 1.0, 8, 8), (0.5, 1.0, 4, 8)])
def test_a_crop_is_a_part_of_the_picture_resized_bilinearly(down, right, top, left):
    cropped = RandomCrops(0.25)(CLIPS, draws(area=0.0, down=down, right=right))
    part = functional.crop(CLIPS.float(), top, left, 8, 8)
    expected = torch.nn.functional.interpolate(part.flatten(1, 2), size=16, mode="bilinear").view(CLIPS.shape)
    inside = (..., slice(1, -1), slice(1, -1))  # a crop sees its neighbours at its border, a cut-out part does not
    torch.testing.assert_close(cropped[inside], normalised(expected)[inside], atol=1e-4, rtol=0)


def test_each_clip_has_its_crop_and_no_crop_leaves_the_picture():
    crops = RandomCrops(0.75)
    many = torch.rand(500, NUM_DRAWS, generator=torch.Generator().manual_seed(0))
    maps = crops._crops(many)
    reach = maps[:, :, :2].abs().sum(-1) + maps[:, :, 2].abs()
    assert reach.max() <= 1 + 1e-6
    area = maps[:, 0, 0].abs() * maps[:, 1, 1]
    assert area.min() >= 0.7 and area.max() <= 1
    batch = crops(CLIPS, many[:3])
    for index in range(3):
        torch.testing.assert_close(batch[index], crops(CLIPS[[index]], many[[index]])[0])
