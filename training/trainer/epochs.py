"""What changes with the epoch: the order of the data, their random draws, and the seeds of the loader's workers."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback


class EpochOrder(Sampler[int]):
    """The order of a random sampler, which follows from seed and epoch alone.

    It is the order of Accelerate's `SeedableRandomSampler` for a `RandomSampler` and the same seed.

    Args:
        sampler: A sampler with the attribute `generator`, from which it draws.
        seed: The run's seed.
    """

    def __init__(self, sampler: Sampler[int], seed: int):
        self.sampler = sampler
        self.seed = seed
        self.epoch = 0
        self.sampler.generator = torch.Generator()

    def set_epoch(self, epoch: int):
        """Shuffle in another way from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        self.sampler.generator.manual_seed(self.seed + self.epoch)
        yield from self.sampler


class TellEpoch(TrainerCallback):
    """Calls `set_epoch` of the training data and of their sampler when an epoch begins, and seeds the data loader.

    Accelerate (1.15) reaches data or sampler only where batches are split among processes, or skipped to resume in
    the middle of an epoch. Otherwise every epoch would augment alike, or a resumed run would shuffle differently.

    A data loader draws the seeds of its workers from its generator: in each epoch, or once if the workers persist.
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
