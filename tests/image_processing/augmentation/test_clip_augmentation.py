import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms.v2 import functional
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing.augmentation import FinetuningAugmentation, PretrainingAugmentation
from lgi_former.image_processing.augmentation.clip_augmentation import (
    draw_box,
    draw_multi_scale_crop,
    multi_scale_sides,
)
from lgi_former.image_processing.augmentation.rand_augment import (
    OPERATIONS,
    draw_operations,
    needed_parts,
    rand_augment,
)


WHITE = torch.tensor([(1 - m) / s for m, s in zip(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, strict=True)])
NOTHING_RANDOM = {"num_operations": 0, "crop_area": (1.0, 1.0), "flip_probability": 0, "erasing_probability": 0}
AUGMENTATIONS = [FinetuningAugmentation, PretrainingAugmentation]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clip() -> torch.Tensor:
    """Smooth colours with noise, different in every frame: uint8 (3, 3, 40, 56)."""
    y, x = torch.meshgrid(torch.linspace(0, 3, 40), torch.linspace(0, 4, 56), indexing="ij")
    phases = torch.arange(9).view(3, 3, 1, 1)
    noise = 20 * torch.rand((3, 3, 40, 56), generator=_generator(0))
    return (100 + 90 * torch.sin(x + phases) * torch.cos(y - 0.7 * phases) + noise).to(torch.uint8)


