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
"""The total batch that base learning rates are meant for."""

# Learnt tokens stand for inputs, not for a linear map: shrinking them towards zero is no regularisation. The mask
# token is in the published no-decay list too (the representative tokens of pre-training are as well, though there
# under a name that matches none of the model's).
_LEARNT_TOKENS = ("representative_tokens", "mask_token")
_EMBEDDING = re.compile(r"(^|\.)embeddings\.")
_ENCODER_LAYER = re.compile(r"(^|\.)encoder\.layers?\.(\d+)\.")


def scaled_learning_rate(base_learning_rate: float, total_batch_size: int) -> float:
    """The linear scaling rule (Goyal et al., https://arxiv.org/abs/1706.02677): base x total batch / 256.

    The total batch is what one update sees: clips of a device x processes x accumulation.
    """
    return base_learning_rate * total_batch_size / REFERENCE_BATCH_SIZE


def parameter_groups(
    model: nn.Module, weight_decay: float, layer_decay: float, learning_rate: float
) -> list[dict[str, list[nn.Parameter] | float]]:
    """Groups for an optimiser, of the trainable weights alone.

    Without decay are biases, norms and all else of one dimension, and learnt tokens. The learning rate falls by
    `layer_decay` from layer to layer towards the input (BEiT, https://arxiv.org/abs/2106.08254): the tubelet
    embedding is layer 0, encoder layer i is layer i + 1, and everything else, representative tokens included, is the
    last layer, which learns at `learning_rate`.

    Args:
        model: LGI-Former or VideoMAE, with any head, with or without adapters; frozen weights are left out.
        weight_decay: of the weights that are decayed.
        layer_decay: ratio of the learning rates of neighbouring layers; 1 for the same everywhere.
        learning_rate: of the last layer.

    Returns:
        Dictionaries of `params`, `lr` and `weight_decay`, one for each pair of these that occurs.
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
    """Linear warm-up from 0, then half a cosine down to `minimum_rate`, by step, as the published code has it.

    The two schedules of `transformers` with a minimum cannot give the published one. It reaches the full rate in the
    last step of warm-up and has it once more in the next, where the cosine begins; `cosine_with_min_lr` has it once,
    and `cosine_warmup_with_min_lr`, which warms up alike, is one step ahead in its cosine.

    Args:
        optimizer: its groups' `lr` are the full rates.
        num_warmup_steps: steps of the warm-up; the last of them has the full rate.
        num_training_steps: all steps, warm-up included.
        minimum_rate: what the rate falls to, as a share of the full one.
    """
    share = functools.partial(
        _cosine_share,
        num_warmup_steps=num_warmup_steps,
        num_training_steps=num_training_steps,
        minimum_rate=minimum_rate,
    )
    return LambdaLR(optimizer, share)


def _cosine_share(step, *, num_warmup_steps, num_training_steps, minimum_rate):
    """Share of the full learning rate that the update after `step` updates is made with."""
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
