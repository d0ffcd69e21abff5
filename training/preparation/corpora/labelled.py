"""Finds the labelled clips of a corpus and their splits, from lists of the owners or from the names of clips."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import ClassLabel
from tqdm import tqdm

from ....messages import nearest
from ...data.annotations import load_annotations
from .clip_folders import ClipFinder, clips_below, joined, what_is_wrong, without_suffix
from .descriptions import SPLITS, Corpus, ListedClips, NamedClips
from .folds import actors_of_folds


NOT_FOUND = "is not there"

Split = list[tuple[str, int]]


@dataclass
class LabelledClips:
    """The clips of a corpus that were found.

    Attributes:
        folds: The clips by fold (None for a corpus without folds) and split: path relative to the corpus, and class
            index from 0.
        num_expected: Number of distinct clips that the corpus has.
        num_found: Number of distinct clips that were found.
        missing: The errors of the other clips, by name, as far as the names are known.
    """

    folds: dict[int | None, dict[str, Split]]
    num_expected: int
    num_found: int
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def num_missing(self) -> int:
        """Number of missing clips, including those with unknown names."""
        return max(len(self.missing), self.num_expected - self.num_found)


def find_clips(corpus: Corpus, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    """Find all clips, and check that none of them is empty.

    Args:
        corpus: A corpus of labelled clips.
        root: Folder of the corpus.
        folder: Folder of the clips, relative to `root`.
        folds: Numbers of folds, or `[None]` for a corpus without folds.

    Raises:
        ValueError: If a list is missing, cannot be understood, or gives a clip two labels.
        OSError: If a folder cannot be read.
    """
    if isinstance(corpus.clips, ListedClips):
        return _find_listed(corpus, root, folder, folds)
    return _find_named(corpus.clips, root, folder, folds)


# Lists


def _find_listed(corpus: Corpus, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    listed = {fold: {split: _read_list(corpus, root, fold, split) for split in SPLITS} for fold in folds}
    names = dict.fromkeys(name for splits in listed.values() for split in splits.values() for name in split)
    finder, paths, missing = ClipFinder(root / folder), {}, {}
    for name in tqdm(names, "Looking for clips", unit="clip"):
        clip = finder.find(name)
        problem = NOT_FOUND if clip is None else what_is_wrong(clip)
        if problem is None:
            paths[name] = joined(folder, joined(os.path.dirname(name), clip.name))
        else:
            missing[joined(folder, name)] = problem
    located = {
        fold: {
            split: [(paths[name], label) for name, label in labels.items() if name in paths]
            for split, labels in of_fold.items()
        }
        for fold, of_fold in listed.items()
    }
    return LabelledClips(located, len(names), len(paths), missing)


def _read_list(corpus: Corpus, root: Path, fold: int | None, split: str) -> dict[str, int]:
    """Read the owners' list: the class index of each clip by name. Repeated lines count once."""
    clips = corpus.clips
    candidates = [root / pattern.format(split=split, fold=fold) for pattern in clips.lists]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise ValueError(
            f"There is no list {' or '.join(repr(str(candidate)) for candidate in candidates)}. {corpus.how_to_obtain}"
        )
    rows = load_annotations(file, data_root="")
    if "label" not in rows.column_names:
        raise ValueError(f"'{file}' lists clips without labels.")
    feature = rows.features["label"]
    indices = {}
    for name, label in zip(rows["video"], rows["label"], strict=True):
        label = feature.int2str(label) if isinstance(feature, ClassLabel) else str(label)
        index = _index(label, clips.labels, f"'{file}' gives '{name}'")
        if indices.setdefault(name.zfill(clips.digits), index) != index:
            raise ValueError(f"'{file}' gives '{name}' two labels, one of them {label!r}. Leave one line.")
    return indices


def _index(label: str, labels: Sequence[str], place: str) -> int:
    if label not in labels:
        raise ValueError(
            f"{place} the unknown label {label!r}; labels are {', '.join(labels)}{nearest(label, labels)}."
        )
    return labels.index(label)


# Names


def _find_named(clips: NamedClips, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    found, missing = {}, {}
    for match, path, problem in tqdm(_named(clips, root, folder), "Looking for clips", clips.num_clips, unit="clip"):
        clip = _key(match["clip"])
        if clip in found:
            continue
        found[clip] = (path, int(match["actor"]), clips.labels.index(match["label"]), problem)
        if problem is not None:
            missing[path] = problem
    expected = list(clips.expected(root))
    missing |= {joined(folder, name + clips.ending): NOT_FOUND for name in expected if _key(name) not in found}
    rows = [(path, actor, label) for path, actor, label, problem in found.values() if problem is None]
    test_actors = actors_of_folds(clips.actors, clips.num_folds, clips.actors_per_fold)
    splits = {fold: _split(rows, test_actors[fold]) for fold in folds}
    return LabelledClips(splits, len(expected) or clips.num_clips, len(rows), missing)


def _named(clips: NamedClips, root: Path, folder: str) -> Iterable[tuple[re.Match, str, str | None]]:
    """Yield the clips of known actors: the parsed name, the path relative to the corpus, and the error or None."""
    for parent in clips_below(root / folder, clips.depth):
        for clip in parent.clips:
            path = joined(parent.path, clip.name)
            match = re.fullmatch(clips.name, without_suffix(path))
            if match and int(match["actor"]) in clips.actors:
                yield match, joined(folder, path), what_is_wrong(clip)


def _key(clip: str) -> str:
    return clip.replace(
        "_", " "
    )  # users often replace the spaces in eNTERFACE's names, because many programs cannot handle spaces


def _split(rows: list[tuple[str, int, int]], test_actors: list[int]) -> dict[str, Split]:
    splits = {split: [] for split in SPLITS}
    for path, actor, label in rows:
        splits["test" if actor in test_actors else "train"].append((path, label))
    return splits
