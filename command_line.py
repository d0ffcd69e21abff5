"""What all of this package's commands share: how options are spelt, and errors in one sentence.

Standard library alone, so that `--help` is instant.
"""

import argparse
import difflib
import io
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from .out_of_memory import ADVICE, is_out_of_memory, out_of_memory_sentence


class SuggestsNearest:
    """Mixin for an `argparse.ArgumentParser` whose errors suggest the nearest word for a misspelt one."""

    def error(self, message: str):
        misspelt, known = "", []
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            misspelt, known = choice[1], re.findall(r"[\w-]+", choice[2])
        elif option := re.search(r"unrecognized arguments:.*?(--\w+)", message):
            misspelt, known = option[1], [name for name in self._option_string_actions if "-" not in name[2:]]
        super().error(message + nearest(misspelt, known))


def nearest(misspelt: str, known: list[str]) -> str:
    """`"; did you mean X?"` of the known words' nearest, or nothing if none is near."""
    found = difflib.get_close_matches(misspelt, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def spell_with_underscores(argv: list[str]) -> list[str]:
    """`--top-k=3` as `--top_k=3`; what follows a bare `--` is left alone."""
    options_end = argv.index("--") if "--" in argv else len(argv)
    respelt = []
    for argument in argv[:options_end]:
        name, equals, value = argument.partition("=")
        is_option = name.startswith("--")
        respelt.append(f"--{name[2:].replace('-', '_')}{equals}{value}" if is_option else argument)
    return respelt + argv[options_end:]


def first_line(error: Exception, memory_advice: str = ADVICE) -> str:
    """The first line of an error's message; with the error's type where that is not made for users to read.

    The operating system's errors are told without their numbers. A lack of memory is one sentence, and `memory_advice`
    says what to do about it.
    """
    if is_out_of_memory(error):
        return out_of_memory_sentence(error, memory_advice)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"'{error.filename}' cannot be read or written: {error.strerror}."
    if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
        name = escaped(error.object[max(error.start - 100, 0) : error.end + 50]).strip()
        return f"'{name}' holds bytes of a file name that are not UTF-8. Rename the file, then run the command again."
    text = str(error).strip() or repr(error)
    line = text.splitlines()[0]
    return line if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {line}"


def fail(message: str) -> int:
    """Say on stderr what was wrong; returns the exit status."""
    print(f"lgi-former: {message}", file=sys.stderr)
    return 2


def positive_int(text: str) -> int:
    """An option's value as a number of at least 1, for `add_argument(type=...)`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def whole_number(text: str) -> int:
    """An option's value as a number of at least 0, for `add_argument(type=...)`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def at_least_one(text: str) -> float:
    """An option's value as a finite number of at least 1, fractions allowed, for `add_argument(type=...)`."""
    number = _number(text)
    if not number >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not at least 1")
    return number


def positive_number(text: str) -> float:
    """An option's value as a finite number above 0, for `add_argument(type=...)`."""
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def share(text: str) -> float:
    """An option's value as a number from 0 to 1, for `add_argument(type=...)`."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return number


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def escape_what_cannot_be_printed():
    """Let stdout and stderr write letters that their encoding lacks as escapes, such as `\\u5e78`.

    Names of videos and classes may hold any letter, and a console may have few. Every command calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls a command may have put something else there
            stream.reconfigure(errors="backslashreplace")


def escaped(name: str) -> str:
    """`name` with escapes for what UTF-8 cannot hold: bytes of a file name that are no text, such as `\\udce9`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def silence_libraries():
    """Leave stderr to our own messages."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()


def num_cpus() -> int:
    """How many CPUs this process may use. Schedulers such as SLURM give it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")


def add_videos(parser: argparse.ArgumentParser):
    """Add the arguments `videos`, any number of them."""
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="video file, folder of frames, image or URL; several at once"
    )


def add_reading(parser: argparse.ArgumentParser):
    """Add the options `--backend` and `--frame_order`."""
    parser.add_argument(
        "--backend",
        choices=("pyav", "decord", "torchcodec"),
        help="what decodes video files (default: the processor's, else pyav, which is exact; decord may return other "
        "frames than those it was asked for)",
    )
    add_frame_order(parser, "the processor's, else natural")


def add_frame_order(parser: argparse.ArgumentParser, default: str):
    """Add the option `--frame_order`; `default` says what holds without it."""
    parser.add_argument(
        "--frame_order",
        choices=("natural", "name"),
        help="order of the frames of a folder: natural (2.png before 10.png), or name (10.png before 2.png, as the "
        f"published code sorts) (default: {default})",
    )


def add_device(parser: argparse.ArgumentParser):
    """Add the option `--device`."""
    parser.add_argument(
        "--device", metavar="D", help="cpu, cuda:1, mps, ... (default: an accelerator, if there is one)"
    )


def add_output(parser: argparse.ArgumentParser, help_text: str):
    """Add the options `--output`, a file, and `--overwrite`."""
    parser.add_argument("--output", metavar="FILE", required=True, help=help_text)
    parser.add_argument("--overwrite", action="store_true", help="write over an output that is there")


def check_output(args: argparse.Namespace, suffixes: Sequence[str], beside: Sequence[Path] = ()):
    """Refuse an output that cannot be or must not be written, before anything long is computed.

    Args:
        args: With `output` and `overwrite`.
        suffixes: What the output's name may end in.
        beside: Further files that will be written.

    Raises:
        ValueError: If one of the files is there already, or the name ends in something else.
    """
    check_output_of("--output", Path(args.output), suffixes, args.overwrite, beside)


def check_output_of(option: str, output: Path, suffixes: Sequence[str], overwrite: bool, beside: Sequence[Path] = ()):
    """`check_output` for an option of another name.

    Raises:
        ValueError: If one of the files is there already, or the name ends in something else.
    """
    if output.suffix not in suffixes:
        raise ValueError(f"{option} {output} should end in {' or '.join(suffixes)}.")
    for path in (output, *beside):
        if path.is_dir() or (path.exists() and not overwrite):
            raise ValueError(f"'{path}' is there already. Choose another {option}, or pass --overwrite.")
