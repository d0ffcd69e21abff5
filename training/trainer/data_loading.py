"""The data loaders of the trainer. They depend on the seed and the epoch, but not on the number of workers."""

import functools
from collections.abc import Iterable

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import seed_worker

from ..data.repetitions import NumberedVisits
from ..data.transforms import numbers_of_videos, transform_of
from .batches import SeededBatches, StreamItems, TrainingBatches, collated
from .epochs import EpochOrder
from .label_check import check_class_names, check_collator, collate_and_check


def training_loader(trainer: Trainer) -> DataLoader:
    """Make the loader of the training data. Its batches depend only on the seed and the epoch.

    An iterable data set must split itself by process and worker. `accelerator.prepare` would split it again.

    Raises:
        ValueError: If there is no training data, or `train_sampling_strategy` is "batch_rebalance".
            If labels do not fit the model.
    """
    args, dataset = trainer.args, trainer.train_dataset
    if dataset is None:
        raise ValueError("Training needs a train_dataset.")
    check_class_names(dataset, trainer.model.config)
    check_collator(trainer.data_collator, trainer.model.config)
    collate = functools.partial(collate_and_check, trainer.data_collator, trainer.model.config)
    options = {
        **_worker_options(args),
        "batch_size": trainer._train_batch_size,
        "drop_last": args.dataloader_drop_last,
        "worker_init_fn": functools.partial(
            seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index
        ),
        "generator": torch.Generator(),  # `FollowEpoch` seeds it
    }
    if isinstance(dataset, IterableDataset):
        items = StreamItems(dataset, collate)
        return DataLoader(items, collate_fn=items.collate, **options)
    batches = TrainingBatches(dataset, collate, args.seed)
    videos = None if transform_of(dataset) is None else numbers_of_videos(dataset)
    sampler = NumberedVisits(training_sampler(trainer), videos)
    loader = DataLoader(batches, collate_fn=collated, sampler=sampler, **options)
    return trainer.accelerator.prepare(loader)


def evaluation_loader(trainer: Trainer, dataset: Dataset) -> DataLoader:
    """Make the loader of a data set to evaluate or predict, in the order of the data set.

    Only the loaders of the trainer's own `eval_dataset` are used again, so only their workers may persist.
    """
    args, own = trainer.args, trainer.eval_dataset
    check_class_names(dataset, trainer.model.config)
    check_collator(trainer.eval_data_collator, trainer.model.config)
    is_own = any(dataset is one for one in (own.values() if isinstance(own, dict) else [own]))
    is_reused = is_own and args.dataloader_persistent_workers
    if is_reused and id(dataset) in trainer.evaluation_loaders:
        return trainer.evaluation_loaders[id(dataset)]
    collate = functools.partial(collate_and_check, trainer.eval_data_collator, trainer.model.config)
    options = {**_worker_options(args), "batch_size": args.eval_batch_size, "persistent_workers": is_reused}
    if isinstance(dataset, IterableDataset):
        loader = DataLoader(dataset, collate_fn=collate, **options)
    else:
        batches = SeededBatches(dataset, collate, args.seed)
        loader = DataLoader(batches, collate_fn=collated, drop_last=args.dataloader_drop_last, **options)
    loader = trainer.accelerator.prepare(loader)
    if is_reused:
        trainer.evaluation_loaders[id(dataset)] = loader
    return loader


def stop_workers(loaders: Iterable[DataLoader | None]):
    """End the persistent workers of data loaders. A loader starts new ones when it is used again.

    Left to Python's garbage collection, PyTorch (2.14) waits 5 seconds for each worker.
    """
    for loader in loaders:
        loader = getattr(loader, "base_dataloader", loader)  # Accelerate wraps it
        if loader is not None:
            loader._iterator = None


def _worker_options(args: TrainingArguments) -> dict:
    return {
        "num_workers": args.dataloader_num_workers,
        "pin_memory": args.dataloader_pin_memory,
        "persistent_workers": args.dataloader_persistent_workers,
        "multiprocessing_context": args.dataloader_multiprocessing_context,
        "prefetch_factor": args.dataloader_prefetch_factor,
        "in_order": args.dataloader_in_order,
    }


def training_sampler(trainer: Trainer) -> Sampler[int]:
    """Make the order of the training data: the data set's `sampler` if it has one, else that of `Trainer`.

    A sampler that draws gets its own generator (`EpochOrder`), also with `use_seedable_sampler=False` in
    `accelerator_config`. Accelerate splits the batches among the processes, and skips those that were seen before.
    """
    args, dataset = trainer.args, trainer.train_dataset
    sampler = getattr(dataset, "sampler", None)
    if sampler is not None:
        return sampler
    if args.train_sampling_strategy == "batch_rebalance":
        raise ValueError(
            "train_sampling_strategy='batch_rebalance' balances batches of texts, but all clips have the same length. "
            "Use 'random'."
        )
    sampler = trainer._get_train_sampler(dataset)
    if not hasattr(sampler, "generator"):
        return sampler
    return EpochOrder(sampler, args.seed if args.data_seed is None else args.data_seed)
