"""What to do when memory runs out, in a sentence. Standard library alone, as `messages.py`."""

import re
import sys


# Errors of devices that have no class of their own, of the processor's allocator, and of CUDA's libraries, which
# report a lack of memory in their own words.
_MESSAGES = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|STATUS_ALLOC_FAILED", re.IGNORECASE
)
_AMOUNT = re.compile(r"[Tt]ried to allocate ([\d.]+ [KMGT]iB)")

ADVICE = "Lower --batch_size if it is above 1, take a model of fewer frames, or choose another --device, such as cpu."
"""For commands that use a model."""

ADVICE_FOR_ONE_CLIP = "Take a model of fewer frames or smaller pictures, or choose another --device, such as cpu."
"""For commands that compute one clip, which have no batch to make smaller."""

ADVICE_FOR_TRAINING = (
    "Lower --per_device_train_batch_size and raise --gradient_accumulation_steps by the same factor, set "
    "--gradient_checkpointing true, train in half precision (--bf16 true), or take clips of fewer frames "
    "(--num_frames). In evaluation, lower --per_device_eval_batch_size."
)
"""For the commands that train."""

ADVICE_FOR_EVALUATION = (
    "Lower --batch_size, compute in half precision (--bf16 true), or leave the device alone (--use_cpu true)."
)
"""For the command that evaluates."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no memory left."""
    torch = sys.modules.get("torch")  # without it, no error of its class was raised
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _MESSAGES.search(str(error)) is not None


def out_of_memory_sentence(error: BaseException, advice: str = ADVICE) -> str:
    """What ran out of memory, how much was asked for if that is known, and what to do."""
    is_host = isinstance(error, MemoryError) or "allocate memory" in str(error)
    amount = _AMOUNT.search(str(error))
    asked = f" when it asked for {amount[1]} more" if amount else ""
    return f"{'The machine' if is_host else 'The device'} ran out of memory{asked}. {advice}"
