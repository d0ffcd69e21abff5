"""Counts of multiplications and additions."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count


def gmacs(call: Callable) -> float:
    """Multiplications with additions in a call, thousands of millions; forward, and backward if it is called."""
    # torch counts what is inside of sdpa for GPUs alone.
    on_cpu = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    with FlopCounterMode(display=False, custom_mapping=on_cpu) as counter:
        call()
    return counter.get_total_flops() / 2e9


def _attention(query, key, value, *options, out_shape, **more_options):
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient, query, key, value, *others, out_shape, **options):
    return sdpa_backward_flop_count(gradient, query, key, value)
