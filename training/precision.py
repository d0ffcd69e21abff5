"""Which precision the device computes fast in."""

import torch


def device_has_bf16(use_cpu: bool = False) -> bool:
    """Whether matrix products in bfloat16 are faster here than in float32.

    Args:
        use_cpu: Ask about the processor, even if there is an accelerator.
    """
    if not use_cpu and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not use_cpu and torch.accelerator.is_available():
        return False  # MPS and others: not known to be faster
    # Emulated on other processors, which is slow. torch has no public name for it.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
