"""The usual pipeline of training clips, frame by frame in PIL, with the draws of `FinetuningAugmentation`.

What the loaders of VideoMAE and MAE-DFER do: frames are read by PIL, of video files by decord; each is resized and
goes through timm's RandAugment as an image of its own; then they become tensors, are stacked and normalised, cropped
and resized, mirrored and erased. The same seed makes the same frame indices, operations, boxes and noise as ours does.
"""

import os
from collections.abc import Callable
from pathlib import Path

import decord
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms.functional import pil_to_tensor
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from lgi_former.image_processing.augmentation import (
    CROP_ASPECT,
    ERASED_AREA,
    ERASED_ASPECT,
    draw_box,
)
from lgi_former.image_processing.rand_augment import draw_operations


IMAGE_SIZE = 160
GREY = (128, 128, 128)
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MEAN, STD = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))


def read_images(video: Path, sample: Callable[[int], np.ndarray]) -> list[Image.Image]:
    """The frames `sample(total_frames)` of a folder or of a video file."""
    if video.is_dir():
        names = sorted(os.listdir(video))
        return [Image.open(video / names[index]).convert("RGB") for index in sample(len(names))]
    reader = decord.VideoReader(str(video), num_threads=1)
    return [Image.fromarray(frame) for frame in reader.get_batch(sample(len(reader))).asnumpy()]


def augment_images(images: list[Image.Image], generator: torch.Generator) -> torch.Tensor:
    """Images of any size become float32 (frames, 3, IMAGE_SIZE, IMAGE_SIZE), normalised."""
    images = [image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR) for image in images]
    for name, level, interpolation in draw_operations(generator, num_operations=4):
        operation = PIL_OPERATIONS[name]
        images = [operation(image, level, RESAMPLING[interpolation]) for image in images]
    clip = torch.stack([pil_to_tensor(image).float() / 255 for image in images])
    clip = (clip - MEAN) / STD
    box = draw_box(IMAGE_SIZE, (0.08, 1.0), CROP_ASPECT, generator)
    if box is not None:
        top, left, height, width = box
        cropped = clip[..., top : top + height, left : left + width]
        clip = torch.nn.functional.interpolate(cropped, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear")
    if torch.rand((), generator=generator, dtype=torch.float64) < 0.5:
        clip = clip.flip(-1)
    if torch.rand((), generator=generator, dtype=torch.float64) < 0.25:
        box = draw_box(IMAGE_SIZE, ERASED_AREA, ERASED_ASPECT, generator)
        if box is not None:
            top, left, height, width = box
            noise = torch.randn((*clip.shape[:2], height, width), generator=generator)
            clip[..., top : top + height, left : left + width] = noise
    return clip


def _affine(image, matrix, resampling):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resampling, fillcolor=GREY)


def _solarize_add(image, addition):
    return image.point([min(i + addition, 255) if i < 128 else i for i in range(256)] * 3)


# As timm's operations are, at `level` from -1 to 1.
PIL_OPERATIONS = {
    "AutoContrast": lambda image, level, resampling: ImageOps.autocontrast(image),
    "Equalize": lambda image, level, resampling: ImageOps.equalize(image),
    "Invert": lambda image, level, resampling: ImageOps.invert(image),
    "Rotate": lambda image, level, resampling: image.rotate(30 * level, resampling, fillcolor=GREY),
    "PosterizeIncreasing": lambda image, level, resampling: ImageOps.posterize(image, 4 - int(4 * abs(level))),
    "SolarizeIncreasing": lambda image, level, resampling: ImageOps.solarize(image, 256 - int(256 * abs(level))),
    "SolarizeAdd": lambda image, level, resampling: _solarize_add(image, int(110 * abs(level))),
    "ColorIncreasing": lambda image, level, resampling: ImageEnhance.Color(image).enhance(1 + 0.9 * level),
    "ContrastIncreasing": lambda image, level, resampling: ImageEnhance.Contrast(image).enhance(1 + 0.9 * level),
    "BrightnessIncreasing": lambda image, level, resampling: ImageEnhance.Brightness(image).enhance(1 + 0.9 * level),
    "SharpnessIncreasing": lambda image, level, resampling: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * level),
    "ShearX": lambda image, level, resampling: _affine(image, (1, 0.3 * level, 0, 0, 1, 0), resampling),
    "ShearY": lambda image, level, resampling: _affine(image, (1, 0, 0, 0.3 * level, 1, 0), resampling),
    "TranslateXRel": lambda image, level, resampling: _affine(
        image, (1, 0, 0.45 * level * image.width, 0, 1, 0), resampling
    ),
    "TranslateYRel": lambda image, level, resampling: _affine(
        image, (1, 0, 0, 0, 1, 0.45 * level * image.height), resampling
    ),
}
