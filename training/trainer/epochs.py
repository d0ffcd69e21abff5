"""What depends on the epoch: the order of the data, their random draws, and the seeds of the loader's workers."""

from collections.abc import Iterator

import torch
from torch.utils.data import Dataset, Sampler
from transformers import TrainerCallback


def items_in_epoch(dataset: Dataset) -> int:
    """The number of items in an epoch: that of the data set's `sampler`, if it has one."""
    sampler = getattr(dataset, "sampler", None)
    return len(dataset if sampler is None else sampler)


class EpochOrder(Sampler[int]):
    """The order of a random sampler, drawn from the seed and the epoch alone.

    For a `RandomSampler`, it is the order of Accelerate's `SeedableRandomSampler` with the same seed.

    Args:
        sampler: A sampler that draws from its attribute `generator`.
        seed: The run's seed.
    """

    def __init__(self, sampler: Sampler[int], seed: int):
        self.sampler = sampler
        self.seed = seed
        self.epoch = 0
        self.sampler.generator = torch.Generator()

    def set_epoch(self, epoch: int):
        """Change the order to that of another epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        self.sampler.generator.manual_seed(self.seed + self.epoch)
        yield from self.sampler


class FollowEpoch(TrainerCallback):
    """Calls `set_epoch` of the training data and their sampler when an epoch begins, and seeds the data loader.

    Accelerate (1.15) does so only if batches are split among processes, or skipped. Without it, every epoch would
    augment alike, or a resumed run would shuffle differently. The seeds of the workers come from the data loader.
    """

    def on_epoch_begin(self, args, state, control, train_dataloader, **kwargs):
        epoch = int(state.epoch)
        generator = getattr(train_dataloader, "generator", None)
        if generator is not None:
            generator.manual_seed(args.seed + epoch)
        batches = train_dataloader.batch_sampler
        while hasattr(batches, "batch_sampler"):
            batches = batches.batch_sampler
        for part in (train_dataloader.dataset, getattr(batches, "sampler", None)):
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)
