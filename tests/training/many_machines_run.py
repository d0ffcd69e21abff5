"""Fine-tunes slowly, and lists the videos of each step in `seen.jsonl`: `torchrun many_machines_run.py OPTIONS`."""

import json
import os
import sys
import time

from lgi_former.training import finetune
from lgi_former.training.trainer import LGIFormerTrainer


SECONDS_A_BATCH = 0.1  # so that the test can kill processes in the middle


def train_slowly(trainer, model, inputs, *args, train=LGIFormerTrainer.training_step, **kwargs):
    """Train on a batch."""
    entry = [trainer.args.world_size, trainer.state.global_step + 1, [os.path.basename(v) for v in inputs["videos"]]]
    with open("seen.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    time.sleep(SECONDS_A_BATCH)
    return train(trainer, model, inputs, *args, **kwargs)


if __name__ == "__main__":
    LGIFormerTrainer.training_step = train_slowly
    sys.exit(finetune.main())
