"""`lgi-former prepare`: what is done to a corpus before training, one subcommand and one file a preparation."""

import inspect

from . import prepare_faces, prepare_index, prepare_shards


SUMMARY = "a corpus for training: cut out faces, pack tar shards"

PREPARATIONS = {"faces": prepare_faces, "shards": prepare_shards, "index": prepare_index}


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
