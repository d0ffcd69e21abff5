"""Parity with the published pipeline, whose inputs and outputs are in `golden/inputs.safetensors`.

These clips are uint8, before normalisation. The tolerance is 1 grey level for a pixel, and 0.05 on average.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing.augmentation import FinetuningAugmentation, PretrainingAugmentation, clip_augmentation
from lgi_former.image_processing.augmentation.rand_augment import OPERATIONS


GOLDEN = load_file(Path(__file__).parents[2] / "golden" / "inputs.safetensors")
EVALUATED = sorted({name.split(".")[1] for name in GOLDEN if name.startswith("evaluation.")})
CROPPED = sorted({name.split(".")[1] for name in GOLDEN if name.endswith(".box")})
AUGMENTED = sorted(name for name in GOLDEN if name.endswith((".positive", ".negative")))
SIZE = {"height": 48, "width": 48}
NOTHING_RANDOM = {"num_operations": 0, "crop_area": (1.0, 1.0), "flip_probability": 0, "erasing_probability": 0}


def grey_levels(pixel_values):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return 255 * (pixel_values * std + mean)


def assert_published(pixels, published):
    difference = (pixels.float() - published.float()).abs()
    assert difference.max() <= 1.001 and difference.mean() <= 0.05  # normalising and its inverse change about 1e-5


def decoded(name):
    """uint8 (frames, 3, height, width)."""
    return GOLDEN[name].permute(0, 3, 1, 2)


def test_the_golden_data_has_several_sizes_and_every_operation():
    sizes = {tuple(GOLDEN[f"evaluation.{number}.frames"].shape[1:3]) for number in EVALUATED}
    assert {(90, 60), (40, 50)} <= sizes
    assert {name.split(".")[1] for name in AUGMENTED} == set(OPERATIONS) and len(CROPPED) == 4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
@pytest.mark.parametrize("number", EVALUATED)
def test_the_processor_gives_the_published_clips(number, dtype):
    processor = LGIFormerVideoProcessor(size=SIZE, num_segments=2)
    frames = decoded(f"evaluation.{number}.frames").to(dtype)
    rate = int(GOLDEN[f"evaluation.{number}.sampling_rate"])
    clips = processor(frames, sampling_rate=rate, return_tensors="pt")["pixel_values"]
    assert_published(grey_levels(clips), GOLDEN[f"evaluation.{number}.clips"])


@pytest.mark.parametrize("number", EVALUATED)
def test_fine_tuning_resizes_as_published(number):
    frames = decoded(f"evaluation.{number}.frames")[:: int(GOLDEN[f"evaluation.{number}.sampling_rate"])][:16]
    clip = FinetuningAugmentation(48, **NOTHING_RANDOM)(frames, torch.Generator().manual_seed(0))
    assert_published(grey_levels(clip), GOLDEN[f"evaluation.{number}.clips"][0, : len(frames)])


@pytest.mark.parametrize("number", CROPPED)
def test_pre_training_crops_and_resizes_as_published(number, monkeypatch):
    box = tuple(GOLDEN[f"pretraining.{number}.box"].tolist())
    monkeypatch.setattr(clip_augmentation, "draw_multi_scale_crop", lambda *arguments: box)
    augment = PretrainingAugmentation(64, PretrainingAugmentation.VOXCELEB2_FACE)
    clip = augment(decoded("pretraining.frames"), torch.Generator())
    assert_published(grey_levels(clip), GOLDEN[f"pretraining.{number}.clip"])


@pytest.mark.parametrize("name", AUGMENTED)
def test_rand_augment_is_as_published(name):
    _, operation, whole, tenths, sign = name.split(".")
    level = float(f"{whole}.{tenths}") / 10 * (1 if sign == "positive" else -1)
    assert_published(OPERATIONS[operation](decoded("rand_augment.frames"), level), GOLDEN[name])
