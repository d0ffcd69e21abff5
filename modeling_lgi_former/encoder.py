"""The LGI-Former layer (local-global interaction, paper section 3.2) and the stack of them."""

import torch
from einops import rearrange
from torch import nn
from torchvision.ops import StochasticDepth
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from ..configuration import LGIFormerConfig
from .attention import LGIFormerAttention, cast_once, is_plain_linear
from .regions import must_not_read


class LGIFormerMLP(nn.Module):
    """Feed-forward network."""

    def __init__(self, config: LGIFormerConfig, hidden_size: int, intermediate_size: int):
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, intermediate_size)
        self.activation_fn = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(intermediate_size, hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Compute (..., width) from (..., width)."""
        shape = hidden_states.shape[:-1]
        hidden_states = self.fc1(hidden_states.flatten(0, -2))  # 8-bit linears of bitsandbytes take 2 or 3 dimensions
        if self.may_overwrite():
            hidden_states = torch.ops.aten.gelu_(hidden_states)
        else:
            hidden_states = self.activation_fn(hidden_states)
        return self.dropout(self.fc2(hidden_states)).unflatten(0, shape)

    def may_overwrite(self) -> bool:
        """Whether only the activation reads the output of `fc1`: no backward pass, hooks or wrappers.

        In place, the activation saves about 5 % of a clip's time, because `fc1` returns the widest tensor of a layer.
        """
        return (
            not torch.is_grad_enabled()
            and getattr(self.activation_fn, "act", None) is nn.functional.gelu
            and not self.activation_fn._forward_hooks
            and not self.activation_fn._forward_pre_hooks
            and is_plain_linear(self.fc1)
        )


class LGIFormerLayer(GradientCheckpointingLayer):
    """S1 intra-region attention, S2 inter-region attention, S3 local-global interaction, feed-forward, all pre-norm.

    Stochastic depth drops the update of a region (S1, S3 "self", feed-forward) or of a clip (S2, S3 "cross"). One draw
    gives the random numbers for all updates of a layer, because each small operation on a GPU needs a launch.
    """

    def __init__(self, config: LGIFormerConfig, drop_path_rate: float = 0.0):
        super().__init__()
        self.intra_type = config.intra_region_attention
        self.interaction_type = config.local_global_interaction

        def norm():
            return nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

        def attention():
            return LGIFormerAttention(config, config.hidden_size, config.num_attention_heads)

        self.intra_region_norm = norm()
        if self.intra_type == "cross":
            self.intra_region_context_norm = norm()
        self.intra_region_attention = attention()

        # Shared attentions are registered only once, so a checkpoint contains their weights once.
        self.has_inter_region = config.inter_region_attention
        if self.has_inter_region:
            self.inter_region_norm = norm()
            self.inter_region_attention = None if config.attention_sharing == "all" else attention()

        if self.interaction_type is not None:
            self.interaction_norm = norm()
            if self.interaction_type == "cross":
                self.interaction_context_norm = norm()
            self.interaction_attention = attention() if config.attention_sharing == "none" else None

        self.mlp_norm = norm()
        self.mlp = LGIFormerMLP(config, config.hidden_size, config.intermediate_size)
        self.drop_path = StochasticDepth(drop_path_rate, mode="row")

    def forward(
        self, hidden_states: torch.Tensor, representative_only: bool = False, output_attentions: bool = False
    ) -> torch.Tensor:
        """
        Args:
            hidden_states: (batch, regions, 1 + local tokens of a region, width), the representative token first.
            representative_only: Whether to compute only the representative tokens.
            output_attentions: Whether the attentions compute their probabilities.

        Returns:
            The shape of `hidden_states`. With `representative_only`, (batch, regions, 1, width).
        """
        intra_scale, inter_scale, interaction_scale, mlp_scale = self._draw_update_scales(hidden_states)
        if self.intra_type == "self":
            hidden_states = self._attend_within_regions(
                hidden_states,
                intra_scale,
                self.intra_region_attention,
                self.intra_region_norm,
                # S3 "self" needs updated local tokens, because representative tokens attend to them again.
                representative_only and self.interaction_type != "self",
                output_attentions,
            )
        # The gradient of `split` is one copy, but two slices would need four passes.
        representative, local = hidden_states.split([1, hidden_states.shape[2] - 1], dim=2)
        if self.intra_type == "cross":
            representative = self._attend_to_local(representative, local, intra_scale, output_attentions)

        if self.has_inter_region:
            representative = self._attend_between_regions(representative, inter_scale, output_attentions)

        if self.interaction_type == "self":
            hidden_states = self._attend_within_regions(
                torch.cat([representative, local], dim=2),
                interaction_scale,
                self.interaction_attention or self.intra_region_attention,
                self.interaction_norm,
                representative_only,
                output_attentions,
            )
        elif representative_only:
            hidden_states = self._touch_unused_weights(representative)
        else:
            if self.interaction_type == "cross":
                local = self._interact(local, representative, interaction_scale, output_attentions)
            hidden_states = torch.cat([representative, local], dim=2)

        return self._update_regions(hidden_states, mlp_scale, lambda regions: self.mlp(self.mlp_norm(regions)))

    def _attend_within_regions(self, hidden_states, scale, attention, norm, representative_only, output_attentions):
        """Self-attention of each region. With `representative_only`, only of its first query."""

        def attend(regions):
            normed = cast_once(norm(regions))
            queries = normed[:, :1] if representative_only else normed
            return attention(queries, normed, output_attentions=output_attentions)[0]

        return self._update_regions(hidden_states, scale, attend, all_regions=output_attentions)

    def _update_regions(self, hidden_states, scale, update_of, all_regions=False):
        """Add updates to the first tokens of each region. Regions whose update is dropped are not computed on a CPU.

        Args:
            hidden_states: (batch, regions, tokens of a region, width).
            scale: As from `_draw_update_scales`.
            update_of: Returns the updates, (regions, updated tokens, width), of (regions, tokens of a region, width).
            all_regions: Whether the updates of all regions must be computed.
        """
        regions = hidden_states.flatten(0, 1)
        # How many regions remain is known only after the draw. A graph has fixed shapes, and a GPU must not wait.
        may_skip = scale is not None and not all_regions and not must_not_read(scale, self.training)
        remaining = scale.flatten().nonzero().squeeze(1) if may_skip else None
        if remaining is None or len(remaining) == len(regions):
            update = update_of(regions).unflatten(0, hidden_states.shape[:2])
            return _add_update(hidden_states[:, :, : update.shape[2]], update, scale)
        update = update_of(regions[remaining]).to(regions.dtype)
        updated = regions[:, : update.shape[1]].index_add(0, remaining, update, alpha=1 / (1 - self.drop_path.p))
        return updated.unflatten(0, hidden_states.shape[:2])

    def _attend_to_local(self, representative, local, scale, output_attentions):
        """S1 "cross": each representative token queries the local tokens of its region."""
        query = self.intra_region_norm(representative).flatten(0, 1)
        context = cast_once(self.intra_region_context_norm(local)).flatten(0, 1)
        update, _ = self.intra_region_attention(query, context, output_attentions=output_attentions)
        return _add_update(representative, update.view_as(representative), scale)

    def _attend_between_regions(self, representative, scale, output_attentions):
        """S2: self-attention of the representative tokens of a clip."""
        attention = self.inter_region_attention or self.intra_region_attention
        normed = cast_once(self.inter_region_norm(representative)).squeeze(2)
        update, _ = attention(normed, output_attentions=output_attentions)
        return _add_update(representative, update.unsqueeze(2), scale, one_for_a_clip=True)

    def _interact(self, local, representative, scale, output_attentions):
        """S3 "cross": all local tokens of a clip query all its representative tokens."""
        attention = self.interaction_attention or self.intra_region_attention
        query = self.interaction_norm(local).flatten(1, 2)
        context = cast_once(self.interaction_context_norm(representative)).flatten(1, 2)
        update, _ = attention(query, context, output_attentions=output_attentions)
        update = rearrange(update, "b (n s) c -> b n s c", n=local.shape[1])
        return _add_update(local, update, scale, one_for_a_clip=True)

    def _draw_update_scales(self, hidden_states):
        """Factors of the four updates for stochastic depth, (batch, regions, 1, 1) each, or None each."""
        if not self.training or self.drop_path.p == 0:
            return [None] * 4
        batch_size, num_regions = hidden_states.shape[:2]
        scales = self.drop_path(hidden_states.new_ones(4 * batch_size * num_regions))
        return scales.view(4, batch_size, num_regions, 1, 1).unbind()

    def _touch_unused_weights(self, representative):
        """Give a gradient of zero to the weights of S3, which cannot influence the output.

        DistributedDataParallel waits for a gradient of every trainable weight, including adapters. The sum over an
        empty slice is an exact zero and reads nothing.
        """
        if self.interaction_type is None or not torch.is_grad_enabled():
            return representative
        unused = [self.interaction_norm, self.interaction_context_norm, self.interaction_attention]
        weights = [weight for module in unused if module is not None for weight in module.parameters()]
        touched = [weight.flatten()[:0] for weight in weights if weight.requires_grad and not weight.is_meta]
        return representative + torch.cat(touched).sum().to(representative.dtype) if touched else representative


def _add_update(states, update, scale, one_for_a_clip=False):
    """Compute `states + scale * update` in one operation. A scale of None means 1.

    With `one_for_a_clip`, the scale of the first region is used for all regions of a clip.
    """
    if scale is None:
        return states + update
    return torch.addcmul(states, update, scale[:, :1] if one_for_a_clip else scale)


class LGIFormerEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: LGIFormerConfig):
        super().__init__()
        last = max(config.num_hidden_layers - 1, 1)
        rates = [config.drop_path_rate * index / last for index in range(config.num_hidden_layers)]
        self.layers = nn.ModuleList(LGIFormerLayer(config, rate) for rate in rates)
        self.gradient_checkpointing = False

    def forward(
        self, hidden_states: torch.Tensor, representative_only: bool = False, output_attentions: bool = False
    ) -> torch.Tensor:
        """Apply all layers, with the arguments of `LGIFormerLayer.forward`. `representative_only` is for the last."""
        *layers, last_layer = self.layers
        for layer in layers:
            hidden_states = layer(hidden_states, output_attentions=output_attentions)
        return last_layer(hidden_states, representative_only, output_attentions)
