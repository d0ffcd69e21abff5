"""Descriptions of the corpora of the paper, as their owners distribute them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ....configuration import DATASET_LABELS, DATASET_TERMS


SPLITS = ("train", "test")


@dataclass(frozen=True)
class ListedClips:
    """Clips whose labels and splits are in lists of the owners."""

    lists: tuple[str, ...]  # possible paths of a list, relative to the corpus, with `{split}` and `{fold}`
    labels: tuple[str, ...]  # the classes as the lists spell them, in the order of their indices
    num_folds: int = 0  # 0 for a single split without a number
    digits: int = 0  # names of clips are padded with zeros to this length


@dataclass(frozen=True)
class NamedClips:
    """Clips with label and actor in the name. No actor is in both training and test data of a fold.

    `name` is a regular expression of a clip's path below the folder of clips, without the suffix of a video file. Its
    groups are `clip` (the identity of a clip: duplicates are skipped), `actor` and `label`. `expected(root)` returns
    the group `clip` of all clips, or nothing if it cannot know them. It raises ValueError if a list in the folder of
    the corpus cannot be understood.
    """

    depth: int  # levels from the folder of the clips to a clip, counting the clip
    name: str
    labels: tuple[str, ...]  # the classes as the names spell them, in the order of their indices
    actors: tuple[int, ...]  # sorted numbers of all actors, so that a lost clip does not move other clips
    num_folds: int
    actors_per_fold: int
    num_clips: int
    expected: Callable[[Path], Iterable[str]]
    ending: str  # follows `clip` in the file names of the owners, for reports of missing clips

    def test_actors(self, fold: int) -> tuple[int, ...]:
        """The test actors of a fold, counted from 1. The last fold has all remaining actors."""
        start = (fold - 1) * self.actors_per_fold
        return self.actors[start:] if fold == self.num_folds else self.actors[start : start + self.actors_per_fold]


@dataclass(frozen=True)
class UnlabelledClips:
    """Clips for pre-training, too many for a list in memory. `depth` and `num_clips` are as for `NamedClips`."""

    depth: int
    num_clips: int
    num_folds: int = 0


@dataclass(frozen=True)
class Corpus:
    """Describes where the clips of a corpus are, and how their labels and splits are found."""

    name: str  # key in `DATASET_LABELS` and `DATASET_TERMS`
    recipe: str  # the shipped recipe for the corpus
    folders: tuple[str, ...]  # possible folders of the clips, relative to the corpus; the first existing one is used
    clips: ListedClips | NamedClips | UnlabelledClips

    @property
    def title(self) -> str:
        """The name as the owners write it."""
        return DATASET_TERMS[self.name].title

    @property
    def how_to_obtain(self) -> str:
        """A sentence that says where the owners distribute the corpus, and their terms."""
        title, page, terms = DATASET_TERMS[self.name]
        return f"Its owners give {title} away at {page}; it {terms}."


def _crema_d_clips(root: Path) -> Iterable[str]:
    # 20 of the 91 actors x 82 sentences do not exist. Only the owners' list says which.
    file = root / "SentenceFilenames.csv"
    if not file.is_file():
        return []
    try:
        return pd.read_csv(file, encoding="utf-8-sig", dtype=str)["Filename"].dropna()
    except (KeyError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"'{file}' is not the owners' list of clips, in UTF-8 with a column Filename.") from error


def _ravdess_clips(root: Path) -> Iterator[str]:
    for actor, label, intensity in itertools.product(range(1, 25), range(1, 9), (1, 2)):
        if (label, intensity) == (1, 2):  # there is no strong neutral
            continue
        for statement, repetition in itertools.product((1, 2), (1, 2)):
            clip = f"02-01-{label:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
            yield f"Actor_{actor:02d}/{clip}"


# Subject 6 has one video for each emotion, not one for each sentence. The published folds lack this subject.
_ENTERFACE_SUBJECTS = tuple(subject for subject in range(1, 45) if subject != 6)


def _enterface_clips(root: Path) -> Iterator[str]:
    emotions = DATASET_LABELS["enterface"]
    for subject, emotion, sentence in itertools.product(_ENTERFACE_SUBJECTS, emotions, range(1, 6)):
        if subject == 23 and emotion == "happiness" and sentence <= 3:  # these do not exist
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
