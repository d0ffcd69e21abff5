"""Finds the labelled clips of a corpus and their splits, from lists of the owners or from the names of clips."""

import functools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import ClassLabel
from tqdm import tqdm

from ....messages import nearest, shows_progress
from ...data.annotations import load_annotations
from .clip_folders import clips_below, clips_by_name, joined, problem_of_clip, without_suffix
from .descriptions import SPLITS, Corpus, ListedClips, NamedClips


NOT_FOUND = "is not there"

Split = list[tuple[str, int]]
"""Paths of clips, relative to the corpus, and their class indices from 0."""


@dataclass
class LabelledClips:
    """The clips of a corpus that were found. Numbers are those of distinct clips."""

    folds: dict[int | None, dict[str, Split]]  # by fold (None without folds) and split
    num_expected: int
    num_found: int
    missing: dict[str, str] = field(default_factory=dict)  # the problems of other clips with known names, by path

    @property
    def num_missing(self) -> int:
        """Number of missing clips, including those with unknown names."""
        return max(len(self.missing), self.num_expected - self.num_found)


def find_clips(corpus: Corpus, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    """Find all clips in `root / folder` that are not empty. `folds` is `[None]` for a corpus without folds.

    Raises:
        ValueError: If a list is missing, cannot be understood, or gives a clip two labels.
    """
    if isinstance(corpus.clips, ListedClips):
        return _find_listed(corpus, root, folder, folds)
    return _find_named(corpus.clips, root, folder, folds)


def _find_listed(corpus: Corpus, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    listed = {fold: {split: _read_list(corpus, root, fold, split) for split in SPLITS} for fold in folds}
    names = dict.fromkeys(name for splits in listed.values() for split in splits.values() for name in split)
    clips_in, paths, missing = functools.cache(clips_by_name), {}, {}
    for name in tqdm(names, "Looking for clips", unit="clip", disable=not shows_progress()):
        parent, _, last = name.rpartition("/")
        clip = clips_in(os.path.join(root, folder, parent)).get(without_suffix(last))
        problem = NOT_FOUND if clip is None else problem_of_clip(clip)
        if problem is None:
            paths[name] = joined(folder, joined(parent, clip.name))
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
        known = f"{', '.join(labels)}{nearest(label, labels)}"
        raise ValueError(f"{place} the unknown label {label!r}; labels are {known}.")
    return labels.index(label)


def _find_named(clips: NamedClips, root: Path, folder: str, folds: Sequence[int | None]) -> LabelledClips:
    found, missing = {}, {}
    for match, path, problem in tqdm(
        _named(clips, root, folder), "Looking for clips", clips.num_clips, unit="clip", disable=not shows_progress()
    ):
        clip = _key(match["clip"])
        if clip in found:
            continue
        found[clip] = (path, int(match["actor"]), clips.labels.index(match["label"]), problem)
        if problem is not None:
            missing[path] = problem
    expected = list(clips.expected(root))
    missing |= {joined(folder, name + clips.ending): NOT_FOUND for name in expected if _key(name) not in found}
    rows = [(path, actor, label) for path, actor, label, problem in found.values() if problem is None]
    splits = {fold: _split(rows, clips.test_actors(fold)) for fold in folds}
    return LabelledClips(splits, len(expected) or clips.num_clips, len(rows), missing)


def _named(clips: NamedClips, root: Path, folder: str) -> Iterable[tuple[re.Match, str, str | None]]:
    """Yield the parsed name, the path relative to the corpus, and the problem or None, of clips of known actors."""
    for parent in clips_below(root / folder, clips.depth):
        for clip in parent.clips:
            path = joined(parent.path, clip.name)
            match = re.fullmatch(clips.name, without_suffix(path))
            if match and int(match["actor"]) in clips.actors:
                yield match, joined(folder, path), problem_of_clip(clip)


def _key(clip: str) -> str:
    return clip.replace("_", " ")  # users often replace the spaces in eNTERFACE's names


def _split(rows: list[tuple[str, int, int]], test_actors: Sequence[int]) -> dict[str, Split]:
    splits = {split: [] for split in SPLITS}
    for path, actor, label in rows:
        splits["test" if actor in test_actors else "train"].append((path, label))
    return splits
