"""The order in which a run reads several sources. Each source has a fixed share of an epoch."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from .shard_order import ShardOrder


LONGEST_EPOCH = 100
"""An epoch reads at most as many items as this number of rounds through all sources."""


class MixedOrder(Sampler[int]):
    """Mixes several sources in fixed shares, shuffled in each epoch.

    An epoch reads each item of the first source once. It reads `len(first) * share / share of the first` items of each
    other source, rounded, and at least one. Each epoch continues in a source where the epoch before ended. So each
    item of a source is read once before any is read again.

    The order depends only on seed and epoch. It is the same in all processes, so that Accelerate can divide the
    batches, and skip the batches that a resumed run has seen.

    Args:
        orders: The order of each source by itself. It is drawn again whenever the source is read to its end.
        rows: For each source, the indices of its items in the data set, by their positions in the source.
        shares: The share of each source, above 0.
        seed: The run's seed.

    Raises:
        ValueError: If the shares are others, or an epoch would be longer than `LONGEST_EPOCH` says.

    Attributes:
        counts (`list[int]`): Number of items of each source in an epoch.
        name (`str`): Names the order in checkpoints. It changes with the sizes, the counts and the shuffle buffer.
    """

    def __init__(
        self, orders: Sequence[ShardOrder], rows: Sequence[Sequence[int]], shares: Sequence[float], seed: int
    ):
        check_shares(shares, len(orders))
        self.orders = orders
        self.rows = rows
        self.seed = seed
        self.epoch = 0
        num_items = sum(map(len, orders))
        check_length(len(orders[0]) * sum(shares) / shares[0], num_items, shares)
        self.counts = [max(round(len(orders[0]) * share / shares[0]), 1) for share in shares]
        parts = [f"{count} of {len(order)}" for order, count in zip(orders, self.counts, strict=True)]
        buffers = {order.shuffle_buffer for order in orders if len(order.counts) > 1}
        self.name = f"mix ({', '.join(parts)}{''.join(f'; buffer {size}' for size in buffers)})"

    def set_epoch(self, epoch: int):
        """Draw another order from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(self.counts)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self.seed, self.epoch])
        sources = generator.permutation(np.repeat(np.arange(len(self.counts)), self.counts))
        items = [self._items(source, self.epoch) for source in range(len(self.counts))]
        yield from (next(items[source]) for source in sources)

    def _items(self, source: int, epoch: int) -> Iterator[int]:
        """The items of a source from the first one of an epoch, without an end."""
        order, rows = self.orders[source], self.rows[source]
        first_round, num_read = divmod(epoch * self.counts[source], len(order))
        for number in itertools.count(first_round):
            order.set_epoch(number)
            yield from (int(rows[position]) for position in itertools.islice(order, num_read, None))
            num_read = 0


def check_shares(shares: Sequence[float], num_sources: int):
    """
    Raises:
        ValueError: If there is not one share for each of several sources, or a share is not a number above 0.
    """
    if num_sources < 2 or len(shares) != num_sources:
        raise ValueError(
            f"mix={' '.join(map(str, shares))} needs one number for each of several sources in train_data, which has "
            f"{num_sources}."
        )
    if any(share <= 0 or not math.isfinite(share) for share in shares):
        raise ValueError(
            f"mix={' '.join(map(str, shares))} must be numbers above 0. Leave out a source instead of giving it 0."
        )


def check_length(length: float, num_items: int, shares: Sequence[float]):
    """
    Raises:
        ValueError: If an epoch of `length` items is more than `LONGEST_EPOCH` rounds through `num_items`.
    """
    if not length <= LONGEST_EPOCH * num_items:
        raise ValueError(
            f"mix={' '.join(map(str, shares))} would make an epoch of {length:.3g} videos from {num_items}, because "
            "an epoch reads the first source once. Give it a larger share, or put a smaller source first."
        )
