"""The light decoder of pre-training: plain ViT layers over visible tokens and mask tokens (paper section 3.1)."""

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from ..configuration import LGIFormerConfig
from .attention import LGIFormerAttention, cast_once
from .embeddings import sinusoid_table
from .encoder import LGIFormerMLP


class LGIFormerDecoderLayer(GradientCheckpointingLayer):
    """Pre-norm self-attention and feed-forward over all tokens of a clip."""

    def __init__(self, config: LGIFormerConfig):
        super().__init__()
        width = config.decoder_hidden_size
        self.attention_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attention = LGIFormerAttention(config, width, config.decoder_num_attention_heads)
        self.mlp_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = LGIFormerMLP(config, width, config.decoder_intermediate_size)

    def forward(self, hidden_states: torch.Tensor, first_wanted: int = 0) -> torch.Tensor:
        """Update (batch, tokens, decoder width). The result begins at token `first_wanted`."""
        normed = cast_once(self.attention_norm(hidden_states))
        update, _ = self.attention(normed[:, first_wanted:], context=normed)
        hidden_states = hidden_states[:, first_wanted:] + update
        return hidden_states + self.mlp(self.mlp_norm(hidden_states))


class LGIFormerDecoder(nn.Module):
    """Predicts the pixels of masked tubelets from the encoder's visible tokens."""

    def __init__(self, config: LGIFormerConfig):
        super().__init__()
        self.config = config
        width = config.decoder_hidden_size
        self.embed = nn.Linear(config.hidden_size, width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("position_embeddings", self.position_table(), persistent=False)
        self.layers = nn.ModuleList(LGIFormerDecoderLayer(config) for _ in range(config.decoder_num_hidden_layers))
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.head = nn.Linear(width, config.tubelet_pixels)
        self.gradient_checkpointing = False

    def position_table(self) -> torch.Tensor:
        """Positions of the local tokens in raster order, float32 (tokens, decoder width)."""
        return sinusoid_table(self.config.num_tokens, self.config.decoder_hidden_size)

    def forward(self, visible_states: torch.Tensor, visible_positions: torch.Tensor, masked_positions: torch.Tensor):
        """
        Args:
            visible_states: Encoder output, (batch, visible tokens, width).
            visible_positions: Raster positions of visible tokens, long (batch, visible tokens).
            masked_positions: Raster positions of masked tokens, long (batch, masked tokens).

        Returns:
            (batch, masked tokens, pixels of a tubelet).
        """
        visible = self.embed(visible_states)
        # With half precision the table remains float32, and with a device map the mask may be on another device.
        positions = self.position_embeddings.to(visible.dtype)
        visible = visible + positions[visible_positions.to(positions.device)]
        masked = self.mask_token.to(visible.dtype) + positions[masked_positions.to(positions.device)]
        hidden_states = torch.cat([visible, masked], dim=1)
        *layers, last_layer = self.layers
        for layer in layers:
            hidden_states = layer(hidden_states)
        # In the last layer, visible tokens are only context.
        return self.head(self.norm(last_layer(hidden_states, first_wanted=visible.shape[1])))
