"""Records what determines the data order: seed, total batch size, number of videos, sampler.

Each checkpoint holds the record. A run that resumes within an epoch skips the batches that it has seen. If the batches
were not the same, it would repeat some videos and lose others. For lists and shards, the number of workers may change,
and also the number of processes if the total batch does not. For streams, neither number may change.
"""

import json
from pathlib import Path

from torch.utils.data import IterableDataset
from transformers import Trainer, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import has_length

from .epochs import items_in_epoch


DATA_ORDER_FILE = "data_order.json"
RANDOM = "random"


def data_order(trainer: Trainer) -> dict[str, int | str | None]:
    """Return what determines the batches of all processes."""
    args, dataset = trainer.args, trainer.train_dataset
    if isinstance(dataset, IterableDataset):
        return {
            "seed": args.seed,
            "shuffle_buffer": getattr(dataset, "shuffle_buffer", None),
            "number of workers": args.dataloader_num_workers,
            "number of processes": args.world_size,
            "batch of a process": args.train_batch_size,
        }
    sampler = getattr(dataset, "sampler", None)
    num_videos = items_in_epoch(dataset)
    return {
        "seed": args.seed,
        "data_seed": args.data_seed,
        "sampler": getattr(sampler, "name", RANDOM),
        "shuffle_buffer": getattr(sampler, "shuffle_buffer", None),
        "number of videos": num_videos,
        "total batch": trainer.get_total_train_batch_size(args),
        "steps an epoch": _steps_per_epoch(args, num_videos),
    }


def _steps_per_epoch(args, num_videos):
    batches = num_videos
    for size in (args.train_batch_size, args.world_size):
        batches = batches // size if args.dataloader_drop_last else -(-batches // size)
    return -(-batches // args.gradient_accumulation_steps)


def save_data_order(trainer: Trainer, checkpoint: Path):
    """Write `DATA_ORDER_FILE` into a checkpoint."""
    (checkpoint / DATA_ORDER_FILE).write_text(json.dumps(data_order(trainer), indent=2), encoding="utf-8")


def check_data_order(trainer: Trainer, checkpoint: str):
    """Check that this run has the same batches as the run that was saved, unless `ignore_data_skip` is set.

    Raises:
        ValueError: If the batches differ, or the saved run was in a second pass over a stream.
    """
    if trainer.args.ignore_data_skip:
        return
    _check_first_pass(trainer.train_dataset, checkpoint)
    file = Path(checkpoint, DATA_ORDER_FILE)
    if not file.exists():
        return
    saved, now = json.loads(file.read_text(encoding="utf-8")), data_order(trainer)
    if saved and "sampler" in now:
        saved = {"sampler": RANDOM} | saved  # checkpoints of earlier versions do not record it
    changed = [f"{name} was {saved.get(name)} and is {now[name]}" for name in now if saved.get(name) != now[name]]
    if saved and changed:
        raise ValueError(
            f"{checkpoint} is of a run with other batches: {', '.join(changed)}. In the rest of the epoch some videos "
            "would come again and others not at all. Resume with the options of that run, or begin the epoch anew "
            "with ignore_data_skip."
        )


def _check_first_pass(dataset, checkpoint):
    # For a stream without a length, `Trainer` takes all steps as one epoch and skips batches of the first pass only.
    if not isinstance(dataset, IterableDataset) or has_length(dataset):
        return
    state = TrainerState.load_from_json(str(Path(checkpoint, TRAINER_STATE_NAME)))
    if state.epoch > state.global_step / state.max_steps + 1e-6:
        raise ValueError(
            f"{checkpoint} is of a run that had read its stream to the end and had begun anew. Its position in the "
            "stream is not known. Make the stream endless, or read it from the start with ignore_data_skip."
        )
