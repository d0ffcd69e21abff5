"""Weight decay, the learning rate of each layer, and the learning rate schedule (paper section 4.2).

Layers are recognised by the names that LGI-Former and VideoMAE share, so both train with the same recipe.
"""

import functools
import math
import re

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


REFERENCE_BATCH_SIZE = 256
"""The total batch to which base learning rates refer."""

# Learnt tokens stand for inputs, not for a linear map, so shrinking them towards zero does not regularise. The
# published no-decay list has the mask token, too, and the representative tokens under a name that matches no weight.
_LEARNT_TOKENS = ("representative_tokens", "mask_token")
_EMBEDDING = re.compile(r"(^|\.)embeddings\.")
_ENCODER_LAYER = re.compile(r"(^|\.)encoder\.layers?\.(\d+)\.")


def scaled_learning_rate(base_learning_rate: float, total_batch_size: int) -> float:
    """Scale linearly (Goyal et al., https://arxiv.org/abs/1706.02677): base x total batch / 256.

    The total batch is the number of clips of one update: clips of a device x processes x accumulation.
    """
    return base_learning_rate * total_batch_size / REFERENCE_BATCH_SIZE


def parameter_groups(
    model: nn.Module, weight_decay: float, layer_decay: float, learning_rate: float
) -> list[dict[str, list[nn.Parameter] | float]]:
    """Group the trainable weights for an optimiser.

    Biases, norms, other weights of one dimension and learnt tokens have no weight decay. The learning rate falls by
    `layer_decay` from layer to layer towards the input (BEiT, https://arxiv.org/abs/2106.08254). The tubelet embedding
    is layer 0, and encoder layer i is layer i + 1. All other weights, also the representative tokens, are the last
    layer.

    Args:
        model: LGI-Former or VideoMAE, with any head, with or without adapters.
        weight_decay: Decay of the weights that are decayed.
        layer_decay: Ratio of the learning rates of neighbouring layers; 1 for one rate.
        learning_rate: Learning rate of the last layer.

    Returns:
        Dictionaries of `params`, `lr` and `weight_decay`, one for each pair of `lr` and `weight_decay`.
    """
    last_layer = model.config.num_hidden_layers + 1
    groups = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        scale = layer_decay ** (last_layer - _layer_of(name, last_layer))
        decay = weight_decay if _is_decayed(name, weight) else 0.0
        group = groups.setdefault((scale, decay), {"params": [], "lr": learning_rate * scale, "weight_decay": decay})
        group["params"].append(weight)
    return list(groups.values())


def cosine_schedule(
    optimizer: torch.optim.Optimizer, num_warmup_steps: int, num_training_steps: int, minimum_rate: float
) -> LambdaLR:
    """Make the published schedule: linear warm-up from 0, then half a cosine down to `minimum_rate`, by step.

    The published schedule has the full rate in the last step of the warm-up and in the first of the cosine. In
    Transformers, `cosine_with_min_lr` has it once, and the cosine of `cosine_warmup_with_min_lr` is one step ahead.

    Args:
        optimizer: The `lr` of its groups are the full rates.
        num_warmup_steps: Steps of the warm-up. The last of them has the full rate.
        num_training_steps: All steps, including the warm-up.
        minimum_rate: The lowest rate, as a share of the full rate.
    """
    share = functools.partial(
        _cosine_share,
        num_warmup_steps=num_warmup_steps,
        num_training_steps=num_training_steps,
        minimum_rate=minimum_rate,
    )
    return LambdaLR(optimizer, share)


def _cosine_share(step, *, num_warmup_steps, num_training_steps, minimum_rate):
    """Return the learning rate after `step` updates, as a share of the full rate."""
    if step < num_warmup_steps:
        return step / max(num_warmup_steps - 1, 1)
    progress = (step - num_warmup_steps) / max(num_training_steps - num_warmup_steps, 1)
    return minimum_rate + (1 - minimum_rate) * 0.5 * (1 + math.cos(math.pi * progress))


def _is_decayed(name, weight):
    return weight.ndim > 1 and not name.endswith(("bias", *_LEARNT_TOKENS))


def _layer_of(name, last_layer):
    layer = _ENCODER_LAYER.search(name)
    if layer:
        return int(layer[2]) + 1
    return 0 if _EMBEDDING.search(name) and not name.endswith(_LEARNT_TOKENS) else last_layer
