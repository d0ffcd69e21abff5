"""Resizes frames with Pillow, as the published pipeline does.

Pillow antialiases when it shrinks a picture, and rounds to whole grey levels after each direction. PyTorch's resizing
with antialiasing differs by up to 2 grey levels, for example from 224 to 160 pixels. On a GPU it rounds only once.
"""

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv_functional
from transformers.image_utils import PILImageResampling


def resize_frames(
    frames: torch.Tensor, height: int, width: int, resample: Image.Resampling = Image.Resampling.BILINEAR
) -> torch.Tensor:
    """Resize frames with Pillow on the CPU.

    Frames of any dtype whose pixels are whole grey levels (0 to 255, and not only 0 and 1) are resized as uint8. Other
    frames are antialiased in the same way but not rounded.

    Args:
        frames: (..., channels, height, width), of any dtype.
        height, width: Size of the result in pixels.
        resample: Pillow's filter.

    Returns:
        (..., channels, height, width) on the same device: uint8 for frames of whole grey levels, float32 for others.
    """
    pixels = _whole_grey_levels(frames)
    if tuple(frames.shape[-2:]) == (height, width):
        return pixels
    planes = pixels.cpu().flatten(0, -4)
    if planes.shape[1] == 3 and planes.dtype == torch.uint8:
        resized = _resize_pictures(planes.permute(0, 2, 3, 1), height, width, resample).permute(0, 3, 1, 2)
    else:
        resized = _resize_pictures(planes.flatten(0, 1), height, width, resample).unflatten(0, planes.shape[:2])
    return resized.unflatten(0, frames.shape[:-3]).to(frames.device)


def _whole_grey_levels(frames: torch.Tensor) -> torch.Tensor:
    """Convert frames to uint8 if their pixels are whole grey levels, otherwise to float32."""
    if frames.dtype == torch.uint8:
        return frames
    values = frames.float()
    are_levels = values.numel() > 0 and values.min() >= 0 and 1 < values.max() <= 255
    return values.byte() if are_levels and torch.equal(values, values.round()) else values


def _resize_pictures(pictures: torch.Tensor, height: int, width: int, resample: Image.Resampling) -> torch.Tensor:
    """Resize uint8 or float32 pictures (n, height, width), or uint8 RGB pictures (n, height, width, 3)."""
    pictures = pictures.numpy()
    resized = np.empty((len(pictures), height, width, *pictures.shape[3:]), pictures.dtype)
    for picture, target in zip(pictures, resized, strict=True):
        target[...] = Image.fromarray(picture).resize((width, height), resample)
    return torch.from_numpy(resized)


def pillow_filter(resample: PILImageResampling | tv_functional.InterpolationMode | int | None) -> PILImageResampling:
    """Convert a number or torchvision's name to a filter of Pillow. None is bilinear. Others raise ValueError."""
    if resample is None:
        return PILImageResampling.BILINEAR
    if isinstance(resample, tv_functional.InterpolationMode):
        return PILImageResampling[resample.name.removesuffix("_EXACT")]
    try:
        return PILImageResampling(resample)
    except ValueError as error:
        filters = ", ".join(f"{known.value} ({known.name.lower()})" for known in PILImageResampling)
        raise ValueError(f"resample={resample!r} is not a filter of Pillow. Choose one of {filters}.") from error
