"""Seals checkpoints, so that a run never resumes from one that was not written completely.

A run that is killed while it saves leaves a folder that looks like a checkpoint. `Trainer` writes the files of a
checkpoint one by one, from several processes. When all are written and on the disk, the checkpoint is sealed: a list
of its files with their sizes and checksums is added. A checkpoint is incomplete without the seal, or if a listed file
is missing, truncated or changed. Seals of earlier versions have sizes only.
"""

import contextlib
import fnmatch
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints
from transformers.utils import logging

from ...files import explained_write_errors, sync_folder, sync_tree, whole_file
from ...hub import all_flat_code, model_file_patterns
from ...saving import is_code_or_part_of_it


logger = logging.get_logger(__name__)

SEAL = "checkpoint_files.json"
TRANSFORMERS_MARK = "checkpoint-is-incomplete.txt"  # of `enable_jit_checkpoint`, which removes it after the seal

TRAINING_FILES = (
    ".*unfinished*",
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
"""Patterns (`fnmatch`) of the files that training adds to the model's files in a checkpoint."""


@contextlib.contextmanager
def sealed_checkpoint(trainer: Trainer, folder: Path) -> Iterator[None]:
    """Seal the checkpoint that a `with` block writes to `folder`. Then delete older ones, as `save_total_limit` says.

    If the block raises an exception, its files are deleted. All processes must call this. `Trainer` would delete older
    checkpoints before the new one is complete.

    Raises:
        NotWrittenError: If a file cannot be written, for example to a full disk. It is an `OSError`.
    """
    args = trainer.args
    limit, args.save_total_limit = args.save_total_limit, None
    if args.should_save:
        clear_folder(folder)
    trainer.accelerator.wait_for_everyone()  # the other processes write to the folder, too
    try:
        with explained_write_errors(folder):
            yield
            trainer.accelerator.wait_for_everyone()
            if args.should_save:
                seal_checkpoint(folder)
    except BaseException:
        if args.should_save:
            _delete_files(folder)
        raise
    finally:
        args.save_total_limit = limit
    if args.should_save:
        rotate_checkpoints(str(folder.parent), limit, trainer.state.best_model_checkpoint, use_mtime=True)


def seal_checkpoint(folder: str | os.PathLike):
    """Declare the checkpoint in `folder` complete. One process calls this, when all have written their files.

    The checkpoint then survives a power cut.
    """
    folder = Path(folder)
    sync_tree(folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (SEAL, TRANSFORMERS_MARK)]
    facts = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "crc32": _checksum(path)} for path in files
    }
    with whole_file(folder / SEAL) as file:
        file.write_text(json.dumps(facts, indent=2), encoding="utf-8")
    sync_folder(folder.parent)


def _checksum(path: Path) -> str:
    """The CRC-32 of a file. SHA-256 would take twice as long, and only protects from people who change files."""
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(2**20):
            checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"


def clear_folder(folder: str | os.PathLike):
    """Prepare for writing a checkpoint to `folder`: remove its seal, or the files that a killed run left.

    Such files may be damaged, or of another run. Files of other names stay. Nothing is removed from a folder without
    any file of a checkpoint.
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
    logger.warning(f"Replacing {folder}, an incomplete checkpoint.")
    _delete_files(folder)


def _delete_files(folder: Path):
    """Delete the files of a checkpoint, and its folder if that is empty then. Files of other names stay."""
    model_files = [pattern for pattern in model_file_patterns() if pattern != "*.py"]
    for entry in list(folder.iterdir()) if folder.is_dir() else ():
        if _matches(entry, (*TRAINING_FILES, *model_files, *all_flat_code())):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _matches(path: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)


def missing_part(folder: str | os.PathLike) -> str | None:
    """Return why the checkpoint in `folder` is incomplete, as the end of a sentence. None if it is complete."""
    folder = Path(folder)
    if not folder.is_dir():
        return "there is no such folder"
    if not (folder / SEAL).is_file():
        return f"it has no {SEAL}, which is written last"
    try:
        content = dict(json.loads((folder / SEAL).read_text(encoding="utf-8")))
        # Earlier versions wrote the size alone.
        facts = {name: {"bytes": fact} if isinstance(fact, int) else dict(fact) for name, fact in content.items()}
        sizes = {name: fact["bytes"] for name, fact in facts.items()}
    except (KeyError, TypeError, ValueError):
        return f"its {SEAL} is damaged"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes of {size}"
    for name, fact in facts.items():
        if "crc32" in fact and _checksum(folder / name) != fact["crc32"]:
            return f"{name} has changed since it was saved, because its checksum is another one"
    return None


def checkpoint_to_resume(output_dir: str, resume_from_checkpoint: str | os.PathLike | bool | None) -> str | None:
    """Return the checkpoint that `Trainer.train(resume_from_checkpoint)` asks for, or None to start anew.

    Raises:
        ValueError: If it is incomplete, or if True is given and `output_dir` has no complete checkpoint.
    """
    if not resume_from_checkpoint:
        return None
    if resume_from_checkpoint is True:
        newest = newest_whole_checkpoint(output_dir)
        if newest is None:
            raise ValueError(f"There is no complete checkpoint in {output_dir} to resume from.")
        return str(newest)
    missing = missing_part(resume_from_checkpoint)
    if missing:
        raise ValueError(
            f"{resume_from_checkpoint} is not a complete checkpoint of this trainer: {missing}. Resume from an "
            "earlier one, or from the newest complete one with resume_from_checkpoint=True."
        )
    return str(resume_from_checkpoint)


def newest_whole_checkpoint(output_dir: str | os.PathLike) -> Path | None:
    """Return the complete checkpoint of the most steps in `output_dir`, or None. Warn of each that is skipped."""
    steps = {}
    for folder in Path(output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        step = folder.name.removeprefix(f"{PREFIX_CHECKPOINT_DIR}-")
        if step.isdecimal():
            steps[int(step)] = folder
    for _, folder in sorted(steps.items(), reverse=True):
        missing = missing_part(folder)
        if missing is None:
            return folder
        logger.warning(f"Skipping {folder}, which is not a complete checkpoint: {missing}.")
    return None
