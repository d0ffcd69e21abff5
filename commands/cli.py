"""The `lgi-former` command.

Exit status: 0 if all was done, 1 if some of several videos failed, 2 if nothing could be done (wrong usage, a model or
checkpoint that cannot be loaded). Results go to stdout, everything else to stderr.

Each command is a file of this room or, if `accelerate launch -m` can start it, of `training/`.
"""

import functools
import importlib
import inspect
import logging
import sys
import textwrap

from ..extras import MissingExtraError
from ..files import expand_paths_of
from ..messages import (
    ADVICE,
    LOADING_LIBRARIES,
    QUIET,
    CommandParser,
    announce_if_slow,
    discard_stdout,
    escape_what_cannot_be_printed,
    fail,
    first_line,
    quiet,
    spell_with_underscores,
    wants_quiet,
)
from ..training.run import help as training_help
from ..version import __version__
from . import (
    completion,
    convert,
    demo,
    download,
    embed,
    export,
    predict,
    prepare,
    push,
    quickstart,
    reconstruct,
    visualize,
)


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
    "export": export,
    "push": push,
    "completion": completion,
}

TRAINING_COMMANDS = {
    "pretrain": "masked autoencoding of unlabelled videos, from a recipe",
    "finetune": "a classifier from labelled videos and a recipe; cross-validation",
    "evaluate": "UAR, WAR and predictions of a classifier on labelled videos",
}
"""Modules of `training`. They parse their own options."""

HELP = "the options of a command, such as `lgi-former help predict`"

TASKS = {
    "use a model": ("predict", "embed", "visualize", "reconstruct", "demo"),
    "train a model": ("quickstart", "pretrain", "finetune", "evaluate"),
    "prepare data": ("prepare",),
    "get and share models": ("download", "convert", "export", "push"),
    "find options": ("help", "completion"),
}
"""All commands, in the groups and order of the help."""

OPTIONS = {
    "-h, --help": "show this message",
    "-V, --version": "show the version",
    "-q, --quiet": "print only results and errors; every command has this option",
}


class _Parser(CommandParser):
    """A parser that gets its arguments when it is first used, so that other commands do not import their modules.

    Args:
        add_arguments: Called with the parser before it parses.
    """

    def __init__(self, *args, add_arguments=None, **kwargs):
        super().__init__(*args, allow_abbrev=False, **kwargs)
        self._add_arguments = add_arguments
        self._commands = None

    def add_subparsers(self, **kwargs):
        self._commands = super().add_subparsers(**kwargs)
        return self._commands

    def add_all_arguments(self):
        """Add the arguments of this parser and those of its commands."""
        self._add_own_arguments()
        for command in self._commands.choices.values() if self._commands else ():
            command.add_all_arguments()

    def parse_known_args(self, args=None, namespace=None):
        self._add_own_arguments()
        return super().parse_known_args(args, namespace)

    def _add_own_arguments(self):
        add_arguments, self._add_arguments = self._add_arguments, None
        if add_arguments is not None:
            add_arguments(self)
            expand_paths_of(self)


class _MainParser(_Parser):
    """The parser of all commands. Its help lists them by task."""

    def format_help(self) -> str:
        summaries = {name: module.SUMMARY for name, module in COMMANDS.items()} | TRAINING_COMMANDS | {"help": HELP}
        lines = [f"usage: {self.usage}", "", self.description]
        for task, names in TASKS.items():
            lines += ["", f"{task}:", *(_row(name, summaries[name]) for name in names)]
        lines += ["", "options:", *(_row(*option) for option in OPTIONS.items())]
        return "\n".join([*lines, "", self.epilog, "", "example:", f"  {self.example}", ""])


def _row(name: str, text: str) -> str:
    """A row of the help. Long texts are wrapped, for terminals of 80 columns."""
    return textwrap.fill(text, 79, initial_indent=f"  {name:13}  ", subsequent_indent=" " * 17)


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, by default that of the process, and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    escape_what_cannot_be_printed()
    try:
        with quiet(wants_quiet(argv)):
            return _run(argv)
    except MissingExtraError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of stdout, for example `head`, has ended
        discard_stdout()
        return 1


def _run(argv: list[str]) -> int:
    if argv and argv[0] in QUIET:  # the training commands parse their options themselves
        argv = [*argv[1:2], argv[0], *argv[2:]]
    asks_help = not {"-h", "--help"}.isdisjoint(argv)
    if argv[:1] == ["help"] and not asks_help:
        argv, asks_help = [*argv[1:], "--help"], True
    if argv and argv[0] in TRAINING_COMMANDS and not asks_help:
        with announce_if_slow(LOADING_LIBRARIES):
            _register_family()
            command = importlib.import_module(f"..training.{argv[0]}", __package__)
        return command.main(argv[1:])
    parser = _build_parser()
    args, unknown = parser.parse_known_args(spell_with_underscores(argv))
    if unknown:
        args.parser.refuse_unknown(unknown)
    if args.run is not completion.run and not download.only_lists(args):
        with announce_if_slow(LOADING_LIBRARIES):
            _register_family()
    try:
        return args.run(args)
    except BrokenPipeError:
        raise
    except _reported_errors() as error:
        logging.getLogger(__name__).debug("Traceback of the error:", exc_info=True)
        return fail(first_line(error, args.memory_advice))


def _reported_errors() -> tuple[type[Exception], ...]:
    """Errors that a command reports in one sentence. It has exit status 2 then. Other errors have a traceback."""
    from huggingface_hub.errors import StrictDataclassError  # a wrong value in a configuration

    return OSError, ValueError, RuntimeError, MemoryError, StrictDataclassError


def _register_family():
    """Register the model family. The package does not do so for this command, so that its help is fast."""
    from ..registration import register_family

    register_family()


def _build_parser() -> _Parser:
    parser = _MainParser(
        prog="lgi-former",
        usage="lgi-former [-h] [-V] [-q] COMMAND ...",
        description="Facial expression recognition in videos with LGI-Former (MAE-DFER).",
        epilog="Option names may be spelt with hyphens or underscores.",
        example="lgi-former predict video.mp4 --model outputs/finetuned",
    )
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(main_parser=parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser, prog="lgi-former")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=inspect.getdoc(module.run),
            example=module.EXAMPLE,
            add_arguments=module.add_arguments,
        )
        advice = getattr(module, "MEMORY_ADVICE", ADVICE)
        command.set_defaults(run=module.run, parser=command, memory_advice=advice)
    for name, summary in TRAINING_COMMANDS.items():
        commands.add_parser(
            name,
            help=summary,
            example=training_help.EXAMPLES[name],
            add_arguments=functools.partial(training_help.add_arguments, command=name),
        )
    about_help = commands.add_parser("help", help=HELP, description=HELP, example="lgi-former help prepare faces")
    about_help.add_argument("command", nargs="*", metavar="COMMAND", help="a command (default: all of them)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
