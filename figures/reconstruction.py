"""Reconstructs a masked clip and draws it (figure 5 of the paper): appearance, motion, and both combined."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure

from ..modeling_lgi_former import LGIFormerForPreTraining, RegionTubeMasking, reconstruction_targets
from ..modeling_lgi_former.reconstruction import to_unit_range
from .frames import Row, draw_rows, spread
from .target_frames import frames_of_targets, tubelets_to_frames


MOST_COLUMNS = 8
LARGEST_GAIN = 8.0  # a larger gain shows only noise
GREY = 0.5


@dataclass
class Reconstruction:
    """A clip, its visible part and its reconstruction.

    Attributes:
        original (`torch.Tensor` of shape `(frames, 3, height, width)`): Pixels in [0, 1].
        masked (`torch.Tensor` of shape `(frames, 1, height, width)`): bool, whether a pixel was hidden.
        reconstructed (`torch.Tensor` of shape `(frames, 3, height, width)`): `original` where it was visible, else
            the prediction. A motion frame is the sum of its predicted difference and the first frame of its group.
        group_size (`int`): Frames of a motion group. The first is predicted as an image, the others as their
            differences to it. 1 without motion.
        loss (`float`): Loss of the model for this clip.
    """

    original: torch.Tensor
    masked: torch.Tensor
    reconstructed: torch.Tensor
    group_size: int
    loss: float


@torch.inference_mode()
def reconstruct(
    model: LGIFormerForPreTraining, pixel_values: torch.Tensor, mask_ratio: float | None = None, seed: int = 0
) -> Reconstruction:
    """Mask a clip and reconstruct it.

    Args:
        model: The masked autoencoder. It is set to eval mode. With `norm_pix_loss`, the mean and deviation of each
            target are restored from the original.
        pixel_values: float (1, frames, 3, height, width), as the processor makes them.
        mask_ratio: Share of tokens to mask. The default is that of the model.
        seed: Random seed of the mask.

    Raises:
        ValueError: If the clip does not fit the model or does not have 3 channels, or no token would be masked.
    """
    config = model.config
    if config.num_channels != 3:
        raise ValueError(f"Clips of {config.num_channels} channels cannot be shown: a reconstruction is drawn of 3.")
    if mask_ratio is not None:
        config = copy.deepcopy(config)
        config.mask_ratio, config.decoder_mask_ratio = mask_ratio, 0.0  # all masked tokens are predicted
        config.validate_architecture()
    mask = RegionTubeMasking(config)(1, generator=torch.Generator().manual_seed(seed))
    clip = pixel_values.to(model.device)
    outputs = model.eval()(pixel_values=clip, bool_masked_pos=mask.to(model.device))
    pixel_values = pixel_values.float().cpu()
    targets = reconstruction_targets(pixel_values, config)
    targets[mask] = outputs.logits[0].float().cpu()
    masked = mask[..., None, None].expand(-1, -1, config.tubelet_size * config.patch_size**2, 1)
    original, masked, reconstructed = (
        to_unit_range(pixel_values)[0],
        tubelets_to_frames(masked, config)[0],
        frames_of_targets(targets, pixel_values, config)[0],
    )
    return Reconstruction(
        original=original,
        masked=masked,
        reconstructed=torch.where(masked, reconstructed, original),
        group_size=config.motion_group_size if config.motion_target else 1,
        loss=outputs.loss.item(),
    )


def draw_reconstruction(reconstruction: Reconstruction) -> Figure:
    """Draw original, visible and reconstructed frames of a clip.

    If the model predicts motion, also draw the target and the prediction. Their motion frames are differences around
    grey, amplified to the full range of pixels.
    """
    original, reconstructed = reconstruction.original, reconstruction.reconstructed
    group_size = reconstruction.group_size
    shown = _shown_frames(len(original), group_size)
    numbers = [str(frame) for frame in shown]
    visible = original.masked_fill(reconstruction.masked, GREY)
    rows = [Row("original", original[shown], numbers), Row("visible", visible[shown])]
    if group_size > 1:
        firsts = [frame - frame % group_size for frame in shown]
        terms = [
            str(frame) if frame == first else f"{frame} \N{MINUS SIGN} {first}"
            for frame, first in zip(shown, firsts, strict=True)
        ]
        gain = _gain_of_motion(original[shown] - original[firsts])
        rows.append(
            Row(f"target\n(motion \N{MULTIPLICATION SIGN}{gain:.2g})", _motion(original, shown, firsts, gain), terms)
        )
        rows.append(Row("prediction", _motion(reconstructed, shown, firsts, gain)))
    rows.append(Row("reconstructed", reconstructed[shown], numbers if group_size > 1 else ()))
    starts_of_groups = {column for column, frame in enumerate(shown) if group_size > 1 and frame % group_size == 0}
    return draw_rows(rows, wider_before=starts_of_groups)


def _shown_frames(num_frames: int, group_size: int) -> list[int]:
    """Choose groups that fit into the figure, and frames of long groups, including the first and the last."""
    in_group = spread(group_size, MOST_COLUMNS)
    groups = spread(num_frames // group_size, max(MOST_COLUMNS // len(in_group), 1))
    return [group * group_size + frame for group in groups for frame in in_group]


def _gain_of_motion(differences: torch.Tensor) -> float:
    """The factor that scales all but the largest differences to the full range of pixels."""
    largest = np.quantile(differences.abs().numpy(), 0.999)
    return 1 / max(float(largest), 1 / LARGEST_GAIN)


def _motion(frames: torch.Tensor, shown: list[int], firsts: list[int], gain: float) -> torch.Tensor:
    """The shown frames: first frames of groups unchanged, others as differences to the first frame."""
    differences = GREY + GREY * gain * (frames[shown] - frames[firsts])
    is_first = torch.tensor(shown) == torch.tensor(firsts)
    return torch.where(is_first[:, None, None, None], frames[shown], differences)
