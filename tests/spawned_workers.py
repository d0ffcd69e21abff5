"""Prepares, trains and embeds as on Windows and macOS: each worker is a new process.

`python -X warn_default_encoding spawned_workers.py FOLDER`. The folder has the recipe `tiny.yaml` and class folders
`videos`. Prints the exit statuses of the commands.
"""

import multiprocessing
import os
import sys
import warnings


COMMANDS = (
    "prepare shards videos shards --num_workers 1",
    "finetune tiny.yaml --train_data shards --eval_data videos --output_dir run --dataloader_num_workers 1",
    "embed videos/a/0.mp4 videos/a/1.mp4 --model run --output rows.npy --num_workers 1 --device cpu",
)

if __name__ == "__main__":
    os.chdir(sys.argv[1])
    multiprocessing.set_start_method("spawn", force=True)
    multiprocessing.get_all_start_methods = lambda: ["spawn"]  # as on Windows
    del os.fork
    sys.modules["decord"] = None  # it has no wheels for other systems
    # A text file without an encoding would be read in the code page of Windows.
    warnings.filterwarnings("error", category=EncodingWarning, module="lgi_former")
    from lgi_former.commands.cli import main

    print("statuses", [main(command.split()) for command in COMMANDS])
