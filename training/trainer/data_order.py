"""What the order of a run's data follows from; kept with checkpoints, since only the same order goes on exactly."""

import json
import os
from pathlib import Path

from torch.utils.data import IterableDataset
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import has_length


DATA_ORDER_FILE = "data_order.json"


class KeepsDataOrder:
    """Mixin for a `Trainer`, which goes on in the middle of an epoch by skipping as many batches as it had read.

    That repeats no video and loses none only if the batches are the same. They are the same for any number of data
    loader workers, and of processes too where the total batch does not change. A stream is read by workers and
    processes in parts, whose numbers have to stay the same.
    """

    def _data_order(self) -> dict[str, int | None]:
        """What the batches of all processes follow from."""
        if isinstance(self.train_dataset, IterableDataset):
            return {
                "seed": self.args.seed,
                "shuffle_buffer": getattr(self.train_dataset, "shuffle_buffer", None),
                "number of workers": self.args.dataloader_num_workers,
                "number of processes": self.args.world_size,
                "batch of a process": self.args.train_batch_size,
            }
        return {
            "seed": self.args.seed,
            "data_seed": self.args.data_seed,
            "shuffle_buffer": getattr(getattr(self.train_dataset, "sampler", None), "shuffle_buffer", None),
            "number of videos": len(self.train_dataset),
            "total batch": self.get_total_train_batch_size(self.args),
            "steps an epoch": self._steps_an_epoch(),
        }

    def _steps_an_epoch(self) -> int:
        args, batches = self.args, len(self.train_dataset)
        for size in (args.train_batch_size, args.world_size):
            batches = batches // size if args.dataloader_drop_last else -(-batches // size)
        return -(-batches // args.gradient_accumulation_steps)

    def _save_data_order(self, checkpoint: Path):
        (checkpoint / DATA_ORDER_FILE).write_text(json.dumps(self._data_order(), indent=2))

    def _check_data_order(self, checkpoint: str | os.PathLike):
        """
        Raises:
            ValueError: If this run has other batches than the one that was saved, or was saved in a second pass over
                a stream, unless `ignore_data_skip` is set.
        """
        file = Path(checkpoint, DATA_ORDER_FILE)
        if not self.args.ignore_data_skip:
            self._check_first_pass(checkpoint)
        if self.args.ignore_data_skip or not file.exists():
            return
        saved, now = json.loads(file.read_text()), self._data_order()
        changed = [f"{name} was {saved.get(name)} and is {now[name]}" for name in now if saved.get(name) != now[name]]
        if saved and changed:
            raise ValueError(
                f"{checkpoint} is of a run with other batches: {', '.join(changed)}. In the rest of the epoch some "
                "videos would come again and others not at all. Resume as the run was started, or begin the epoch "
                "anew with ignore_data_skip."
            )

    def _check_first_pass(self, checkpoint: str | os.PathLike):
        # Of a stream without a length, `Trainer` takes all steps for one epoch, and skips within the first pass.
        if not isinstance(self.train_dataset, IterableDataset) or has_length(self.train_dataset):
            return
        state = TrainerState.load_from_json(str(Path(checkpoint, TRAINER_STATE_NAME)))
        if state.epoch > state.global_step / state.max_steps + 1e-6:
            raise ValueError(
                f"{checkpoint} is of a run that had read its stream to the end and had begun anew. Where it was in "
                "the stream is not known. Make the stream endless, or read it from the start with ignore_data_skip."
            )
