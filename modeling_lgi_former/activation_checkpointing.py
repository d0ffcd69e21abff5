"""What activation checkpointing keeps of a layer, by names that fit into a recipe (torch takes functions).

`"keep_products"` keeps what products of matrices give, those inside of the attentions "eager" and "sdpa" included, and
computes the rest again; so on CPUs and on GPUs of CUDA or ROCm, other devices may have products of other names. The
kernels of "flash_attention_2" are not torch's: they are run again, too.
"""

import functools
from collections.abc import Callable

import torch
from torch.utils.checkpoint import create_selective_checkpoint_contexts


_ATEN = torch.ops.aten
# All other operations of a layer together take a few per cent of its time, and leave a third of what is kept else.
_PRODUCTS = [
    _ATEN.mm.default,
    _ATEN.addmm.default,
    _ATEN.bmm.default,
    _ATEN._scaled_dot_product_flash_attention.default,
    _ATEN._scaled_dot_product_flash_attention_for_cpu.default,
    _ATEN._scaled_dot_product_efficient_attention.default,
    _ATEN._scaled_dot_product_cudnn_attention.default,
]
CONTEXTS = {"keep_products": functools.partial(create_selective_checkpoint_contexts, _PRODUCTS)}


def with_named_context(checkpoint: Callable) -> Callable:
    """`checkpoint`, a partial `torch.utils.checkpoint.checkpoint`, with the context that its `context_fn` names.

    Raises:
        ValueError: If there is no context of this name, or checkpoints are reentrant, which have no contexts.
    """
    keywords = getattr(checkpoint, "keywords", {})
    name = keywords.get("context_fn")
    if not isinstance(name, str):
        return checkpoint
    if name not in CONTEXTS:
        raise ValueError(f"context_fn of activation checkpointing is {name!r}; it can be {' or '.join(CONTEXTS)}.")
    if keywords.get("use_reentrant"):
        raise ValueError(f"context_fn={name!r} of activation checkpointing needs use_reentrant=False.")
    return functools.partial(checkpoint, context_fn=CONTEXTS[name], use_reentrant=False)
