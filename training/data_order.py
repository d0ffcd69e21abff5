"""What the order of a run's data follows from; kept with checkpoints, since only the same order goes on exactly."""

import json
import os
from pathlib import Path

from torch.utils.data import IterableDataset


DATA_ORDER_FILE = "data_order.json"


class KeepsDataOrder:
    """Mixin for a `Trainer`, which goes on in the middle of an epoch by skipping as many batches as it had read.

    That repeats no video and loses none only if the batches are the same. They are for any number of data loader
    workers, and of processes too where the total batch is kept.
    """

    def _data_order(self) -> dict[str, int | None]:
        """What the batches of all processes follow from; nothing for a stream, which always starts anew."""
        if isinstance(self.train_dataset, IterableDataset):
            return {}
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
            ValueError: If this run has other batches than the one that was saved, unless `ignore_data_skip` is set.
        """
        file = Path(checkpoint, DATA_ORDER_FILE)
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
