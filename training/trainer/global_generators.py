"""The global random generators of Python, NumPy and PyTorch (CPU): restored after use, or seeded for a while.

Dropout, data sets, collators and metrics may all draw from these generators. They must not influence each other's
draws. Otherwise a resumed run differs from an uninterrupted one.
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
        keys: Determine the draws, such as seed, epoch and index. Their `repr` must always be the same.
    """
    with restored_generators():
        digest = hashlib.blake2b(repr(keys).encode(), digest_size=24).digest()
        python, numpy, pytorch = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16))
        random.seed(python)
        np.random.seed(numpy % 2**32)
        torch.default_generator.manual_seed(pytorch)
        yield
