"""Turns targets of pre-training, or predictions of them, back into frames."""

import torch
from einops import rearrange

from ..configuration import LGIFormerConfig
from ..modeling_lgi_former.reconstruction import to_unit_range


def frames_of_targets(targets: torch.Tensor, pixel_values: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """Compute the frames of targets. This is the inverse of `reconstruction_targets`.

    Args:
        targets: (batch, tokens, pixels of a tubelet) for all tokens of the clips, true or predicted.
        pixel_values: The clips with three channels, as for `reconstruction_targets`. With `config.norm_pix_loss`, they
            give the mean and the deviation of each tubelet (as in https://arxiv.org/abs/2111.06377).

    Returns:
        float32 (batch, frames, 3, height, width). Pixels are in [0, 1], except for predictions outside of it.
    """
    tubelets = targets.unflatten(2, (-1, 3))
    if config.motion_target:
        tubelets = _from_motion(tubelets, config)
    if config.norm_pix_loss:
        originals = _to_tubelets(to_unit_range(pixel_values.float()), config)
        deviation = originals.std(dim=2, keepdim=True) + 1e-6
        tubelets = tubelets * deviation + originals.mean(dim=2, keepdim=True)
    return tubelets_to_frames(tubelets, config)


def tubelets_to_frames(tubelets: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """(batch, tokens, pixels of a channel, channels) -> (batch, frames, channels, height, width)."""
    grid = dict(zip(("t", "h", "w"), config.token_grid, strict=True))
    return rearrange(tubelets, f"b {_TUBELETS} -> b {_FRAMES}", **grid, **_sizes(config))


def _to_tubelets(frames: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    return rearrange(frames, f"b {_FRAMES} -> b {_TUBELETS}", **_sizes(config))


_FRAMES, _TUBELETS = "(t pt) c (h ph) (w pw)", "(t h w) (pt ph pw) c"


def _sizes(config: LGIFormerConfig) -> dict[str, int]:
    return {"pt": config.tubelet_size, "ph": config.patch_size, "pw": config.patch_size}


def _from_motion(tubelets: torch.Tensor, config: LGIFormerConfig) -> torch.Tensor:
    """Add the first frame of a group to its other frames. A group may span several tubelets."""
    sizes = {"t": config.token_grid[0], "pt": config.tubelet_size}
    frames = rearrange(tubelets, "b (t s) (pt p) c -> b (t pt) s p c", **sizes)
    groups = frames.unflatten(1, (-1, config.motion_group_size))
    groups = torch.cat([groups[:, :, :1], groups[:, :, 1:] + groups[:, :, :1]], dim=2)
    return rearrange(groups.flatten(1, 2), "b (t pt) s p c -> b (t s) (pt p) c", **sizes)
