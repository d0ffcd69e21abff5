"""Finds the clips of a corpus and writes the lists that training reads."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....configuration import DATASET_LABELS
from ....files import only_writer
from ...data.skipped_videos import replace_list
from .clip_folders import first_file_below
from .descriptions import Corpus
from .labelled import LabelledClips, find_clips
from .readability import RECORD_FILE, ReadabilityRecord, check_readability
from .staged_files import StagedFiles
from .unlabelled import UnlabelledCount, list_clips


LABELS_FILE = "labels.json"
MISSING_FILE = "missing.csv"
LOCK_FILE = ".preparation.lock"


@dataclass(frozen=True)
class PreparationOptions:
    """How a corpus is prepared."""

    root: Path  # folder of the corpus; paths in the lists are relative to it
    output: Path  # folder to write to; it is created if needed
    clips: str | None = None  # folder of the clips, relative to `root`; by default, the usual folders are tried
    max_missing_fraction: float = 0.01  # share of the clips that may be missing
    overwrite: bool = False  # replace existing lists with other content
    dry_run: bool = False  # write and decode nothing


class ListsNotWrittenError(ValueError):
    """The clips `found` were found, but their lists cannot be written. Lists of an earlier run do not change."""

    def __init__(self, message: str, found: LabelledClips | UnlabelledCount):
        super().__init__(message)
        self.found = found


def folder_of_clips(corpus: Corpus, options: PreparationOptions) -> str:
    """The folder of the clips of a corpus, relative to `options.root`. Raises ValueError if there is none."""
    if not options.root.is_dir():
        raise ValueError(f"There is no folder '{options.root}'. {corpus.how_to_obtain}")
    candidates = corpus.folders if options.clips is None else (Path(options.clips).as_posix(),)
    for folder in candidates:
        if (options.root / folder).is_dir():
            return folder
    inside = sorted(child for child in options.root.iterdir() if any((child / name).is_dir() for name in candidates))
    nearby = f"; did you mean --root '{inside[0]}'?" if inside else "."
    raise ValueError(
        f"'{options.root}' has no clips of {corpus.title}: there is no folder {' or '.join(candidates)} in it "
        f"(--clips names another){nearby} {corpus.how_to_obtain}"
    )


def prepare_labelled(corpus: Corpus, options: PreparationOptions, folds: Sequence[int | None]) -> LabelledClips:
    """Write `train.csv` and `test.csv` of each fold into `fold_K`, or into the output itself, and `labels.json`.

    `missing.csv` lists missing clips. If too many clips are missing, only `missing.csv` is written.

    Args:
        corpus: A corpus of labelled clips.
        options: Folders and settings.
        folds: Numbers of folds, or `[None]` for a corpus without folds.

    Raises:
        ValueError: If the corpus is not found, or its lists cannot be understood.
        ListsNotWrittenError: If a split is empty, or other lists exist.
    """
    folder = folder_of_clips(corpus, options)
    found = find_clips(corpus, options.root, folder, folds)
    if not found.num_found:
        example = next((f", such as '{options.root / clip}'" for clip in found.missing), "")
        other = first_file_below(options.root / folder)
        raise ValueError(
            f"None of the {found.num_expected} clips of {corpus.title} is in '{options.root / folder}'{example}"
            f"{f'; the folder has other files, such as {other!r}' if other else ''}. {corpus.how_to_obtain}"
        )
    if options.dry_run:
        return found
    with only_writer(options.output, LOCK_FILE), StagedFiles(options.overwrite) as staged:
        if not too_many_missing(found, options):
            _write_splits(staged, options, found)
            with staged.open(options.output / LABELS_FILE) as file:
                file.write(json.dumps(DATASET_LABELS[corpus.name]) + "\n")
        _write_missing(staged, options, found)
    return found


def prepare_unlabelled(
    corpus: Corpus, options: PreparationOptions, check: bool = True, num_workers: int = 0
) -> UnlabelledCount:
    """Write `train.csv`, a line for each readable clip, and `missing.csv`, a line for each other clip.

    `readability.jsonl` in the output records the results, so that a later run need not read the videos again.

    Args:
        corpus: A corpus of unlabelled clips.
        options: Folders and settings.
        check: Whether to read videos that were not read before. Empty files are always found.
        num_workers: Number of worker processes. With 0, this process reads.

    Raises:
        ValueError: If the corpus is not found.
        ListsNotWrittenError: If another list exists.
    """
    folder = folder_of_clips(corpus, options)
    clips, record_file = corpus.clips, options.output / RECORD_FILE
    if options.dry_run:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            found = list_clips(clips, options.root, folder, ReadabilityRecord(record_file), nowhere)
        _check_any_found(corpus, found, options.root / folder)
        return found
    with only_writer(options.output, LOCK_FILE):
        record = ReadabilityRecord(record_file)
        if check:
            check_readability(options.root / folder, clips.depth, record, num_workers)
        with StagedFiles(options.overwrite) as staged:
            with staged.open(options.output / "train.csv") as file:
                found = list_clips(clips, options.root, folder, record, file)
            if too_many_missing(found, options):
                staged.discard()
            _write_missing(staged, options, found)
            _check_any_found(corpus, found, options.root / folder)
    return found


def _write_missing(staged: StagedFiles, options: PreparationOptions, found: LabelledClips | UnlabelledCount):
    """Write `missing.csv`, unless other lists exist, because other clips may be missing in them."""
    try:
        staged.check_places()
    except ValueError as error:
        raise ListsNotWrittenError(str(error), found) from error
    replace_list(options.output / MISSING_FILE, found.missing)


def _check_any_found(corpus: Corpus, found: UnlabelledCount, folder: Path):
    if not found.num_found:
        raise ValueError(
            f"There is no readable clip in '{folder}', {corpus.clips.depth} folders down. {corpus.how_to_obtain}"
        )


def too_many_missing(found: LabelledClips | UnlabelledCount, options: PreparationOptions) -> bool:
    """Whether more clips are missing than the options allow."""
    return found.num_missing > options.max_missing_fraction * found.num_expected


def folder_of_fold(fold: int | str | None) -> str:
    """The folder of the lists of a fold, relative to the output."""
    return "." if fold is None else f"fold_{fold}"


def _write_splits(staged: StagedFiles, options: PreparationOptions, found: LabelledClips):
    for fold, splits in found.folds.items():
        for split, rows in splits.items():
            path = options.output / folder_of_fold(fold) / f"{split}.csv"
            if not rows:
                raise ListsNotWrittenError(f"All clips of '{path}' are missing. No list was written.", found)
            with staged.open(path) as file:
                file.writelines(f"{clip} {label}\n" for clip, label in rows)
