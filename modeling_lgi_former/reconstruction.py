"""The target of pre-training and its loss: joint appearance and motion reconstruction (paper section 3.3)."""

import torch
from einops import rearrange
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..configuration import LGIFormerConfig


def reconstruction_targets(pixel_values: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """What the decoder is to predict for every tubelet of a clip.

    Args:
        pixel_values: float (batch, frames, channels, height, width), normalised with ImageNet mean and deviation if
            it has three channels; others are taken as they are.

    Returns:
        (batch, tokens, pixels of a tubelet), tokens in raster order, pixels in the order frame, row, column, channel;
        at least float32. Per tubelet and channel normalised if `config.norm_pix_loss`; frames of a motion group but
        its first as their difference to the first if `config.motion_target`.
    """
    frames = pixel_values.to(torch.promote_types(pixel_values.dtype, torch.float32))
    if config.num_channels == 3:
        frames = to_unit_range(frames)
    tubelets = rearrange(
        frames,
        "b (t pt) c (h ph) (w pw) -> b (t h w) (pt ph pw) c",
        pt=config.tubelet_size,
        ph=config.patch_size,
        pw=config.patch_size,
    )
    if config.norm_pix_loss:
        deviation = tubelets.var(dim=2, unbiased=True, keepdim=True).sqrt()
        tubelets = (tubelets - tubelets.mean(dim=2, keepdim=True)) / (deviation + 1e-6)
    if config.motion_target:
        tubelets = _to_motion(tubelets, config)
    return tubelets.flatten(2)


def reconstruction_loss(
    logits: torch.Tensor, targets: torch.Tensor, config: LGIFormerConfig, motion_loss_weight: float | None
) -> torch.Tensor:
    """Mean squared error over the pixels of masked tubelets, both (batch, masked tokens, pixels of a tubelet).

    With a `motion_loss_weight` w: (1 - w) x error of appearance frames + w x error of motion frames.
    """
    error = (logits.to(targets.dtype) - targets).square()
    if motion_loss_weight is None:
        return error.mean()
    error = rearrange(error, "b n (groups f pixels) -> f (b n groups pixels)", f=2, groups=config.tubelet_size // 2)
    appearance, motion = error.mean(dim=1)
    return (1 - motion_loss_weight) * appearance + motion_loss_weight * motion


def to_unit_range(frames: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation of (batch, frames, 3, height, width) with ImageNet mean and deviation."""
    # Plain numbers: tensors of them would have to be copied to the device, and a training step wait for it.
    channels = zip(frames.unbind(dim=2), IMAGENET_DEFAULT_STD, IMAGENET_DEFAULT_MEAN, strict=True)
    return torch.stack([channel * deviation + mean for channel, deviation, mean in channels], dim=2)


def _to_motion(tubelets: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """Every frame of a group minus the group's first, which stays. Groups may span tubelets or lie inside one."""
    time, _, _ = config.token_grid
    frames = rearrange(tubelets, "b (t s) (pt p) c -> b (t pt) s p c", t=time, pt=config.tubelet_size)
    groups = frames.unflatten(1, (-1, config.motion_group_size))
    groups = torch.cat([groups[:, :, :1], groups[:, :, 1:] - groups[:, :, :1]], dim=2)
    return rearrange(groups.flatten(1, 2), "b (t pt) s p c -> b (t s) (pt p) c", t=time)
