"""Computes the attention of a layer: S1 and S3 over the frames of a clip, S2 and S3 between regions."""

from dataclasses import dataclass

import torch
from einops import rearrange, reduce

from ..configuration import LGIFormerConfig
from ..modeling_lgi_former import LGIFormerModel
from ..modeling_lgi_former.reconstruction import to_unit_range
from ..modeling_lgi_former.regions import LGIFormerRegions


HEADS = ("mean", "max")


@dataclass
class ClipAttention:
    """Attention probabilities of a layer for one clip, combined over heads.

    Attributes:
        frames (`torch.Tensor` of shape `(times, 3, height, width)`): First frame of each tubelet, pixels in [0, 1].
        intra_region (`torch.Tensor` of shape `(times, rows, columns)`): S1, attention of each representative token to
            the local tokens of its region.
        inter_region (`torch.Tensor` of shape `(regions, regions)`): S2, attention between representative tokens.
            `None` if the model has none.
        local_global (`torch.Tensor` of shape `(times, rows, columns, regions)`): S3, attention of each local token to
            the representative tokens. `None` if the model has none.
        regions (`torch.Tensor` of shape `(times, rows, columns)`): long, the region of each local token.
        layer (`int`): Index of the layer, from 0.
        tubelet_size (`int`): Frames of a tubelet.
    """

    frames: torch.Tensor
    intra_region: torch.Tensor
    inter_region: torch.Tensor | None
    local_global: torch.Tensor | None
    regions: torch.Tensor
    layer: int
    tubelet_size: int


@torch.inference_mode()
def attend(
    model: LGIFormerModel, pixel_values: torch.Tensor, layer: int | None = None, heads: str = "mean"
) -> ClipAttention:
    """Compute a layer's attention for a clip.

    Args:
        model: The bare encoder in eval mode, with three colour channels.
        pixel_values: float (1, frames, 3, height, width), as the processor makes them.
        layer: Index from 0, or from the end if negative. The default is the last layer. If representative tokens are
            pooled, it is the last but one, because then S3 of the last layer does not reach the output.
        heads: How to combine heads: `"mean"` or `"max"`.

    Raises:
        ValueError: If there is no such layer or combination of heads, or the clip does not fit the model.
    """
    config = model.config
    num_layers = config.num_hidden_layers
    if layer is None:
        layer = max(num_layers - 2, 0) if config.pooling == "representative" else num_layers - 1
    if not -num_layers <= layer < num_layers:
        raise ValueError(f"There is no layer {layer}: the model has {num_layers}, counted from 0 to {num_layers - 1}.")
    if config.num_channels != 3:
        raise ValueError(f"Clips of {config.num_channels} channels cannot be shown: attention is laid over 3.")
    if heads not in HEADS:
        raise ValueError(f"heads={heads!r} is not one of {', '.join(map(repr, HEADS))}.")
    attentions = model(pixel_values.to(model.device, model.dtype), output_attentions=True).attentions
    parts = iter(attentions[_of_layer(layer % num_layers, config)])
    regions = LGIFormerRegions(config)
    grid = dict(zip(("t", "h", "w"), config.token_grid, strict=True))

    def over_heads(probabilities):
        return reduce(probabilities.float().cpu(), "b heads q k -> b q k", heads)

    def to_grid(by_region):
        """(regions, tokens of a region, ...) -> (times, rows, columns, ...)."""
        return rearrange(regions.merge(by_region[None])[0], "(t h w) ... -> t h w ...", **grid)

    intra_region = over_heads(next(parts))[:, 0]
    inter_region = over_heads(next(parts))[0] if config.inter_region_attention else None
    local_global = None
    if config.local_global_interaction == "cross":
        local_global = to_grid(rearrange(over_heads(next(parts))[0], "(r s) k -> r s k", r=config.num_regions))
    num_local = config.num_tokens // config.num_regions
    return ClipAttention(
        frames=to_unit_range(pixel_values.float().cpu())[0, :: config.tubelet_size],
        intra_region=to_grid(intra_region[:, -num_local:]),  # with S1 "self", the first key is the representative one
        inter_region=inter_region,
        local_global=local_global,
        regions=to_grid(torch.arange(config.num_regions)[:, None].expand(-1, num_local)),
        layer=layer % num_layers,
        tubelet_size=config.tubelet_size,
    )


def _of_layer(layer: int, config: LGIFormerConfig) -> slice:
    """The slice of a layer in the list of all attentions."""
    in_layer = 1 + config.inter_region_attention + (config.local_global_interaction is not None)
    return slice(layer * in_layer, (layer + 1) * in_layer)
