"""Finds out whether bfloat16 is fast on a device."""

import functools
import statistics
import timeit

import torch


PRODUCTS = 15
"""Matrix products that are timed. Their median does not depend on the first ones, which are slower."""


def device_has_bf16(use_cpu: bool = False) -> bool:
    """Whether the device has bfloat16 instructions.

    Args:
        use_cpu: Test the CPU even if there is an accelerator.
    """
    if not use_cpu and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not use_cpu and torch.accelerator.is_available():
        return False  # bfloat16 is not known to be faster on MPS and other accelerators
    # Other CPUs emulate bfloat16. torch has no public function for this question.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@functools.cache
def bf16_is_faster(use_cpu: bool = False) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 on this machine.

    CPUs are timed: some CPUs with bfloat16 instructions need a quarter of the time, others twice as long.

    Args:
        use_cpu: Test the CPU even if there is an accelerator.
    """
    if not device_has_bf16(use_cpu):
        return False
    if not use_cpu and torch.accelerator.is_available():
        return True
    return _seconds_of_product(torch.bfloat16) < _seconds_of_product(torch.float32)


def _seconds_of_product(dtype: torch.dtype) -> float:
    # torch.utils.benchmark looks for a CUDA compiler, and logs that there is no CUDA runtime.
    product = functools.partial(
        torch.nn.functional.linear, torch.ones(1024, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    )
    return statistics.median(timeit.repeat(product, repeat=PRODUCTS, number=1))
