"""The corpora of the paper as their owners distribute them: one description each."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ....configuration import DATASET_LABELS, DATASET_TERMS


SPLITS = ("train", "test")


@dataclass(frozen=True)
class ListedClips:
    """Clips whose labels and splits are in lists of the owners.

    Attributes:
        lists: Where a list may be, relative to the corpus; `{split}` and `{fold}` stand for what their names say.
        labels: The classes as the lists spell them, in the order of their indices.
        num_folds: Splits into training and test data that the owners made; 0 if there is only one, without a number.
        digits: To how many digits the names of clips are filled up with zeros.
    """

    lists: tuple[str, ...]
    labels: tuple[str, ...]
    num_folds: int = 0
    digits: int = 0


@dataclass(frozen=True)
class NamedClips:
    """Clips whose names tell label and actor, and which folds keep apart by actor.

    Attributes:
        depth: Folders from that of the clips down to a clip, the clip included.
        name: Regular expression of a clip's path below the folder of clips, without the suffix of a video file. Its
            groups are `clip`, by which a clip is known (a second of the same is left out), `actor` and `label`.
        labels: The classes as the names spell them, in the order of their indices.
        actors: Numbers of all actors. Folds are made of these, so that a clip that is lost moves no other one.
        num_folds: Test data of fold k are the k-th `actors_per_fold` actors, those of the last fold all that remain.
        actors_per_fold: See `num_folds`.
        num_clips: How many there are.
        expected: Called with the folder of the corpus; gives the groups `clip` of all clips, nothing if it cannot.
            Raises ValueError if it reads a list there and cannot understand it.
        ending: What follows `clip` in the owners' names of files, to say which one is missing.
    """

    depth: int
    name: str
    labels: tuple[str, ...]
    actors: tuple[int, ...]
    num_folds: int
    actors_per_fold: int
    num_clips: int
    expected: Callable[[Path], Iterable[str]]
    ending: str


@dataclass(frozen=True)
class UnlabelledClips:
    """Clips to pre-train on, too many to hold a list of them.

    Attributes:
        depth, num_clips: As for `NamedClips`.
        num_folds: None.
    """

    depth: int
    num_clips: int
    num_folds: int = 0


@dataclass(frozen=True)
class Corpus:
    """What is to know of a corpus to find its clips.

    Attributes:
        name: Its key in `DATASET_LABELS` and `DATASET_TERMS`.
        recipe: The shipped recipe that trains on it.
        folders: Where the clips may be, relative to the corpus; of several that are there, the first is taken.
        clips: How they are told from each other.
    """

    name: str
    recipe: str
    folders: tuple[str, ...]
    clips: ListedClips | NamedClips | UnlabelledClips

    @property
    def title(self) -> str:
        """The name as the owners write it."""
        return DATASET_TERMS[self.name].title

    @property
    def how_to_obtain(self) -> str:
        """Whose the corpus is, and on which terms, in a sentence."""
        title, page, terms = DATASET_TERMS[self.name]
        return f"Its owners give {title} away at {page}; it {terms}."


def _crema_d_clips(root: Path) -> Iterable[str]:
    # Of the 91 actors x 82 sentences 20 do not exist, which only the owners' list tells.
    file = root / "SentenceFilenames.csv"
    if not file.is_file():
        return []
    try:
        return pd.read_csv(file, encoding="utf-8-sig", dtype=str)["Filename"].dropna()
    except (KeyError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"'{file}' is not the owners' list of clips, in UTF-8 with a column Filename.") from error


def _ravdess_clips(root: Path) -> Iterator[str]:
    for actor, label, intensity in itertools.product(range(1, 25), range(1, 9), (1, 2)):
        if (label, intensity) == (1, 2):  # neutral is not acted strongly
            continue
        for statement, repetition in itertools.product((1, 2), (1, 2)):
            clip = f"02-01-{label:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
            yield f"Actor_{actor:02d}/{clip}"


# Subject 6 has one video an emotion, which is not cut into sentences; the published folds go without.
_ENTERFACE_SUBJECTS = tuple(subject for subject in range(1, 45) if subject != 6)


def _enterface_clips(root: Path) -> Iterator[str]:
    emotions = DATASET_LABELS["enterface"]
    for subject, emotion, sentence in itertools.product(_ENTERFACE_SUBJECTS, emotions, range(1, 6)):
        if subject == 23 and emotion == "happiness" and sentence <= 3:  # were never there
            continue
        yield f"subject {subject}/{emotion}/sentence {sentence}"


def _described() -> Iterator[Corpus]:
    labels = {name: tuple(of_corpus) for name, of_corpus in DATASET_LABELS.items()}
    yield Corpus(
        "dfew",
        "finetune_dfew",
        ("Clip/jpg_256", "Clip/jpg_224", "Clip/clip_224x224"),
        ListedClips(
            lists=("EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv",),
            labels=("1", "2", "3", "4", "5", "6", "7"),
            num_folds=5,
            digits=5,
        ),
    )
    yield Corpus(
        "ferv39k",
        "finetune_ferv39k",
        ("2_ClipsforFaceCrop/2_ClipsforFaceCrop", "2_ClipsforFaceCrop"),
        ListedClips(lists=("4_setups/All_scenes/{split}_All.csv",), labels=labels["ferv39k"]),
    )
    yield Corpus(
        "mafw",
        "finetune_mafw",
        ("data/frames", "data/clips"),
        ListedClips(
            lists=(
                "split/single/no_caption/set_{fold}/{split}.txt",
                "Train & Test Set/single/no_caption/set_{fold}/{split}.txt",
            ),
            labels=labels["mafw"],
            num_folds=5,
        ),
    )
    yield Corpus(
        "crema-d",
        "finetune_crema_d",
        ("VideoFlash", "."),
        NamedClips(
            depth=1,
            name=rf"(?P<clip>(?P<actor>\d{{4}})_[A-Z]{{3}}_(?P<label>{'|'.join(labels['crema-d'])})_[A-Z]{{2}})",
            labels=labels["crema-d"],
            actors=tuple(range(1001, 1092)),
            num_folds=5,
            actors_per_fold=18,
            num_clips=7442,
            expected=_crema_d_clips,
            ending=".flv",
        ),
    )
    yield Corpus(
        "ravdess",
        "finetune_ravdess",
        (".",),
        NamedClips(
            depth=2,
            # 02: without sound, 01: speech. The same takes are there with sound (01), and there are songs (02).
            name=r"(?P<clip>Actor_(?P<actor>\d\d)/02-01-(?P<label>0[1-8])-\d\d-\d\d-\d\d-(?P=actor))",
            labels=("01", "02", "03", "04", "05", "06", "07", "08"),
            actors=tuple(range(1, 25)),
            num_folds=6,
            actors_per_fold=4,
            num_clips=1440,
            expected=_ravdess_clips,
            ending=".mp4",
        ),
    )
    yield Corpus(
        "enterface",
        "finetune_enterface",
        ("enterface database", "."),
        NamedClips(
            depth=4,
            name=rf"(?P<clip>subject[ _](?P<actor>\d+)/(?P<label>{'|'.join(labels['enterface'])})/sentence[ _]\d)/.+",
            labels=labels["enterface"],
            actors=_ENTERFACE_SUBJECTS,
            num_folds=5,
            actors_per_fold=9,
            num_clips=1287,
            expected=_enterface_clips,
            ending="/*.avi",
        ),
    )
    # The developers' part; as published, the 118 speakers of the test part are not trained on.
    yield Corpus("voxceleb2", "pretrain_voxceleb2", ("dev/mp4",), UnlabelledClips(depth=3, num_clips=1_092_009))


CORPORA = {corpus.name: corpus for corpus in _described()}
