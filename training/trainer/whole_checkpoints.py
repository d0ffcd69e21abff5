"""Whole checkpoints: which of those in a run's folder were written to their end.

A run that is killed while it saves leaves a folder that looks like a checkpoint. `Trainer` writes a checkpoint's files
one after another, from several processes, and nothing after the last of them; so a checkpoint is sealed when all have
been written: a list of its files and their sizes is put beside them. What lacks its seal, or a file on the list, or a
part of one, is not a whole checkpoint.
"""

import fnmatch
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

from ...files import whole_file
from ...hub import all_flat_code, model_file_patterns
from ...saving import is_code_or_part_of_it


logger = logging.get_logger(__name__)

SEAL = "checkpoint_files.json"
TRANSFORMERS_MARK = "checkpoint-is-incomplete.txt"  # of `enable_jit_checkpoint`, which removes it after the seal

TRAINING_FILES = (
    ".*.unfinished*",
    "data_order.json",
    "optimizer*",
    "progress.json",
    "pytorch_model*",
    "rng_state*.pth",
    "scaler.pt",
    "scheduler.pt",
    "trained_weights.safetensors",
    "trainer_state.json",
    "training_args.bin",
)
"""Names, as `fnmatch` takes them, of what training writes into a checkpoint beside the model's own files."""


def seal_checkpoint(folder: str | os.PathLike):
    """Declare the checkpoint in `folder` whole. To be called by one process, when all have written their files."""
    folder = Path(folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (SEAL, TRANSFORMERS_MARK)]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    with whole_file(folder / SEAL) as file:
        file.write_text(json.dumps(sizes, indent=2))


def make_way(folder: str | os.PathLike):
    """Prepare for writing a checkpoint to `folder`: take back its seal, or remove what a killed run left of it.

    Such a part may have damaged files, and files that this run does not write. Files of other names remain. Nothing is
    removed from a folder in which there is no file of a checkpoint.
    """
    folder = Path(folder)
    if (folder / SEAL).exists():
        (folder / SEAL).unlink()
        return
    entries = list(folder.iterdir()) if folder.is_dir() else []
    code = all_flat_code()
    written_code = [entry for entry in entries if entry.name in code and is_code_or_part_of_it(entry)]
    if not written_code and not any(_matches(entry, TRAINING_FILES) for entry in entries):
        return
    logger.warning(f"Replacing {folder}, a checkpoint that was not written to its end.")
    model_files = [pattern for pattern in model_file_patterns() if pattern != "*.py"]
    for entry in entries:
        if _matches(entry, (*TRAINING_FILES, *model_files, *code)):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _matches(path: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)


def what_a_checkpoint_lacks(folder: str | os.PathLike) -> str | None:
    """Why the checkpoint in `folder` is not whole, as the end of a sentence; None if it is."""
    folder = Path(folder)
    if not folder.is_dir():
        return "there is no such folder"
    if not (folder / SEAL).is_file():
        return f"it has no {SEAL}, which is written last"
    try:
        sizes = dict(json.loads((folder / SEAL).read_text()))
    except (TypeError, ValueError):
        return f"its {SEAL} is damaged"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes of {size}"
    return None


def check_checkpoint(folder: str | os.PathLike):
    """
    Raises:
        ValueError: If the checkpoint in `folder` is not whole.
    """
    lack = what_a_checkpoint_lacks(folder)
    if lack:
        raise ValueError(
            f"{folder} is not a whole checkpoint of this trainer: {lack}. Resume from an earlier one, or from the "
            "newest whole one with resume_from_checkpoint=True."
        )


def newest_whole_checkpoint(output_dir: str | os.PathLike) -> Path | None:
    """The whole checkpoint of the most steps in `output_dir`, or None. Says which are passed over."""
    steps = {}
    for folder in Path(output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        step = folder.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-")
        if step.isdecimal():
            steps[int(step)] = folder
    for _, folder in sorted(steps.items(), reverse=True):
        lack = what_a_checkpoint_lacks(folder)
        if lack is None:
            return folder
        logger.warning(f"Passing over {folder}, which is not a whole checkpoint: {lack}.")
    return None
