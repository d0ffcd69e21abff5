"""Data sets that make whole batches inside the data loader's workers.

A data loader of these data sets has `collated` as its `collate_fn`, because the data set has already collated.
An error in a worker becomes a failed batch (`failed_batches.py`), so that the main process raises the error itself.
"""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset, IterableDataset

from .failed_batches import failed_batch, is_failed
from .global_generators import seeded_generators


class Batches(Dataset):
    """Collated batches of a map-style data set.

    Args:
        items: The data set.
        collate: Makes a batch of a list of items.
    """

    def __init__(self, items: Dataset, collate: Callable[[list], dict]):
        self.items = items
        self.collate = collate

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):
        """Return an item that is not collated."""
        return self.items[index]

    def __getitems__(self, indices: list) -> dict:
        """Return the batch of the items `indices`, or a failed batch."""
        try:
            return self._batch(indices)
        except Exception as error:
            return failed_batch(error)

    def _batch(self, indices: list) -> dict:
        return self.collate(self._items(indices))

    def _items(self, indices: list) -> list:
        if hasattr(self.items, "__getitems__"):
            return self.items.__getitems__(indices)
        return [self[index] for index in indices]


class SeededBatches(Batches):
    """`Batches` whose random draws depend only on the seed, the epoch and the items.

    Data sets and collators of this package have their own generators. Others draw from the global generators. Their
    state would depend on the number of workers, the time when workers start, and the model's dropout. So the global
    generators are seeded for each item and each batch.

    Args:
        items: The data set. Its `set_epoch`, if it has one, is also called in workers that persist over epochs.
        collate: Makes a batch of a list of items.
        seed: The run's seed.
    """

    def __init__(self, items: Dataset, collate: Callable[[list], dict], seed: int):
        super().__init__(items, collate)
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # persistent workers see it change
        self._followed_epoch = None

    def set_epoch(self, epoch: int):
        """Make the batches of another epoch. Call it before the data loader is iterated."""
        self._epoch.fill_(epoch)
        self._follow_epoch()

    def __getitem__(self, index):
        """Return an item of this epoch that is not collated."""
        with seeded_generators("item", self.seed, self._follow_epoch(), index):
            return self.items[index]

    def _batch(self, indices: list) -> dict:
        items = self._items(indices)
        with seeded_generators("batch", self.seed, self._follow_epoch(), indices):
            return self.collate(items)

    def _items(self, indices: list) -> list:
        if not hasattr(self.items, "__getitems__"):
            return super()._items(indices)  # each item has its own seed
        with seeded_generators("items", self.seed, self._follow_epoch(), indices):
            return super()._items(indices)

    def _follow_epoch(self) -> int:
        """Return the epoch. A change is passed on to the data set of this process."""
        epoch = self._epoch.item()
        if epoch != self._followed_epoch:
            self._followed_epoch = epoch
            if hasattr(self.items, "set_epoch"):
                self.items.set_epoch(epoch)
        return epoch


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
        if is_failed(items[-1]):
            return items[-1]
        try:
            return self._collate(items)
        except Exception as error:
            return failed_batch(error)


def collated(batch: dict) -> dict:
    """Return the batch that `Batches` has collated."""
    return batch
