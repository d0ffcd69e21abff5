"""Resizing of frames as the published pipeline resizes them: by Pillow.

Pillow antialiases where a picture shrinks, and rounds to whole grey levels after each direction. PyTorch's resizing
with antialiasing is up to 2 grey levels off (from 224 to 160 pixels, for example). On a GPU it rounds only once.
"""

import numpy as np
import torch
from PIL import Image


def resize_frames(
    frames: torch.Tensor, height: int, width: int, resample: Image.Resampling = Image.Resampling.BILINEAR
) -> torch.Tensor:
    """Resize frames with Pillow, which works on the CPU, wherever the frames are.

    Frames of whole grey levels (whole numbers from 0 to 255, not all 0 or 1) are resized as uint8, whatever their
    dtype. The pixels of other frames may be fractions, so they are antialiased in the same way but not rounded.

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
    """The frames as uint8 if their pixels are whole grey levels, otherwise as float32."""
    if frames.dtype == torch.uint8:
        return frames
    values = frames.float()
    are_levels = values.numel() > 0 and values.min() >= 0 and 1 < values.max() <= 255
    return values.byte() if are_levels and torch.equal(values, values.round()) else values


def _resize_pictures(pictures: torch.Tensor, height: int, width: int, resample: Image.Resampling) -> torch.Tensor:
    """Resize pictures (n, height, width), uint8 or float32, or of RGB (n, height, width, 3), uint8."""
    pictures = pictures.numpy()
    resized = np.empty((len(pictures), height, width, *pictures.shape[3:]), pictures.dtype)
    for picture, target in zip(pictures, resized, strict=True):
        target[...] = Image.fromarray(picture).resize((width, height), resample)
    return torch.from_numpy(resized)
