"""Items that an epoch visits more than once. Each visit has its own random draws."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch.utils.data import Sampler


class Repetition(NamedTuple):
    """A visit of an item that the same epoch has visited before. It takes the place of an index.

    Attributes:
        index (`int`): Index of the item.
        number (`int`): Number of earlier visits of its video in the epoch, at least 1.
    """

    index: int
    number: int


Visit = int | Repetition
"""An item to read: its index at the first visit of an epoch, afterwards a `Repetition`."""


def keys_of(visit: Visit) -> list[int]:
    """The index of a visit and, if it is a `Repetition`, its number. They determine the visit's random draws."""
    return list(visit) if isinstance(visit, Repetition) else [visit]


class NumberedVisits(Sampler[Visit]):
    """The order of a sampler, in which each further visit of an epoch is a `Repetition`.

    The numbers depend only on the order. All processes and resumed runs see the whole order, so they agree on them.

    Args:
        sampler: Yields indices. Its `set_epoch` is called, if it has this method.
        videos: The number of each item's video, if several items may have one video. By default each item has its own.
    """

    def __init__(self, sampler: Sampler[int], videos: Sequence[int] | None = None):
        self.sampler = sampler
        self.videos = videos

    def set_epoch(self, epoch: int):
        """Change the order to that of another epoch."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Visit]:
        visits: Counter = Counter()
        for index in self.sampler:
            video = index if self.videos is None else self.videos[index]
            yield Repetition(index, visits[video]) if visits[video] else index
            visits[video] += 1
