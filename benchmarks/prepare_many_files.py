"""Time and memory of `lgi-former prepare voxceleb2` for many files: `python benchmarks/prepare_many_files.py`.

Writes small files in VoxCeleb2's layout, 8 clips a video and 25 videos a speaker. Then it lists them three times, each
time in a new process: without reading files (`--no_check`), again, and with a record that all files were read before.
Prints a table.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import make_parser, peak_memory, print_header, print_row
from tqdm import tqdm


CLIPS, VIDEOS = 8, 25  # clips of a video, videos of a speaker


def main():
    """Print a row of a table for each number of files and each run."""
    parser = make_parser(__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)  # for the process of a run
    parser.add_argument("--write_record", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure), args.check)))
        return
    if args.write_record:
        write_record(Path(args.write_record))
        return
    print_header(["files", "run", "seconds", "MiB before", "MiB at most", "difference in MiB"])
    for number in args.files:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder), number)
            print_run(number, "not read", run("--measure", folder))
            print_run(number, "again", run("--measure", folder))
            run("--write_record", folder)
            print_run(number, "all read before", run("--measure", folder, "--check"))


def run(*options: str) -> str:
    """Output of this script with these options, in a new process."""
    return subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE).stdout


def print_run(number: int, title: str, output: str):
    """Print the row of a run."""
    found = json.loads(output)
    assert found["listed"] == number
    memory = [found["before"], found["peak"], found["peak"] - found["before"]]
    print_row([number, title, f"{found['seconds']:.1f}", *(f"{mebibytes:.1f}" for mebibytes in memory)])


def write_tree(folder: Path, number: int):
    """Write `number` files, a multiple of 200."""
    speakers = range(number // (CLIPS * VIDEOS))
    for speaker, video in tqdm(itertools.product(speakers, range(VIDEOS)), "Writing", leave=False):
        video_folder = folder / "dev" / "mp4" / f"id{speaker:05d}" / f"video_{video:05d}"
        video_folder.mkdir(parents=True)
        for clip in range(CLIPS):
            (video_folder / f"{clip:05d}.mp4").write_bytes(b"a few bytes")


def write_record(folder: Path):
    """Write a record that all videos were read."""
    from lgi_former.training.preparation.corpora.clip_folders import clips_below
    from lgi_former.training.preparation.corpora.readability import RECORD_FILE, ReadabilityRecord

    record = ReadabilityRecord(folder / "lists" / RECORD_FILE)
    for found in clips_below(folder / "dev" / "mp4", depth=3):
        record.add(found, {})


def measure(folder: Path, check: bool) -> dict:
    """List the clips. Returns their number, seconds, and the peak of resident MiB before and after."""
    from lgi_former.training.preparation.corpora.descriptions import CORPORA
    from lgi_former.training.preparation.corpora.preparation import PreparationOptions, prepare_unlabelled

    options = PreparationOptions(root=folder, output=folder / "lists")
    before, start = peak_memory(), time.time()
    found = prepare_unlabelled(CORPORA["voxceleb2"], options, check)
    return {"listed": found.num_found, "seconds": time.time() - start, "before": before, "peak": peak_memory()}


if __name__ == "__main__":
    main()
