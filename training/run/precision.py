"""Which precision the device computes fast in."""

import functools

import torch
from torch.utils.benchmark import Timer


def device_has_bf16(use_cpu: bool = False) -> bool:
    """Whether the device has bfloat16 instructions of its own.

    Args:
        use_cpu: Ask about the processor, even if there is an accelerator.
    """
    if not use_cpu and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not use_cpu and torch.accelerator.is_available():
        return False  # MPS and others: not known to be faster
    # Emulated on other processors. torch has no public name for it.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@functools.cache
def bf16_is_faster(use_cpu: bool = False) -> bool:
    """Whether matrix products in bfloat16 are faster here than in float32. A processor is tried: of those that have
    the instructions, some take a fourth of the time, others twice as long.

    Args:
        use_cpu: Ask about the processor, even if there is an accelerator.
    """
    if not device_has_bf16(use_cpu):
        return False
    if not use_cpu and torch.accelerator.is_available():
        return True
    return _seconds_of_product(torch.bfloat16) < _seconds_of_product(torch.float32)


def _seconds_of_product(dtype: torch.dtype) -> float:
    factors = {"x": torch.ones(1024, 512, dtype=dtype), "weight": torch.ones(512, 512, dtype=dtype)}
    timer = Timer("torch.nn.functional.linear(x, weight)", globals=factors, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=0.1).median
