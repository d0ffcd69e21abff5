"""The `lgi-former` command.

Exit status: 0 if all was done, 1 if some of several videos failed, 2 if nothing could be done (wrong usage, a model or
checkpoint that cannot be loaded). Results go to stdout, everything else to stderr.

Each command is a file of this room or, if `accelerate launch -m` can start it, of `training/`.
"""

import importlib
import inspect
import sys

from ..extras import MissingExtraError
from ..messages import (
    SuggestsNearest,
    discard_stdout,
    escape_what_cannot_be_printed,
    fail,
    is_out_of_memory,
    out_of_memory_sentence,
    spell_with_underscores,
)
from ..version import __version__
from . import convert, demo, download, embed, predict, prepare, push, quickstart, reconstruct, visualize


class _Parser(SuggestsNearest):
    """A parser that gets its arguments when it is first used, so that other commands do not import their modules.

    Args:
        add_arguments: Called with the parser before it parses.
    """

    def __init__(self, *args, add_arguments=None, **kwargs):
        super().__init__(*args, allow_abbrev=False, **kwargs)
        self.add_arguments = add_arguments

    def parse_known_args(self, args=None, namespace=None):
        if self.add_arguments is not None:
            self.add_arguments(self)
        return super().parse_known_args(args, namespace)


COMMANDS = {
    "quickstart": quickstart,
    "predict": predict,
    "embed": embed,
    "reconstruct": reconstruct,
    "visualize": visualize,
    "demo": demo,
    "prepare": prepare,
    "download": download,
    "convert": convert,
    "push": push,
}

TRAINING_COMMANDS = {
    "pretrain": "masked autoencoding of unlabelled videos, from a recipe",
    "finetune": "a classifier from labelled videos and a recipe; cross-validation",
    "evaluate": "UAR, WAR and predictions of a classifier on labelled videos",
}
"""Modules of `training`. They parse their own options."""


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, by default that of the process, and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    escape_what_cannot_be_printed()
    try:
        if argv and argv[0] in TRAINING_COMMANDS:
            return importlib.import_module(f"..training.{argv[0]}", __package__).main(argv[1:])
        parser = _build_parser()
        args, unknown = parser.parse_known_args(spell_with_underscores(argv))
        if unknown:
            args.parser.refuse_unknown(unknown)
        return args.run(args)
    except MissingExtraError as error:
        return fail(str(error))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return fail(out_of_memory_sentence(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of stdout, for example `head`, has ended
        discard_stdout()
        return 1


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="lgi-former",
        description="Facial expression recognition in videos with LGI-Former (MAE-DFER).",
        epilog="Option names may be spelt with hyphens or underscores.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=inspect.getdoc(module.run), add_arguments=module.add_arguments
        )
        command.set_defaults(run=module.run, parser=command)
    for name, summary in TRAINING_COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


if __name__ == "__main__":
    sys.exit(main())
