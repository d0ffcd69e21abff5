"""Data sets that make whole batches inside the data loader's workers.

An error becomes a failed batch (`failed_batches.py`), so that the main process raises the error itself.
"""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset, IterableDataset

from ..data.repetitions import Repetition, Visit, keys_of
from ..data.transforms import items_of_visits, transform_of
from .epochs import items_in_epoch
from .failed_batches import failed_batch, is_failed
from .global_generators import seeded_generators


class SeededBatches(Dataset):
    """Collated batches of a map-style data set. Random draws depend only on the seed and the items.

    Data sets and collators of this package have their own generators. Others draw from the global generators. Their
    state would depend on the number of workers, the time when workers start, and the model's dropout. So the global
    generators are seeded for each item and each batch.

    A data loader of this data set has `collated` as its `collate_fn`, because only the data set knows the indices.

    Args:
        items: The data set.
        collate: Makes a batch of a list of items.
        seed: The run's seed.
    """

    def __init__(self, items: Dataset, collate: Callable[[list], dict], seed: int):
        self.items = items
        self.collate = collate
        self.seed = seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, visit: Visit):
        """Return an item that is not collated."""
        with seeded_generators("item", self.seed, self._follow_epoch(), visit):
            return self.items[self._taken(visit)]

    def __getitems__(self, visits: list[Visit]) -> dict:
        """Return the batch of the items, or a failed batch."""
        try:
            items = self._items(visits)
            with seeded_generators("batch", self.seed, self._follow_epoch(), visits):
                return self.collate(items)
        except Exception as error:
            return failed_batch(error)

    def _items(self, visits: list[Visit]) -> list:
        if not hasattr(self.items, "__getitems__"):
            return [self[visit] for visit in visits]
        with seeded_generators("items", self.seed, self._follow_epoch(), visits):
            if transform_of(self.items) is not None and any(isinstance(visit, Repetition) for visit in visits):
                return items_of_visits(self.items, visits)
            return self.items.__getitems__([self._taken(visit) for visit in visits])

    def _taken(self, visit: Visit) -> Visit:
        """What the data set takes: a visit if it has `takes_repetitions`, otherwise an index."""
        return visit if getattr(self.items, "takes_repetitions", False) else keys_of(visit)[0]

    def _follow_epoch(self) -> int:
        return 0


class TrainingBatches(SeededBatches):
    """`SeededBatches` that change with the epoch. `set_epoch` of the items is called, also in persistent workers."""

    def __init__(self, items: Dataset, collate: Callable[[list], dict], seed: int):
        super().__init__(items, collate, seed)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # persistent workers see it change
        self._followed_epoch = None

    def __len__(self) -> int:
        """The number of items in an epoch."""
        return items_in_epoch(self.items)

    def set_epoch(self, epoch: int):
        """Make the batches of another epoch. Call it before the data loader is iterated."""
        self._epoch.fill_(epoch)
        self._follow_epoch()

    def _follow_epoch(self) -> int:
        """Return the epoch. A change is passed on to the data set of this process."""
        epoch = self._epoch.item()
        if epoch != self._followed_epoch:
            self._followed_epoch = epoch
            for part in (self.items, transform_of(self.items)):
                if hasattr(part, "set_epoch"):
                    part.set_epoch(epoch)
        return epoch


def collated(batch: dict) -> dict:
    """Return the batch that `SeededBatches` has collated."""
    return batch


class StreamItems(IterableDataset):
    """The items of an iterable data set. After an error, all further items are failed batches.

    Args:
        items: The data set.
        collate: Makes a batch of a list of items.
    """

    def __init__(self, items: IterableDataset, collate: Callable[[list], dict]):
        self.items = items
        self._collate = collate

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[dict]:
        try:
            yield from self.items
        except Exception as error:
            # `drop_last` drops a batch that is not full, so one failed item would not be enough.
            yield from itertools.repeat(failed_batch(error))

    def set_epoch(self, epoch: int):
        """Pass the epoch on to the data set of this process."""
        if hasattr(self.items, "set_epoch"):
            self.items.set_epoch(epoch)

    def collate(self, items: list[dict]) -> dict:
        """Return the batch of the items, or a failed batch. It is the `collate_fn` of the data loader."""
        try:
            return items[-1] if is_failed(items[-1]) else self._collate(items)
        except Exception as error:
            return failed_batch(error)
