"""`lgi-former prepare`: what is done to a corpus before training, one subcommand a preparation."""

import inspect

from . import prepare_faces, prepare_index, prepare_shards, prepare_verify
from .prepare_corpus import NUM_FOLDS, CorpusPreparation


SUMMARY = "a corpus for training: lists of its clips, cut-out faces, tar shards"

PREPARATIONS = {
    "faces": prepare_faces,
    "shards": prepare_shards,
    "index": prepare_index,
    "verify": prepare_verify,
} | {name: CorpusPreparation(name) for name in NUM_FOLDS}


def add_arguments(parser):
    preparations = parser.add_subparsers(metavar="PREPARATION", required=True)
    for name, module in PREPARATIONS.items():
        preparation = preparations.add_parser(
            name, help=module.SUMMARY, description=inspect.getdoc(module.run), add_arguments=module.add_arguments
        )
        preparation.set_defaults(prepare=module.run, parser=preparation)


def run(args) -> int:
    """Prepare a corpus for training."""
    return args.prepare(args)
