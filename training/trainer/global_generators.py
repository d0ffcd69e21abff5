"""The global random generators of Python, NumPy and PyTorch (CPU): restored after use, or seeded for a while.

A run draws dropout from the same generators that data sets, collators and metrics may draw from. Each of these must
neither shift the draws of the others nor depend on them; otherwise a resumed run differs from an uninterrupted one.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def restored_generators() -> Iterator[None]:
    """Restore the state of the global generators at the end of a `with` block."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)


@contextlib.contextmanager
def seeded_generators(*keys) -> Iterator[None]:
    """Seed the global generators from `keys` within a `with` block, and restore their state at its end.

    Args:
        keys: What the draws depend on, such as seed, epoch and index. Any objects whose `repr` is always the same.
    """
    with restored_generators():
        digest = hashlib.blake2b(repr(keys).encode(), digest_size=24).digest()
        python, numpy, pytorch = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16))
        random.seed(python)
        np.random.seed(numpy % 2**32)
        torch.default_generator.manual_seed(pytorch)
        yield
