"""Reports of a preparation: clips per class and split, missing clips, and the next command."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from rich import box
from rich.table import Table
from rich.text import Text

from ....configuration import DATASET_LABELS
from ....messages import command_line, console
from ...run.recipes import read_recipe
from .descriptions import SPLITS, Corpus
from .labelled import LabelledClips
from .preparation import MISSING_FILE, PreparationOptions, folder_of_fold, too_many_missing
from .unlabelled import UnlabelledCount


CLIPS_NAMED = 5


def print_clips(corpus: Corpus, found: LabelledClips):
    """Print the numbers of clips: a row for each class, and a column for each fold with both splits."""
    table = Table(corpus.title, box=box.SIMPLE, caption=f"clips: {' / '.join(SPLITS)}")
    counts = {}
    for fold, splits in found.folds.items():
        table.add_column("clips" if fold is None else f"fold {fold}", justify="right")
        counts[fold] = [Counter(label for _, label in splits[split]) for split in SPLITS]
    for index, label in enumerate(DATASET_LABELS[corpus.name]):
        table.add_row(Text(label), *(_cell(count[index] for count in of_fold) for of_fold in counts.values()))
    table.add_section()
    table.add_row("all", *(_cell(sum(count.values()) for count in of_fold) for of_fold in counts.values()))
    console().print(table)


def describe_shared(found: LabelledClips) -> list[str]:
    """A line for each fold whose training and test data share clips. Lists of owners may have such clips."""
    lines = []
    for fold, splits in found.folds.items():
        train, test = ({clip for clip, _ in splits[split]} for split in SPLITS)
        if shared := sorted(train & test):
            where = "" if fold is None else f" of fold {fold}"
            lines.append(
                f"{len(shared)} clips{where} are listed both to train and to test, such as {shared[0]}. They "
                "stay in both lists, but a test on them is meaningless."
            )
    return lines


def print_count(corpus: Corpus, found: UnlabelledCount):
    """Print how many unlabelled clips there are."""
    print(
        f"{corpus.title}: {found.num_found} clips, {found.num_missing} more cannot be read. Its "
        f"owners distribute {corpus.clips.num_clips}."
    )


def describe_missing(
    corpus: Corpus, found: LabelledClips | UnlabelledCount, options: PreparationOptions, are_listed: bool
) -> str:
    """Describe the missing clips: their number, the first of them, and how to obtain the corpus.

    `are_listed` says whether `missing.csv` lists all missing clips.
    """
    lines = [f"{found.num_missing} of {found.num_expected} clips are missing or cannot be read:"]
    lines += [f"  {options.root / clip} {problem}" for clip, problem in islice(found.missing.items(), CLIPS_NAMED)]
    if len(found.missing) > CLIPS_NAMED:
        where = f"; all are in {options.output / MISSING_FILE}" if are_listed else ""
        lines.append(f"  and {len(found.missing) - CLIPS_NAMED} more{where}")
    if unnamed := found.num_missing - len(found.missing):
        lines.append(
            f"  {'and ' if found.missing else ''}{unnamed} with unknown names, because the owners' list of clips "
            f"is not in '{options.root}'"
        )
    lines.append(corpus.how_to_obtain)
    if too_many_missing(found, options):
        lines.append(
            f"This is more than --max_missing_fraction {options.max_missing_fraction:g} allows. No list is written."
        )
    else:
        lines.append(f"They {'are' if are_listed else 'would be'} skipped in the lists.")
    return "\n".join(lines)


def starting_model(corpus: Corpus) -> str:
    """The model that the recipe starts from, as a part of a sentence. Empty if it starts from scratch."""
    model = read_recipe(corpus.recipe).get("model_name_or_path")
    if model is None:
        return ""
    return f", from the model in {model} (--model_name_or_path: another that `lgi-former pretrain` or `convert` wrote)"


def next_command(corpus: Corpus, options: PreparationOptions, folds: Sequence[int | None]) -> str:
    """The shell command that trains on the prepared lists."""
    folder = options.output / folder_of_fold(None if folds == [None] else "{fold}")
    words = ["lgi-former", corpus.recipe.partition("_")[0], corpus.recipe, "--train_data", str(folder / "train.csv")]
    if corpus.name in DATASET_LABELS:
        words += ["--eval_data", str(folder / "test.csv")]
    words += ["--data_root", str(options.root)]
    if folds != [None]:
        words += ["--folds", *map(str, folds)]
    return command_line(*words)


def _cell(numbers) -> str:
    return "/".join(map(str, numbers))
