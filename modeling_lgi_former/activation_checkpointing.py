"""Policies of activation checkpointing, by names that a recipe can use.

`"keep_products"` saves the outputs of matrix multiplications and attention and recomputes everything else. It knows
the attentions "eager" and "sdpa". It recomputes "flash_attention_2", whose kernels are not PyTorch's.
"""

import functools
from collections.abc import Callable

from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts


# All other operations take a few per cent of a layer's time but a third of its activation memory.
_MATRIX_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")


def _save_products(context, operator, *args, **kwargs) -> CheckpointPolicy:
    """Policy of selective checkpointing. `operator` is written like `aten.mm.default`."""
    name = str(operator).removeprefix("aten.").partition(".")[0]
    is_product = name in _MATRIX_PRODUCTS or name.startswith("_scaled_dot_product_")
    return CheckpointPolicy.MUST_SAVE if is_product else CheckpointPolicy.PREFER_RECOMPUTE


CONTEXTS = {"keep_products": functools.partial(create_selective_checkpoint_contexts, _save_products)}


def with_named_context(checkpoint: Callable) -> Callable:
    """Replace the name in `context_fn` by the context.

    Args:
        checkpoint: A partial of `torch.utils.checkpoint.checkpoint`.

    Raises:
        ValueError: If no context has this name, or if checkpoints are reentrant, because these have no contexts.
    """
    keywords = getattr(checkpoint, "keywords", {})
    name = keywords.get("context_fn")
    if not isinstance(name, str):
        return checkpoint
    if name not in CONTEXTS:
        raise ValueError(f"context_fn={name!r} of activation checkpointing is not one of {', '.join(CONTEXTS)}.")
    if keywords.get("use_reentrant"):
        raise ValueError(f"context_fn={name!r} of activation checkpointing needs use_reentrant=False.")
    return functools.partial(checkpoint, context_fn=CONTEXTS[name], use_reentrant=False)
