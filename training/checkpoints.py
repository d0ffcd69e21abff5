"""Whole checkpoints: which of those in a run's folder were written to their end.

A run that is killed while it saves leaves a folder that looks like a checkpoint. `Trainer` writes a checkpoint's files
one after another, from several processes, and nothing after the last of them; so a checkpoint is sealed when all have
been written: a list of its files and their sizes is put beside them. What lacks its seal, or a file on the list, or a
part of one, is not a whole checkpoint.
"""

import json
import os
from pathlib import Path

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import logging

from ..whole_file import whole_file


logger = logging.get_logger(__name__)

SEAL = "checkpoint_files.json"


def seal_checkpoint(folder: str | os.PathLike):
    """Declare the checkpoint in `folder` whole. To be called by one process, when all have written their files."""
    folder = Path(folder)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    with whole_file(folder / SEAL) as file:
        file.write_text(json.dumps(sizes, indent=2))


def unseal_checkpoint(folder: str | os.PathLike):
    """Take back the seal of `folder`, if it has one: its files are about to be written anew."""
    (Path(folder) / SEAL).unlink(missing_ok=True)


def what_a_checkpoint_lacks(folder: str | os.PathLike) -> str | None:
    """Why the checkpoint in `folder` is not whole, as the end of a sentence; None if it is."""
    folder = Path(folder)
    if not folder.is_dir():
        return "there is no such folder"
    if not (folder / SEAL).is_file():
        return f"it has no {SEAL}, which is written last"
    for name, size in json.loads((folder / SEAL).read_text()).items():
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
