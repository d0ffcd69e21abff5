"""Multi-head attention of the encoder and the decoder, with an exact shortcut for few context tokens."""

import torch
from einops import rearrange
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from ..configuration import LGIFormerConfig


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Attention by matrix products, with the signature of `ALL_ATTENTION_FUNCTIONS`.

    `query` is (batch, heads, queries, head width), `key` and `value` (batch, heads, keys, head width). LGI-Former
    needs no mask, so `attention_mask` is None.
    """
    probabilities = (query @ key.transpose(2, 3) * scaling).softmax(dim=-1)
    probabilities = nn.functional.dropout(probabilities, p=dropout, training=module.training)
    return (probabilities @ value).transpose(1, 2), probabilities


class LGIFormerAttention(nn.Module):
    """Attention among tokens, or from tokens to a context. Queries and values may have biases, keys have none."""

    def __init__(self, config: LGIFormerConfig, hidden_size: int, num_heads: int):
        super().__init__()
        self.config = config
        self.num_heads = num_heads
        self.head_dim = hidden_size // num_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_probs_dropout_prob
        self.is_causal = False
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=config.qkv_bias)
        self.k_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.v_proj = nn.Linear(hidden_size, hidden_size, bias=config.qkv_bias)
        self.o_proj = nn.Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self, hidden_states: torch.Tensor, context: torch.Tensor | None = None, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Args:
            hidden_states: Queries, (batch, queries, width).
            context: Keys and values, (batch, keys, width). The default is `hidden_states`.
            output_attentions: Whether to use an implementation that returns probabilities.

        Returns:
            The update, (batch, queries, width), and the probabilities, (batch, heads, queries, keys) or None.
        """
        if context is None:
            context = hidden_states
        elif self.folding_pays(num_queries=hidden_states.shape[1], num_keys=context.shape[1]):
            update, probabilities = self.attend_folded(hidden_states, context)
            return self.dropout(update), probabilities
        query, key, value = (
            rearrange(states, "b n (h d) -> b h n d", h=self.num_heads)
            for states in (self.q_proj(hidden_states), self.k_proj(context), self.v_proj(context))
        )
        implementation = "eager" if output_attentions else self.config._attn_implementation
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        update, probabilities = attend(
            self,
            query,
            key,
            value,
            attention_mask=None,
            scaling=self.scaling,
            dropout=self.attention_dropout if self.training else 0.0,
            is_causal=False,
        )
        return self.dropout(self.o_proj(rearrange(update, "b n h d -> b n (h d)"))), probabilities

    def folding_pays(self, num_queries: int, num_keys: int) -> bool:
        """Whether `attend_folded` needs fewer operations than the projections, and can read their weights.

        For each query, folding replaces two products of width x width by two products of width x (keys x heads). It
        adds the same amount for each key. Projections with LoRA, quantised or offloaded weights must be called as
        modules instead.
        """
        return (
            num_keys < num_queries
            and num_keys * self.num_heads < self.q_proj.in_features
            and is_plain_linear(self.q_proj)
            and is_plain_linear(self.o_proj)
        )

    def attend_folded(self, hidden_states: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`forward` with the query and output projections folded into keys and values. Exact.

        The score of query x and key j in head h is x . (Wq_h^T k_jh) + bq_h . k_jh. The update is the sum over j and
        h of p_jh (Wo_h v_jh) + bo. So keys x heads folded vectors replace the two projections.
        """
        # One product for each head and all clips. With a batch dimension, the weights would be copied for each clip.
        key, value = (
            rearrange(states, "b j (h d) -> h (b j) d", h=self.num_heads)
            for states in (self.k_proj(context) * self.scaling, self.v_proj(context))
        )
        # Weights do not use einops: it records each new type of tensor, which makes torch.compile compile again.
        query_weight = self.q_proj.weight.unflatten(0, (self.num_heads, -1))
        output_weight = self.o_proj.weight.unflatten(1, (self.num_heads, -1)).permute(1, 2, 0)
        folded_key, folded_value = (
            rearrange(folded, "h (b j) c -> b (h j) c", b=context.shape[0])
            for folded in (key @ query_weight, value @ output_weight)
        )

        # Queries are the last dimension, because a softmax over a few neighbours in memory is slow.
        scores = rearrange(folded_key @ hidden_states.transpose(1, 2), "b (h j) n -> b h j n", h=self.num_heads)
        if self.q_proj.bias is not None:
            query_bias = self.q_proj.bias.view(self.num_heads, -1, 1)
            scores = scores + rearrange(key @ query_bias, "h (b j) 1 -> b h j 1", b=context.shape[0])
        probabilities = nn.functional.dropout(scores.softmax(dim=2), self.attention_dropout, self.training)
        weights = rearrange(probabilities, "b h j n -> b n (h j)")
        update = weights @ folded_value
        # `baddbmm` would first write the bias to every row. torch.compile fuses this addition with later operations.
        return update + self.o_proj.bias.to(update.dtype), rearrange(probabilities, "b h j n -> b h n j")


def cast_once(states: torch.Tensor) -> torch.Tensor:
    """Cast `states` to the dtype of products under autocast. Without autocast, they do not change.

    A layer norm returns float32 on a GPU. Autocast would cast this output again for each projection that reads it.
    """
    device_type = states.device.type
    # Autocast leaves float64 unchanged, and torch refuses to say whether it is on for "meta".
    if states.dtype != torch.float32 or device_type == "meta" or not torch.is_autocast_enabled(device_type):
        return states
    return states.to(torch.get_autocast_dtype(device_type))


def is_plain_linear(module: nn.Module) -> bool:
    """Whether a call of `module` only applies its weight and bias, and the weight is a plain tensor on a device."""
    return (
        type(module) is nn.Linear
        and not hasattr(module.weight, "__tensor_flatten__")  # sharded or quantised
        and not module.weight.is_meta
        and not (module._forward_hooks or module._forward_pre_hooks)
        and not (module._backward_hooks or module._backward_pre_hooks)
    )
