"""Regions: layout of the local tokens of a clip, and visible tokens under a mask.

Raster order is time, row, column over the whole clip. Region order lists regions in raster order, and the tokens of a
region again in the order time, row, column. The encoder uses region order, and users see raster order.
"""

import math

import torch
from einops import rearrange

from ..configuration import LGIFormerConfig


class LGIFormerRegions:
    """The region layout of a configuration, whose clip size may change later."""

    def __init__(self, config: LGIFormerConfig):
        self.config = config

    @property
    def sizes(self) -> dict[str, int]:
        """einops sizes of the token axis "(nt t nh h nw w)"."""
        sizes = (*self.config.region_grid, *self.config.region_size)
        return dict(zip(("nt", "nh", "nw", "t", "h", "w"), sizes, strict=True))

    @property
    def num_visible_by_ratio(self) -> int:
        """Visible tokens of a region with `config.mask_ratio`."""
        return math.prod(self.config.region_size) - self.config.num_masked_of_region

    def split(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, ...) in raster order -> (batch, regions, tokens of a region, ...)."""
        return rearrange(tokens, "b (nt t nh h nw w) ... -> b (nt nh nw) (t h w) ...", **self.sizes)

    def merge(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, regions, tokens of a region, ...) -> (batch, tokens, ...) in raster order."""
        return rearrange(tokens, "b (nt nh nw) (t h w) ... -> b (nt t nh h nw w) ...", **self.sizes)

    def split_pixels(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(batch, frames, channels, height, width) -> (batch, regions, tokens of a region, pixels of a tubelet).

        Inside a tubelet the order is channel, frame, row, column, as in a Conv3d kernel.
        """
        return rearrange(
            pixel_values,
            "b (nt t pt) c (nh h ph) (nw w pw) -> b (nt nh nw) (t h w) (c pt ph pw)",
            pt=self.config.tubelet_size,
            ph=self.config.patch_size,
            pw=self.config.patch_size,
            **self.sizes,
        )

    def visible_in_region(self, bool_masked_pos: torch.Tensor, training: bool) -> torch.Tensor:
        """Indices of the visible tokens inside their region, ascending: long (batch, regions, visible of a region).

        The host must know the number of visible tokens. Usually it reads the number from the mask. If `must_not_read`,
        the number follows from `config.mask_ratio`, and the device checks it asynchronously.

        Args:
            bool_masked_pos: bool (batch, tokens) in raster order, True = masked.
            training: Whether this is a training step.

        Raises:
            ValueError: If the mask has another shape or dtype, or if the numbers of visible tokens in regions differ.
        """
        if bool_masked_pos.ndim != 2 or bool_masked_pos.shape[1] != self.config.num_tokens:
            raise ValueError(
                f"bool_masked_pos has shape {tuple(bool_masked_pos.shape)}, but this model needs (batch, "
                f"{self.config.num_tokens}): one value for each local token, in the order time, row, column."
            )
        if bool_masked_pos.dtype != torch.bool:
            raise ValueError(f"bool_masked_pos has dtype {bool_masked_pos.dtype}, but must be torch.bool.")
        masked = self.split(bool_masked_pos)
        if must_not_read(bool_masked_pos, training):
            visible = self.num_visible_by_ratio
            # There is no public name for an assertion that does not wait for the device.
            torch._assert_async(
                self.has_count_by_ratio(bool_masked_pos).all(),
                f"bool_masked_pos must leave {visible} tokens of every region visible, as config.mask_ratio says.",
            )
        else:
            visible = _common_count((~masked).sum(dim=-1), tokens_per_region=masked.shape[2])
        return visible_first(masked)[..., :visible]

    def has_count_by_ratio(self, bool_masked_pos: torch.Tensor) -> torch.Tensor:
        """Whether every region of a clip has `num_visible_by_ratio` visible tokens: bool (batch,).

        `bool_masked_pos` is bool (batch, tokens) in raster order.
        """
        num_visible = (~self.split(bool_masked_pos)).sum(dim=-1)
        return (num_visible == self.num_visible_by_ratio).all(dim=1)

    def to_raster_index(self, index_in_region: torch.Tensor) -> torch.Tensor:
        """Raster indices of tokens from their indices inside a region, both long (batch, regions, any)."""
        raster = torch.arange(self.config.num_tokens, device=index_in_region.device)
        raster = self.split(raster[None]).expand(index_in_region.shape[0], -1, -1)
        return raster.gather(2, index_in_region)


def must_not_read(mask: torch.Tensor, training: bool) -> bool:
    """Whether the host must not read the values of a mask, such as the number of tokens.

    Training on an accelerator must not wait for the device, and compiled graphs have no data-dependent shapes.
    """
    return torch.compiler.is_compiling() or (training and mask.device.type != "cpu")


def visible_first(masked: torch.Tensor) -> torch.Tensor:
    """Indices of visible tokens, then those of masked tokens, both ascending: long, with the shape of `masked`.

    A stable `argsort` gives the same, but ONNX has no stable sort. This is as fast.

    Args:
        masked: bool (..., tokens), True = masked.
    """
    visible = ~masked
    masked_rank = visible.sum(dim=-1, keepdim=True) + masked.cumsum(dim=-1)
    rank = torch.where(masked, masked_rank, visible.cumsum(dim=-1)) - 1
    tokens = torch.arange(masked.shape[-1], device=masked.device).expand_as(rank)
    return torch.empty_like(rank).scatter_(-1, rank, tokens)


def take_tokens(tokens: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Select tokens of each clip or region. This copies whole rows, which is much faster than `take_along_dim`.

    Args:
        tokens: (..., tokens, width).
        index: Which tokens, long (..., selected).

    Returns:
        (..., selected, width).
    """
    start = torch.arange(index[..., 0].numel(), device=index.device) * tokens.shape[-2]
    rows = index + start.view(*index.shape[:-1], 1)
    return tokens.flatten(0, -2).index_select(0, rows.flatten()).unflatten(0, index.shape)


def _common_count(num_visible: torch.Tensor, tokens_per_region: int) -> int:
    """The only number in `num_visible` (batch, regions).

    Raises:
        ValueError: If numbers differ, or if all tokens or none are visible.
    """
    first = int(num_visible[0, 0])
    if not bool((num_visible == first).all()):
        clip, region = (num_visible != first).nonzero()[0].tolist()
        other = int(num_visible[clip, region])
        raise ValueError(
            f"bool_masked_pos leaves {other} tokens of region {region} of clip {clip} visible, but {first} of region "
            "0 of clip 0. All regions must have the same number of visible tokens (see RegionTubeMasking)."
        )
    if first == 0 or first == tokens_per_region:
        state = "masks every token" if first == 0 else "masks no token"
        raise ValueError(f"bool_masked_pos {state}. Some tokens of every region must be visible and some masked.")
    return first
