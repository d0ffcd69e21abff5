"""The usual pipeline of training clips, frame by frame in PIL, with the draws of `FinetuningAugmentation`.

MAE-DFER's loader does this with folders of frames. PIL reads image files, decord reads video files. Each frame is
resized and changed by timm's RandAugment as a separate image. The frames then become one tensor, which is normalised,
cropped, resized, mirrored and erased. A seed gives the same frame indices, operations, boxes and noise as in
`FinetuningAugmentation`.
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

from lgi_former.image_processing.augmentation.clip_augmentation import (
    CROP_ASPECT,
    ERASED_AREA,
    ERASED_ASPECT,
    draw_box,
)
from lgi_former.image_processing.augmentation.rand_augment import draw_operations


IMAGE_SIZE = 160
GREY = (128, 128, 128)
BICUBIC = Image.Resampling.BICUBIC
MEAN, STD = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))


def read_images(video: Path, sample: Callable[[int], np.ndarray]) -> list[Image.Image]:
    """The frames `sample(total_frames)` of a folder or of a video file."""
    if video.is_dir():
        names = sorted(os.listdir(video))
        return [Image.open(video / names[index]).convert("RGB") for index in sample(len(names))]
    reader = decord.VideoReader(str(video), num_threads=1)
    return [Image.fromarray(frame) for frame in reader.get_batch(sample(len(reader))).asnumpy()]


def augment_images(images: list[Image.Image], generator: torch.Generator) -> torch.Tensor:
    """Augmented and normalised float32 (frames, 3, IMAGE_SIZE, IMAGE_SIZE) from images of any size."""
    images = [image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR) for image in images]
    for name, level in draw_operations(generator, num_operations=4):
        images = [PIL_OPERATIONS[name](image, level) for image in images]
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


def _affine(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, BICUBIC, fillcolor=GREY)


def _solarize_add(image, addition):
    return image.point([min(i + addition, 255) if i < 128 else i for i in range(256)] * 3)


# timm's operations at a `level` from -1 to 1.
PIL_OPERATIONS = {
    "AutoContrast": lambda image, level: ImageOps.autocontrast(image),
    "Equalize": lambda image, level: ImageOps.equalize(image),
    "Invert": lambda image, level: ImageOps.invert(image),
    "Rotate": lambda image, level: image.rotate(30 * level, BICUBIC, fillcolor=GREY),
    "PosterizeIncreasing": lambda image, level: ImageOps.posterize(image, 4 - int(4 * abs(level))),
    "SolarizeIncreasing": lambda image, level: ImageOps.solarize(image, 256 - int(256 * abs(level))),
    "SolarizeAdd": lambda image, level: _solarize_add(image, int(110 * abs(level))),
    "ColorIncreasing": lambda image, level: ImageEnhance.Color(image).enhance(1 + 0.9 * level),
    "ContrastIncreasing": lambda image, level: ImageEnhance.Contrast(image).enhance(1 + 0.9 * level),
    "BrightnessIncreasing": lambda image, level: ImageEnhance.Brightness(image).enhance(1 + 0.9 * level),
    "SharpnessIncreasing": lambda image, level: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * level),
    "ShearX": lambda image, level: _affine(image, (1, 0.3 * level, 0, 0, 1, 0)),
    "ShearY": lambda image, level: _affine(image, (1, 0, 0, 0.3 * level, 1, 0)),
    "TranslateXRel": lambda image, level: _affine(image, (1, 0, 0.45 * level * image.width, 0, 1, 0)),
    "TranslateYRel": lambda image, level: _affine(image, (1, 0, 0, 0, 1, 0.45 * level * image.height)),
}
