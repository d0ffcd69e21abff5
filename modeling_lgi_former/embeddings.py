"""From pixels to tokens: tubelet projection, positions, representative tokens."""

import torch
from torch import nn

from ..configuration import LGIFormerConfig
from .regions import LGIFormerRegions, take_tokens


def sinusoid_table(num_positions: int, width: int) -> torch.Tensor:
    """Fixed positions: float32 (num_positions, width), computed in float64 as the published code does.

    Column j of position p is sin (even j) or cos (odd j) of p / 10000^(2 * (j // 2) / width).
    """
    position = torch.arange(num_positions, dtype=torch.float64)[:, None]
    column = torch.arange(width)
    angle = position / 10000 ** (2 * (column // 2).to(torch.float64) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(torch.float32)


class LGIFormerEmbeddings(nn.Module):
    """Tokens of a clip: each region's representative token, then its local tokens."""

    def __init__(self, config: LGIFormerConfig):
        super().__init__()
        self.config = config
        self.regions = LGIFormerRegions(config)
        # A Conv3d whose stride equals its kernel size is a matrix product over tubelets. The product can take tubelets
        # in region order, or only the visible ones.
        self.projection = nn.Linear(config.tubelet_pixels, config.hidden_size)
        self.representative_tokens = nn.Parameter(torch.zeros(config.num_regions, config.hidden_size))
        self.register_buffer("position_embeddings", self.position_table(), persistent=False)

    def position_table(self) -> torch.Tensor:
        """Positions of the local tokens, float32 (1, regions, tokens of a region, width)."""
        return self.regions.split(sinusoid_table(self.config.num_tokens, self.config.hidden_size)[None])

    def forward(self, pixel_values: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
        """
        Args:
            pixel_values: float (batch, frames, channels, height, width).
            visible: Indices of the local tokens to embed, long (batch, regions, visible of a region), from
                `LGIFormerRegions.visible_in_region`. The default is all tokens.

        Returns:
            (batch, regions, 1 + local tokens of a region, width).

        Raises:
            ValueError: If the clips do not have the configured size, or are not float.
        """
        config = self.config
        expected = (config.num_frames, config.num_channels, config.image_size, config.image_size)
        if pixel_values.ndim != 5 or tuple(pixel_values.shape[1:]) != expected:
            raise ValueError(
                f"pixel_values has shape {tuple(pixel_values.shape)}, but this model takes clips of (batch, frames, "
                f"channels, height, width) = (batch, {', '.join(map(str, expected))})."
            )
        if not pixel_values.is_floating_point():
            raise ValueError(
                f"pixel_values has dtype {pixel_values.dtype}, but this model needs normalised floats, as "
                "LGIFormerVideoProcessor returns them."
            )
        pixel_values = pixel_values.to(self.representative_tokens.dtype)
        tubelets = self.regions.split_pixels(pixel_values)
        positions = self.position_embeddings
        if visible is not None:
            tubelets = take_tokens(tubelets, visible)
            regions = torch.arange(visible.shape[1], device=visible.device)[:, None]
            positions = positions[0, regions, visible]  # the table is not copied for each clip
        local = self.projection(tubelets.flatten(0, 1)).unflatten(0, tubelets.shape[:2])  # 3 dimensions, as the MLP
        local = local + positions.to(local.dtype)  # with half precision, the table remains float32
        representative = self.representative_tokens[None, :, None].expand(local.shape[0], -1, -1, -1)
        return torch.cat([representative.to(local.dtype), local], dim=2)
