"""Resizes frames with Pillow, as the published pipeline does.

Pillow antialiases when it shrinks a picture, and rounds to whole grey levels after each direction. PyTorch's resizing
with antialiasing differs by up to 2 grey levels, for example from 224 to 160 pixels. On a GPU it rounds only once.
"""

import math

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


def resize_part(clip: torch.Tensor, height: int, width: int, part: tuple[int, int, int, int]) -> torch.Tensor:
    """Resize frames bilinearly, but return only a part of the result. It equals this part of `resize_frames`.

    Args:
        clip: uint8 (frames, 3, rows, columns) on the CPU.
        height, width: Size of the whole result in pixels.
        part: Top, left, height and width of the part in pixels.

    Returns:
        uint8 (frames, 3, height of the part, width of the part).
    """
    (top, bottom, first_row, last_row), (left, right, first_column, last_column) = (
        _between_common_borders(start, start + length, size, new_size)
        for start, length, size, new_size in zip(part[:2], part[2:], clip.shape[-2:], (height, width), strict=True)
    )
    resized = _resize_pictures(
        clip.permute(0, 2, 3, 1),
        bottom - top,
        right - left,
        Image.Resampling.BILINEAR,
        box=(first_column, first_row, last_column, last_row),
    )
    top, left = part[0] - top, part[1] - left
    return resized[:, top : top + part[2], left : left + part[3]].permute(0, 3, 1, 2)


def _between_common_borders(start: int, end: int, size: int, new_size: int) -> tuple[int, int, int, int]:
    """The smallest part around pixels `start` to `end` whose borders lie between pixels before resizing, too.

    Pillow resizes such a part to the same pixels as the whole picture.

    Returns:
        The borders of the part after resizing and before it.
    """
    common = math.gcd(size, new_size)
    first, last = start * common // new_size, -(-end * common // new_size)
    new_unit, unit = new_size // common, size // common
    return first * new_unit, last * new_unit, first * unit, last * unit


def _whole_grey_levels(frames: torch.Tensor) -> torch.Tensor:
    """Convert frames to uint8 if their pixels are whole grey levels, otherwise to float32."""
    if frames.dtype == torch.uint8:
        return frames
    values = frames.float()
    are_levels = values.numel() > 0 and values.min() >= 0 and 1 < values.max() <= 255
    return values.byte() if are_levels and torch.equal(values, values.round()) else values


def _resize_pictures(
    pictures: torch.Tensor, height: int, width: int, resample: Image.Resampling, box: tuple | None = None
) -> torch.Tensor:
    """Resize uint8 or float32 pictures (n, height, width), or uint8 RGB pictures (n, height, width, 3).

    `box` is the part that is resized: left, top, right and bottom in pixels. The default is all.
    """
    pictures = pictures.numpy()
    resized = np.empty((len(pictures), height, width, *pictures.shape[3:]), pictures.dtype)
    for picture, target in zip(pictures, resized, strict=True):
        target[...] = Image.fromarray(picture).resize((width, height), resample, box)
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
