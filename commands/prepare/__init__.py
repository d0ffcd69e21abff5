"""`lgi-former prepare`: prepares a corpus for training. Each preparation is a subcommand."""

import inspect

from . import faces, index, shards, verify
from .corpus import NUM_FOLDS, CorpusPreparation


SUMMARY = "a corpus for training: lists of its clips, cropped faces, tar shards"
EXAMPLE = "lgi-former prepare faces videos faces"

PREPARATIONS = {"faces": faces, "shards": shards, "index": index, "verify": verify}
PREPARATIONS |= {name: CorpusPreparation(name) for name in NUM_FOLDS}


def add_arguments(parser):
    preparations = parser.add_subparsers(metavar="PREPARATION", required=True)
    for name, module in PREPARATIONS.items():
        preparation = preparations.add_parser(
            name,
            help=module.SUMMARY,
            description=inspect.getdoc(module.run),
            example=module.EXAMPLE,
            add_arguments=module.add_arguments,
        )
        preparation.set_defaults(prepare=module.run, parser=preparation)


def run(args) -> int:
    """Prepare a corpus for training."""
    return args.prepare(args)