def _pixels(clip: torch.Tensor) -> torch.Tensor:
    """Grey levels of a normalised clip."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return 255 * (clip * std + mean)


def _with_pillow(function):
    """Apply a function of PIL images to every frame of a clip."""
    return lambda clip: torch.stack(
        [
            torch.from_numpy(np.array(function(Image.fromarray(frame.permute(1, 2, 0).numpy())))).permute(2, 0, 1)
            for frame in clip
        ]
    )


def _pillow_affine(matrix):
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)
    )


# timm's operations on PIL images at magnitude 7, with computed levels.
TIMM = {
    ("AutoContrast", 0.7): ImageOps.autocontrast,
    ("Equalize", 0.7): ImageOps.equalize,
    ("Invert", 0.7): ImageOps.invert,
    ("Rotate", 0.7): lambda image: image.rotate(21, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
    ("Rotate", -0.7): lambda image: image.rotate(-21, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
    ("PosterizeIncreasing", -0.7): lambda image: ImageOps.posterize(image, 2),
    ("SolarizeIncreasing", 0.7): lambda image: ImageOps.solarize(image, 77),
    ("SolarizeAdd", -0.7): lambda image: image.point([min(i + 77, 255) if i < 128 else i for i in range(256)] * 3),
    ("ColorIncreasing", 0.7): lambda image: ImageEnhance.Color(image).enhance(1.63),
    ("ColorIncreasing", -0.7): lambda image: ImageEnhance.Color(image).enhance(0.37),
    ("ContrastIncreasing", 0.7): lambda image: ImageEnhance.Contrast(image).enhance(1.63),
    ("ContrastIncreasing", -0.7): lambda image: ImageEnhance.Contrast(image).enhance(0.37),
    ("BrightnessIncreasing", 0.7): lambda image: ImageEnhance.Brightness(image).enhance(1.63),
    ("BrightnessIncreasing", -0.7): lambda image: ImageEnhance.Brightness(image).enhance(0.37),
    ("SharpnessIncreasing", 0.7): lambda image: ImageEnhance.Sharpness(image).enhance(1.63),
    ("SharpnessIncreasing", -0.7): lambda image: ImageEnhance.Sharpness(image).enhance(0.37),
    ("ShearX", 0.7): _pillow_affine((1, 0.21, 0, 0, 1, 0)),
    ("ShearY", -0.7): _pillow_affine((1, 0, 0, -0.21, 1, 0)),
    ("TranslateXRel", -0.7): _pillow_affine((1, 0, -0.315 * 56, 0, 1, 0)),
    ("TranslateYRel", 0.7): _pillow_affine((1, 0, 0, 0, 1, 0.315 * 40)),
}


def test_every_operation_is_compared_with_timm():
    assert {name for name, _ in TIMM} == set(OPERATIONS) and len(OPERATIONS) == 15


@pytest.mark.parametrize(("name", "level"), TIMM, ids=lambda value: str(value))
def test_operations_are_like_timm(clip, name, level):
    ours, theirs = OPERATIONS[name](clip, level), _with_pillow(TIMM[name, level])(clip)
    assert ours.dtype == torch.uint8 and not torch.equal(ours, clip)
    assert (ours.int() - theirs.int()).abs().max() <= 1


@pytest.mark.parametrize("name", ["Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"])
def test_warping_does_not_darken_flat_areas(name):
    for grey in (1, 64, 77, 192, 255):
        warped = OPERATIONS[name](torch.full((2, 3, 40, 56), grey, dtype=torch.uint8), 0.6931)
        assert set(warped.unique().tolist()) == {grey, 128}


def test_the_lowest_level_has_no_effect(clip):
    for name in ("SolarizeAdd", "ColorIncreasing", "ContrastIncreasing", "Rotate", "ShearX"):
        assert torch.equal(OPERATIONS[name](clip, 0.0), clip), name


def test_rand_augment_draws_by_its_policy():
    generator = _generator(0)
    drawn = [draw_operations(generator, num_operations=4) for _ in range(3000)]
    counts = list(map(len, drawn))
    names, levels = zip(*itertools.chain.from_iterable(drawn), strict=True)
    assert max(counts) == 4 and np.mean(counts) == pytest.approx(2, abs=0.06)  # four, each with probability 0.5
    assert np.var(counts) == pytest.approx(1, abs=0.08)  # independently
    assert len(set(names)) == 15
    assert all(count / len(names) == pytest.approx(1 / 15, abs=0.012) for count in Counter(names).values())
    assert np.abs(levels).mean() == pytest.approx(0.7, abs=0.003)
    assert np.abs(levels).std() == pytest.approx(0.05, abs=0.003)
    assert np.mean(np.sign(levels)) == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("part", [(0, 0, 12, 12), (9, 20, 17, 8), (30, 0, 10, 40), (20, 39, 1, 1)])
@pytest.mark.parametrize("second", OPERATIONS)
def test_a_part_equals_this_part_of_the_whole_picture(clip, second, part):
    whole = clip[..., :40]
    top, left, height, width = part
    for first in OPERATIONS:
        operations = [(first, 0.7), (second, -0.7)]
        parts = needed_parts(operations, part, 40)
        expected = OPERATIONS[second](OPERATIONS[first](whole, 0.7), -0.7)
        augmented = rand_augment(functional.crop(whole, *parts[0]), operations, parts, 40)
        assert torch.equal(augmented, expected[..., top : top + height, left : left + width]), first


def test_only_the_needed_part_is_computed():
    part = (10, 20, 40, 50)
    needed = {name: operation.needed_part(0.0, part, 100, 100) for name, operation in OPERATIONS.items()}
    whole = {name for name, box in needed.items() if box == (0, 0, 100, 100)}
    assert whole == {"AutoContrast", "Equalize", "ContrastIncreasing"}
    assert needed["Invert"] == part and needed["SharpnessIncreasing"] == (9, 19, 42, 52)
    assert needed["Rotate"][2] <= 46 and needed["ShearX"][3] <= 56


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_only_the_seed_decides_the_clip(clip, augmentation):
    augment = augmentation(32)
    clips = []
    for seed in range(20):
        torch.manual_seed(seed)
        global_state = torch.get_rng_state()
        untouched = clip.clone()
        clips.append(augment(clip, _generator(seed)))
        assert torch.equal(clip, untouched) and torch.equal(torch.get_rng_state(), global_state)
    torch.manual_seed(99)
    assert all(torch.equal(augment(clip, _generator(seed)), clips[seed]) for seed in range(20))
    assert len({c.numpy().tobytes() for c in clips}) > 15
    assert all(c.shape == (3, 3, 32, 32) and c.dtype == torch.float32 and c.isfinite().all() for c in clips)


def test_all_frames_change_in_the_same_way(clip):
    still = clip[:1].expand(4, -1, -1, -1)
    for seed in range(20):
        augmented = FinetuningAugmentation(24, erasing_probability=0)(still, _generator(seed))
        assert (augmented == augmented[:1]).all()
        augmented = PretrainingAugmentation(24)(still, _generator(seed))
        assert (augmented == augmented[:1]).all()


def test_without_random_changes_finetuning_clips_equal_evaluation_clips(clip):
    augmented = FinetuningAugmentation(32, **NOTHING_RANDOM)(clip, _generator(0))
    processor = LGIFormerVideoProcessor(size={"height": 32, "width": 32}, do_sample_frames=False)
    processed = processor(clip, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(_pixels(augmented), _pixels(processed), atol=1e-3, rtol=0)


def test_random_boxes_have_the_published_areas_and_aspect_ratios():
    generator = _generator(0)
    boxes = np.array([draw_box(160, (0.08, 1.0), (3 / 4, 4 / 3), generator) or (0, 0, 160, 160) for _ in range(2000)])
    top, left, height, width = boxes.T
    assert (top + height <= 160).all() and (left + width <= 160).all() and boxes.min() >= 0
    area, aspect = height * width / 160**2, width / height
    assert area.min() == pytest.approx(0.08, abs=0.01) and area.max() > 0.95
    assert np.quantile(area, 0.25) == pytest.approx(0.08 + 0.25 * 0.92, abs=0.04)
    assert aspect.min() == pytest.approx(3 / 4, abs=0.03) and aspect.max() == pytest.approx(4 / 3, abs=0.03)
    assert np.log(aspect).mean() == pytest.approx(0, abs=0.02)
    place = top[height < 150] / (160 - height[height < 150])
    assert place.mean() == pytest.approx(0.5, abs=0.03)


def test_the_crop_is_stretched_to_the_whole_picture():
    x = torch.arange(64).expand(2, 3, 64, 64).to(torch.uint8)
    augment = FinetuningAugmentation(64, **{**NOTHING_RANDOM, "crop_area": (0.25, 0.25)})
    for seed in range(10):
        columns = _pixels(augment(x, _generator(seed)))
        width = (columns[0, 0, 0, 63] - columns[0, 0, 0, 0]).item() + 1
        assert 64 * math.sqrt(0.25 * 3 / 4) - 1.5 < width < 64 * math.sqrt(0.25 * 4 / 3) + 1.5
        torch.testing.assert_close(columns, columns[:1, :1, :1].expand_as(columns))


def test_half_of_the_clips_are_flipped(clip):
    augment = FinetuningAugmentation(16, **{**NOTHING_RANDOM, "flip_probability": 0.5})
    straight = FinetuningAugmentation(16, **NOTHING_RANDOM)(clip, _generator(0))
    mirrored = 0
    for seed in range(200):
        augmented = augment(clip, _generator(seed))
        mirrored += torch.equal(augmented, straight.flip(-1))
        assert torch.equal(augmented, straight) or torch.equal(augmented, straight.flip(-1))
    assert 75 < mirrored < 125


def test_a_quarter_of_the_clips_have_a_box_of_noise():
    augment = FinetuningAugmentation(40, **{**NOTHING_RANDOM, "erasing_probability": 0.25})
    white = torch.full((4, 3, 40, 40), 255, dtype=torch.uint8)
    areas, aspects, noise = [], [], []
    for seed in range(200):
        changed = (augment(white, _generator(seed)) - WHITE.view(3, 1, 1)).abs() > 1e-4
        if changed.any():
            rows, columns = (changed.any(dim=(0, 1)).any(dim=d).nonzero().flatten() for d in (1, 0))
            box = (..., slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            assert changed[box].float().mean() > 0.99 and changed.sum() == changed[box].sum()
            areas.append(len(rows) * len(columns) / 1600)
            aspects.append(len(columns) / len(rows))
            noise.append(augment(white, _generator(seed))[box])
    assert 35 < len(areas) < 65
    assert 0.01 < min(areas) < 0.05 and 0.28 < max(areas) < 0.36
    assert 0.25 < min(aspects) < 0.4 and 2.5 < max(aspects) < 4
    values = torch.cat([n.flatten() for n in noise])
    assert values.mean().abs() < 0.02 and (values.std() - 1).abs() < 0.02
    assert all((n[0] != n[1]).float().mean() > 0.99 for n in noise)  # different in every frame


def test_multi_scale_crops_are_the_published_ones():
    height, width, generator = 20, 28, _generator(0)
    drawn = Counter(draw_multi_scale_crop(height, width, 8, generator) for _ in range(6000))
    sides = (20, 17, 15, 13)
    pairs = [(h, w) for h in sides for w in sides]
    for far in ((20, 15), (20, 13), (17, 13)):
        pairs.remove(far)
        pairs.remove(far[::-1])
    published = Counter()
    for h, w in pairs:
        y, x = (height - h) // 4, (width - w) // 4
        corners_and_centre = [(0, 0), (0, 4 * x), (4 * y, 0), (4 * y, 4 * x), (2 * y, 2 * x)]
        sides_and_quarters = [(2 * y, 0), (2 * y, 4 * x), (4 * y, 2 * x), (0, 2 * x)]
        sides_and_quarters += [(y, x), (y, 3 * x), (3 * y, x), (3 * y, 3 * x)]
        published.update((top, left, h, w) for top, left in corners_and_centre + sides_and_quarters)
    assert set(drawn) == set(published)
    # Every entry of the list is equally likely. Some places are equal if a crop cannot move.
    assert all(drawn[box] / 6000 == pytest.approx(count / 130, abs=0.014) for box, count in published.items())


def test_crops_of_nearly_the_right_size_get_the_right_size():
    assert multi_scale_sides(160, 160) == [160, 140, 120, 105]
    assert multi_scale_sides(182, 160) == [182, 160, 136, 120]
    assert multi_scale_sides(158, 160) == [158, 138, 118, 104]
    assert multi_scale_sides(1, 160) == [1, 1, 1, 1]


def test_pretraining_clips_are_resized_like_pillow_and_not_flipped(clip):
    for seed in range(10):
        top, left, height, width = draw_multi_scale_crop(40, 56, 24, _generator(seed))
        augmented = _pixels(PretrainingAugmentation(24)(clip, _generator(seed)))
        box = (left, top, left + width, top + height)
        pillow = _with_pillow(lambda image, box=box: image.crop(box).resize((24, 24), Image.Resampling.BILINEAR))(clip)
        torch.testing.assert_close(augmented, pillow.float(), atol=1e-3, rtol=0)


def test_voxceleb2_frames_are_cropped_to_the_face_first():
    frames = torch.randint(256, (2, 3, 224, 224), generator=_generator(0)).to(torch.uint8)
    crop, frame_size = PretrainingAugmentation.VOXCELEB2_FACE, PretrainingAugmentation.VOXCELEB2_FRAME_SIZE
    cropped = PretrainingAugmentation(160, crop, frame_size)(frames, _generator(1))
    assert torch.equal(cropped, PretrainingAugmentation(160)(frames[..., 0:160, 32:192], _generator(1)))


def test_a_crop_outside_of_the_frames_is_refused(clip):
    with pytest.raises(ValueError, match=r"columns 32 to 192 reaches beyond frames of 40 x 56 .* --crop none"):
        PretrainingAugmentation(32, PretrainingAugmentation.VOXCELEB2_FACE)(clip, _generator(0))


@pytest.mark.parametrize("size", [(360, 640), (224, 225), (160, 160), (448, 448), (256, 224)])
def test_a_crop_for_frames_of_another_size_is_refused(size):
    frames = torch.zeros(2, 3, *size, dtype=torch.uint8)
    augment = PretrainingAugmentation(
        32, PretrainingAugmentation.VOXCELEB2_FACE, PretrainingAugmentation.VOXCELEB2_FRAME_SIZE
    )
    expected = rf"meant for frames of 224 x 224 .*these frames have {size[0]} x {size[1]}\. Switch .*--crop none"
    with pytest.raises(ValueError, match=expected):
        augment(frames, _generator(0))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_other_dtypes_and_shapes_are_refused(clip, augmentation):
    for wrong in (clip.float(), clip.permute(0, 2, 3, 1), clip[0], clip[:0]):
        with pytest.raises(ValueError, match=r"must be uint8 \(frames, 3, height, width\)"):
            augmentation(32)(wrong, _generator(0))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (201, 7)])
def test_frames_may_have_any_size(augmentation, size):
    frames = torch.randint(256, (2, 3, *size), generator=_generator(0)).to(torch.uint8)
    for seed in range(10):
        assert augmentation(16)(frames, _generator(seed)).shape == (2, 3, 16, 16)
