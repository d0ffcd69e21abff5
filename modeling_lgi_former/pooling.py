"""Pooling of tokens to the feature of a clip or of each frame."""

import torch
from einops import rearrange
from torch import nn

from ..configuration import LGIFormerConfig


class LGIFormerPooler(nn.Module):
    """Computes the normalised mean of the chosen tokens, the input of the classification head."""

    def __init__(self, config: LGIFormerConfig):
        super().__init__()
        self.config = config
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    @property
    def tokens(self) -> str:
        """Tokens to average: "representative", "local", "all", or "frame" for the local tokens of each frame."""
        return "frame" if self.config.frame_level else self.config.pooling

    def forward(self, representative: torch.Tensor, local: torch.Tensor | None) -> torch.Tensor:
        """
        Args:
            representative: (batch, regions, width).
            local: (batch, local tokens, width) in raster order. Not needed to pool representative tokens.

        Returns:
            (batch, width), or per frame (batch, frames, width).
        """
        if self.tokens == "frame":
            return self.layernorm(self._mean_of_frames(local))
        tokens = {
            "representative": [representative],
            "local": [local],
            "all": [representative, local],
        }[self.tokens]
        return self.layernorm(torch.cat(tokens, dim=1).mean(dim=1))

    def _mean_of_frames(self, local):
        """Means over space, linearly upsampled from tubelets to frames: (batch, frames, width)."""
        if local.shape[1] != self.config.num_tokens:
            raise ValueError(
                f"frame_level pooling needs all {self.config.num_tokens} local tokens of a clip, but only "
                f"{local.shape[1]} are visible. Omit bool_masked_pos, or set frame_level=False."
            )
        mean = rearrange(local, "b (t s) c -> b c t s", t=self.config.token_grid[0]).mean(dim=-1)
        frames = nn.functional.interpolate(mean, size=self.config.num_frames, mode="linear")
        return rearrange(frames, "b c f -> b f c")
