"""Data sets as the training loader reads them: what is random in a batch follows from seed, epoch and items alone.

Data sets and collators of this package have generators of their own. Others draw from the global ones, whose state
would depend on the number of data loader workers, on when these were started, and on the model's dropout.
"""

import torch
from torch.utils.data import Dataset

from .global_generators import seeded_generators


class SeededBatches(Dataset):
    """Batches of a map-style data set, made with global generators that are seeded for each item and each batch.

    A data loader of it takes `collated` as `collate_fn`: the data set collates, because only it knows the indices.
    Draws from generators that a data set holds itself are its own affair.

    Args:
        items: The data set. Its `set_epoch`, if there is one, is also called in workers that persist over epochs.
        collate: Makes a batch of a list of items.
        seed: The run's seed.
    """

    def __init__(self, items: Dataset, collate, seed: int):
        self.items = items
        self.collate = collate
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # persistent workers see it change
        self._followed_epoch = None

    def set_epoch(self, epoch: int):
        """Make the batches of another epoch from now on. Call it before the data loader is iterated."""
        self._epoch.fill_(epoch)
        self._follow_epoch()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index) -> dict:
        """An item as it is in a batch of this epoch, not collated."""
        with seeded_generators("item", self.seed, self._follow_epoch(), index):
            return self.items[index]

    def __getitems__(self, indices: list):
        """The collated batch of the items `indices`."""
        epoch = self._follow_epoch()
        if hasattr(self.items, "__getitems__"):
            with seeded_generators("items", self.seed, epoch, indices):
                items = self.items.__getitems__(indices)
        else:
            items = [self[index] for index in indices]
        with seeded_generators("batch", self.seed, epoch, indices):
            return self.collate(items)

    def _follow_epoch(self) -> int:
        """The epoch; the data set is told if this process has not told it yet."""
        epoch = self._epoch.item()
        if epoch != self._followed_epoch:
            self._followed_epoch = epoch
            if hasattr(self.items, "set_epoch"):
                self.items.set_epoch(epoch)
        return epoch


def collated(batch):
    """The batch that `SeededBatches` has collated, as it is."""
    return batch
