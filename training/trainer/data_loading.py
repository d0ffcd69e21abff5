"""The training data's loader: it reads the same batches whenever and with how many workers it was started."""

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from .epochs import EpochOrder
from .seeded_batches import SeededBatches, collated


class LoadsRepeatably:
    """Mixin for a `Trainer`, whose training batches follow from seed and epoch and not from the global generators.

    `TellEpoch` has to be among the trainer's callbacks.
    """

    def get_train_dataloader(self) -> DataLoader:
        """As `Trainer`'s, with a generator of its own and `SeededBatches`.

        An iterable data set is taken to split itself by process and worker, and is not split again (Accelerate would
        have one process read for all, or each read everything).
        """
        if isinstance(self.train_dataset, IterableDataset):
            return self._stream_loader()
        batches = SeededBatches(self.train_dataset, self.data_collator, self.args.seed)
        training_collator, self.data_collator = self.data_collator, collated
        try:
            loader = self._get_dataloader(
                batches,
                description="Training",
                batch_size=self._train_batch_size,
                sampler_fn=lambda _: self._get_train_sampler(),
                is_training=True,
            )
        finally:
            self.data_collator = training_collator
        getattr(loader, "base_dataloader", loader).generator = torch.Generator()  # Accelerate wraps the loader
        return loader

    def _stream_loader(self) -> DataLoader:
        args = self.args
        return DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            drop_last=args.dataloader_drop_last,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            generator=torch.Generator(),
        )

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        """The data set's `sampler` if it has one that is not None, since not every order is as good to read it in.
        Otherwise `Trainer`'s; if that one draws, it does so from a generator of its own (`EpochOrder`), also where
        `accelerator_config` has `use_seedable_sampler=False`.

        Accelerate deals out its batches among the processes, and skips those that a resumed run has seen.
        """
        train_dataset = self.train_dataset if train_dataset is None else train_dataset
        sampler = getattr(train_dataset, "sampler", None)
        if sampler is not None:
            return sampler
        sampler = super()._get_train_sampler(train_dataset)
        if not hasattr(sampler, "generator"):
            return sampler
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return EpochOrder(sampler, seed)
