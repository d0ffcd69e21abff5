"""Options that commands share, and the types and checks of their values."""

import argparse
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path


def _number_type(parse: type, is_valid: Callable, wanted: str) -> Callable[[str], float]:
    """A function for `add_argument(type=...)` that parses and checks a number."""

    def convert(text: str):
        if parse is int and not text.isdecimal():  # `int` also reads "1_000"
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        try:
            number = parse(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if parse is float and not math.isfinite(number):
            raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
        if not is_valid(number):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return convert


positive_int = _number_type(int, lambda number: number >= 1, "a positive whole number")
whole_number = _number_type(int, lambda number: number >= 0, "a whole number of at least 0")
port = _number_type(int, lambda number: 0 < number < 65536, "a port, a number from 1 to 65535")
at_least_one = _number_type(float, lambda number: number >= 1, "at least 1")
positive_number = _number_type(float, lambda number: number > 0, "a positive number")
share = _number_type(float, lambda number: 0 <= number <= 1, "a share from 0 to 1")


def add_num_workers(parser: argparse.ArgumentParser, kind: Callable[[str], float] = positive_int):
    """Add the option `--num_workers` of a preparation."""
    parser.add_argument(
        "--num_workers", type=kind, default=num_cpus(), help="processes (default: the CPUs that the command may use)"
    )


def num_cpus() -> int:
    """The CPUs that this process may use. Schedulers such as SLURM may give it fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def add_shard(parser):
    """Add the options `--num_shards` and `--shard`. `check_shard` checks them."""
    parser.add_argument(
        "--num_shards", type=positive_int, metavar="N", help="divide the videos into N shards, for job arrays"
    )
    parser.add_argument(
        "--shard", type=whole_number, metavar="I", help="the shard of this run, from 0 to N - 1: videos I, I + N, ..."
    )


def check_shard(args: argparse.Namespace):
    """Exit with an error unless `--num_shards` and `--shard` fit each other."""
    if (args.num_shards is None) != (args.shard is None):
        args.parser.error("--num_shards and --shard belong together: give both or none")
    if args.shard is not None and args.shard >= args.num_shards:
        args.parser.error(
            f"--shard {args.shard} must be less than --num_shards {args.num_shards}: shards count from 0"
        )


MODEL_NAMES = "its folder, a Hub repository, or a name that `lgi-former download` lists"
FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")


def add_revision(parser: argparse.ArgumentParser):
    """Add the option `--revision` of a model."""
    parser.add_argument(
        "--revision", metavar="REV", help="branch, tag or commit of a model on the Hub; also `--model owner/name@REV`"
    )


def add_videos(parser: argparse.ArgumentParser):
    """Add the argument `videos`: any number of videos."""
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="video file, folder of frames, image or URL; several at once"
    )


def add_data_root(parser: argparse.ArgumentParser):
    """Add the option `--data_root` of a list in `--data`."""
    parser.add_argument(
        "--data_root", metavar="DIR", help="folder of the relative paths in --data (default: the folder of the list)"
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


def add_windows(parser: argparse.ArgumentParser):
    """Add the options `--window` and `--stride`."""
    parser.add_argument(
        "--window",
        type=positive_number,
        metavar="SECONDS",
        help="length of a clip (default: as in training, at 25 frames per second; 2.56 for published models)",
    )
    parser.add_argument(
        "--stride",
        type=positive_number,
        metavar="SECONDS",
        help="time between the starts of two clips (default: half a window)",
    )


def add_section(parser: argparse.ArgumentParser):
    """Add the options `--start`, `--end`, `--stream` and `--frame_rate`."""
    parser.add_argument(
        "--start", metavar="TIME", help="begin at this time in each video: seconds, mm:ss or hh:mm:ss (default: 0)"
    )
    parser.add_argument(
        "--end", metavar="TIME", help="stop at this time in each video: seconds, mm:ss or hh:mm:ss (default: its end)"
    )
    parser.add_argument(
        "--stream",
        type=whole_number,
        metavar="N",
        help="number of the video stream in a file with several, as ffprobe counts (default: the first one that is "
        "not a cover picture)",
    )
    parser.add_argument(
        "--frame_rate", type=positive_number, metavar="F", help="frames per second of a folder of frames (default: 25)"
    )


def section_of(args: argparse.Namespace) -> dict:
    """The settings of reading that the options of `add_section` give.

    Raises:
        ValueError: If a time is wrong, or the end is not after the start.
    """
    from ..image_processing.decoding.section import SECTION, Section

    section = Section.of(args.start, args.end)
    settings = {name: getattr(args, name) for name in SECTION}
    settings = {name: value for name, value in settings.items() if value is not None}
    return settings | {name: getattr(section, name) for name in ("start", "end") if name in settings}


def add_no_cuts(parser: argparse.ArgumentParser):
    """Add the option `--no_cuts`."""
    parser.add_argument(
        "--no_cuts",
        action="store_true",
        help="do not look for hard cuts: windows go over them; for one long shot that is split by mistake",
    )


def add_device(parser: argparse.ArgumentParser):
    """Add the option `--device`."""
    parser.add_argument(
        "--device", metavar="D", help="cpu, cuda:1, mps, ... (default: an accelerator, if there is one)"
    )


def add_align(parser: argparse.ArgumentParser):
    """Add the option `--no_align`."""
    parser.add_argument(
        "--no_align", action="store_true", help="do not rotate and scale faces so that the eyes are level"
    )


def add_output(parser: argparse.ArgumentParser, help_text: str):
    """Add the options `--output`, a file, and `--overwrite`."""
    parser.add_argument("--output", metavar="FILE", required=True, help=help_text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def check_output(
    args: argparse.Namespace,
    suffixes: Sequence[str],
    beside: Sequence[Path] = (),
    name: str = "output",
    may_exist: bool = False,
):
    """Check the file that an option names, before anything long is computed.

    Args:
        args: Options, with `overwrite`.
        suffixes: Suffixes that the file may have.
        beside: Further files that will be written.
        name: Name of the option.
        may_exist: Whether files may be replaced without `--overwrite`.

    Raises:
        ValueError: If the suffix is wrong, or one of the files exists and may not be replaced.
    """
    output = Path(getattr(args, name))
    if output.suffix not in suffixes:
        raise ValueError(f"--{name} {output} should end in {' or '.join(suffixes)}.")
    for path in (output, *beside):
        if path.is_dir() or (path.exists() and not (args.overwrite or may_exist)):
            raise ValueError(f"'{path}' is there already. Choose another --{name}, or pass --overwrite.")
