"""Targets and loss of pre-training: joint appearance and motion reconstruction (paper section 3.3)."""

import math

import torch
from einops import rearrange
from torch import nn
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..configuration import LGIFormerConfig
from .regions import take_tokens


def reconstruction_targets(
    pixel_values: torch.Tensor, config: LGIFormerConfig, masked_index: torch.Tensor | None = None
) -> torch.Tensor:
    """Targets of the decoder for the tubelets of a clip.

    With `config.norm_pix_loss`, each channel of a tubelet is normalised. With `config.motion_target`, each frame of a
    motion group except the first is its difference to the first.

    Args:
        pixel_values: float (batch, frames, channels, height, width). Three channels must be normalised with ImageNet's
            mean and deviation.
        masked_index: Raster indices of the tubelets, long (batch, masked tokens). The default is all tubelets.

    Returns:
        (batch, tokens, pixels of a tubelet), at least float32. Tokens are in raster order or in the order of
        `masked_index`. Pixels are in the order frame, row, column, channel.
    """
    frames = pixel_values.to(torch.promote_types(pixel_values.dtype, torch.float32))
    tubelets = rearrange(
        frames,
        "b (t pt) c (h ph) (w pw) -> b (t h w) (c pt ph pw)",
        pt=config.tubelet_size,
        ph=config.patch_size,
        pw=config.patch_size,
    )
    # If a motion group spans several tubelets, the target of a tubelet needs pixels of another.
    is_inside_tubelets = not config.motion_target or config.tubelet_size % config.motion_group_size == 0
    if masked_index is not None and is_inside_tubelets:
        tubelets = take_tokens(tubelets, masked_index)
    tubelets = _to_appearance(tubelets.unflatten(2, (config.num_channels, -1)), config)
    if config.motion_target:
        time = 1 if is_inside_tubelets else config.token_grid[0]
        sizes = {"t": time, "pt": config.tubelet_size}
        frames = rearrange(tubelets, "b (t n) c (pt pixels) -> b n c (t pt) pixels", **sizes)
        tubelets = rearrange(
            _to_motion(frames, config.motion_group_size), "b n c (t pt) pixels -> b (t n) c (pt pixels)", **sizes
        )
    targets = rearrange(tubelets, "b n c pixels -> b n (pixels c)")
    return targets if masked_index is None or is_inside_tubelets else take_tokens(targets, masked_index)


def reconstruction_loss(
    logits: torch.Tensor, targets: torch.Tensor, config: LGIFormerConfig, motion_loss_weight: float | None
) -> torch.Tensor:
    """Mean squared error over the pixels of masked tubelets.

    `logits` and `targets` are (batch, masked tokens, pixels of a tubelet). With a `motion_loss_weight` w, the loss is
    (1 - w) x error of appearance frames + w x error of motion frames.
    """
    logits = logits.to(targets.dtype)
    if motion_loss_weight is None:
        return nn.functional.mse_loss(logits, targets)
    error = (logits - targets).square()
    error = rearrange(error, "b n (groups f pixels) -> f (b n groups pixels)", f=2, groups=config.tubelet_size // 2)
    appearance, motion = error.mean(dim=1)
    return (1 - motion_loss_weight) * appearance + motion_loss_weight * motion


def to_unit_range(frames: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation with ImageNet's mean and deviation. The third dimension of `frames` has 3 channels."""
    # Plain numbers: tensors would be copied to the device, and a training step would wait for the copy.
    channels = zip(frames.unbind(dim=2), IMAGENET_DEFAULT_STD, IMAGENET_DEFAULT_MEAN, strict=True)
    return torch.stack([channel * deviation + mean for channel, deviation, mean in channels], dim=2)


def _to_appearance(tubelets: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """Tubelets (batch, tokens, channels, pixels) from 0 to 1, or with each channel of a tubelet normalised."""
    if not config.norm_pix_loss:
        return to_unit_range(tubelets) if config.num_channels == 3 else tubelets
    centred = tubelets - tubelets.mean(dim=3, keepdim=True)
    # Two passes over the pixels. `var` needs one pass, but is slower on a CPU.
    deviation = torch.linalg.vector_norm(centred, dim=3, keepdim=True) / math.sqrt(tubelets.shape[3] - 1)
    # Scaling pixels to [0, 1] changes only the published 1e-6 in (x - mean) / (deviation + 1e-6).
    scales = IMAGENET_DEFAULT_STD if config.num_channels == 3 else [1] * config.num_channels
    channels = zip(deviation.unbind(dim=2), scales, strict=True)
    return centred / torch.stack([channel + 1e-6 / scale for channel, scale in channels], dim=2)


def _to_motion(frames: torch.Tensor, group_size: int) -> torch.Tensor:
    """Subtract the first frame of each group from its other frames, (..., frames, pixels)."""
    groups = frames.unflatten(-2, (-1, group_size))
    first = groups[..., :1, :]
    return torch.cat([first, groups[..., 1:, :] - first], dim=-2).flatten(-3, -2)
