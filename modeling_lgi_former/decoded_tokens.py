"""Which masked tokens the decoder predicts. VideoMAE V2 trains on a part of them (https://arxiv.org/abs/2303.16727)."""

import torch

from ..configuration import LGIFormerConfig
from .regions import must_not_read, visible_first


def decoded_index(
    bool_decoded_pos: torch.Tensor, bool_masked_pos: torch.Tensor, config: LGIFormerConfig, training: bool
) -> torch.Tensor:
    """Raster indices of the tokens to predict, ascending: long (batch, predicted tokens).

    Usually their number is read from the mask. If `must_not_read`, it follows from the configuration, and the device
    checks it asynchronously.

    Args:
        bool_decoded_pos: bool (batch, tokens) in raster order, True = masked and predicted.
        bool_masked_pos: bool (batch, tokens) in raster order, True = masked.
        training: Whether this is a training step.

    Raises:
        ValueError: If the masks differ in shape, if a visible token should be predicted, or if the numbers of
            predicted tokens differ between clips or are 0.
    """
    if bool_decoded_pos.shape != bool_masked_pos.shape or bool_decoded_pos.dtype != torch.bool:
        raise ValueError(
            f"bool_decoded_pos has shape {tuple(bool_decoded_pos.shape)} and dtype {bool_decoded_pos.dtype}, but must "
            f"have those of bool_masked_pos: {tuple(bool_masked_pos.shape)} and torch.bool."
        )
    counts = bool_decoded_pos.sum(dim=1)
    has_visible = (bool_decoded_pos & ~bool_masked_pos).any()
    if must_not_read(bool_decoded_pos, training):
        number = config.num_regions * config.num_decoded_of_region
        torch._assert_async(
            (counts == number).all() & ~has_visible,
            f"bool_decoded_pos must have {number} masked tokens of every clip, as config.decoder_mask_ratio says.",
        )
    else:
        number = int(counts[0])
        if has_visible:
            raise ValueError("bool_decoded_pos has visible tokens. The decoder predicts only masked tokens.")
        if number == 0 or (counts != number).any():
            raise ValueError(
                f"bool_decoded_pos has from {int(counts.min())} to {int(counts.max())} tokens of a clip. All clips "
                "must have the same number, at least 1 (see RegionTubeMasking.decoded)."
            )
    return visible_first(~bool_decoded_pos)[:, :number]
