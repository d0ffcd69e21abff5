"""`lgi-former prepare dfew` and so on: one subcommand for each corpus of the paper."""

import argparse
import sys
from pathlib import Path

from ...messages import note, print_step, printable
from ..options import add_num_workers, share


# As in the descriptions of the corpora, which take seconds to import.
NUM_FOLDS = {"dfew": 5, "ferv39k": 0, "mafw": 5, "crema-d": 5, "ravdess": 6, "enterface": 5, "voxceleb2": 0}
UNLABELLED = ("voxceleb2",)


class CorpusPreparation:
    """The subcommand of a corpus. It has the members that the module of another subcommand has.

    Args:
        name: A key of `NUM_FOLDS`.
    """

    def __init__(self, name: str):
        self.name = name
        self.SUMMARY = f"lists to {'pre-train on' if name in UNLABELLED else 'train and test on'} {name}"
        self.EXAMPLE = f"lgi-former prepare {name} --root {name} --output lists"

    def add_arguments(self, parser: argparse.ArgumentParser):
        parser.add_argument("--root", type=Path, metavar="DIR", required=True, help="folder of the corpus")
        parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="folder to write to")
        parser.add_argument(
            "--clips", metavar="DIR", help="folder of the clips in --root (default: as its owners name it)"
        )
        if NUM_FOLDS[self.name]:
            folds = range(1, NUM_FOLDS[self.name] + 1)
            parser.add_argument(
                "--fold", type=int, choices=folds, metavar="K", help=f"from 1 to {folds[-1]} (default: all)"
            )
        parser.add_argument(
            "--max_missing_fraction",
            type=share,
            default=0.01,
            metavar="F",
            help="share of the clips that may be missing (default: %(default)s)",
        )
        parser.add_argument("--dry_run", action="store_true", help="only report what would be written")
        parser.add_argument("--overwrite", action="store_true", help="replace lists that have other content")
        if self.name in UNLABELLED:
            parser.add_argument(
                "--no_check", action="store_true", help="do not read the videos; then only empty files are skipped"
            )
            add_num_workers(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Write the lists of clips that training reads, with paths relative to --root. The corpus may be as its owners
        distribute it, or as `lgi-former prepare faces` wrote it. Missing clips are reported, listed in missing.csv and
        skipped. The exit status is then 1. If too many clips are missing, no list is written, and the exit status is
        2. Running the command again is safe: it continues where it stopped."""
        from ...training.preparation.corpora.descriptions import CORPORA
        from ...training.preparation.corpora.preparation import ListsNotWrittenError, PreparationOptions

        corpus = CORPORA[self.name]
        options = PreparationOptions(
            args.root, args.output, args.clips, args.max_missing_fraction, args.overwrite, args.dry_run
        )
        try:
            return _prepare(corpus, options, args, is_labelled=self.name not in UNLABELLED)
        except ListsNotWrittenError as error:
            _report_missing(corpus, error.found, options, are_listed=False)
            raise


def _prepare(corpus, options, args: argparse.Namespace, is_labelled: bool) -> int:
    from ...training.preparation.corpora.preparation import prepare_labelled, prepare_unlabelled
    from ...training.preparation.corpora.report import describe_shared, print_clips, print_count

    folds = [None]
    if is_labelled:
        if corpus.clips.num_folds:
            folds = list(range(1, corpus.clips.num_folds + 1)) if args.fold is None else [args.fold]
        found = prepare_labelled(corpus, options, folds)
        print_clips(corpus, found)
        for line in describe_shared(found):
            note(line)
    else:
        found = prepare_unlabelled(corpus, options, check=not args.no_check, num_workers=args.num_workers)
        print_count(corpus, found)
    return _conclude(corpus, found, options, folds)


def _conclude(corpus, found, options, folds: list[int | None]) -> int:
    """Report missing clips and the next command. Returns the exit status."""
    from ...training.preparation.corpora.preparation import too_many_missing
    from ...training.preparation.corpora.report import next_command, starting_model

    _report_missing(corpus, found, options, are_listed=not options.dry_run)
    if too_many_missing(found, options):
        return 2
    if options.dry_run:
        print("This was a dry run: nothing was written.")
    else:
        print(f"The lists are in {options.output}.")
        print_step(f"To train on them{starting_model(corpus)}:\n  {next_command(corpus, options, folds)}")
    return 1 if found.num_missing else 0


def _report_missing(corpus, found, options, are_listed: bool):
    from ...training.preparation.corpora.report import describe_missing

    if found.num_missing:
        print(printable(describe_missing(corpus, found, options, are_listed)), file=sys.stderr)
