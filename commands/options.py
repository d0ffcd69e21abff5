"""Options that commands share, and the types and checks of their values."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path


def positive_int(text: str) -> int:
    """A whole number of at least 1, for `add_argument(type=...)`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def whole_number(text: str) -> int:
    """A whole number of at least 0, for `add_argument(type=...)`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def at_least_one(text: str) -> float:
    """A finite number of at least 1, for `add_argument(type=...)`."""
    number = _number(text)
    if not number >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not at least 1")
    return number


def positive_number(text: str) -> float:
    """A finite number above 0, for `add_argument(type=...)`."""
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def share(text: str) -> float:
    """A number from 0 to 1, for `add_argument(type=...)`."""
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


def num_cpus() -> int:
    """Number of CPUs that this process may use. Schedulers such as SLURM may give it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")


def add_videos(parser: argparse.ArgumentParser):
    """Add the argument `videos`: any number of videos."""
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="video file, folder of frames, image or URL; several at once"
    )


def add_reading(parser: argparse.ArgumentParser):
    """Add the options `--backend` and `--frame_order`."""
    parser.add_argument(
        "--backend",
        choices=("pyav", "decord", "torchcodec"),
        help="decoder of video files (default: that of the processor, else pyav, which is exact; decord may return "
        "frames that were not requested)",
    )
    add_frame_order(parser, "that of the processor, else natural")


def add_frame_order(parser: argparse.ArgumentParser, default: str):
    """Add the option `--frame_order`. The help text names the `default`."""
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
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def check_output(args: argparse.Namespace, suffixes: Sequence[str], beside: Sequence[Path] = ()):
    """Check the options of `add_output` before anything long is computed. Otherwise as `check_output_of`."""
    check_output_of("--output", Path(args.output), suffixes, args.overwrite, beside)


def check_output_of(option: str, output: Path, suffixes: Sequence[str], overwrite: bool, beside: Sequence[Path] = ()):
    """Check a file that an option names.

    Args:
        option: Name of the option, for the error.
        output: The file to write.
        suffixes: Suffixes that the file may have.
        overwrite: Whether existing files may be replaced.
        beside: Further files that will be written.

    Raises:
        ValueError: If the suffix is wrong, or one of the files exists and may not be replaced.
    """
    if output.suffix not in suffixes:
        raise ValueError(f"{option} {output} should end in {' or '.join(suffixes)}.")
    for path in (output, *beside):
        if path.is_dir() or (path.exists() and not overwrite):
            raise ValueError(f"'{path}' is there already. Choose another {option}, or pass --overwrite.")
