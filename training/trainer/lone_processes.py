"""Refuses several processes that would each train alone."""

import os

from transformers import TrainingArguments


def check_processes(args: TrainingArguments):
    """Check that processes of a launcher train together.

    On a machine without GPU, Accelerate (1.15) joins them only if it may use the CPU.

    Raises:
        ValueError: If each process would train alone. All would write to the same folder.
    """
    started = int(os.environ.get("WORLD_SIZE", 1))
    if "LOCAL_RANK" in os.environ and started > 1 and args.world_size == 1:
        raise ValueError(
            f"{started} processes were started, but each would train alone, because no GPU was found. To train on "
            "CPUs, set use_cpu=True in the arguments, or the variable ACCELERATE_USE_CPU=true."
        )
