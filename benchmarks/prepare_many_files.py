"""How long `lgi-former prepare voxceleb2` takes for many files, and how much memory.

    python benchmarks/prepare_many_files.py

makes a tree of files of a few bytes in VoxCeleb2's layout, 8 clips a video and 25 videos a speaker, and lists it in a
process of its own: without reading them (`--no_check`), once more, and with a record that says that all have been read
(then the files are counted and looked up in it, too).
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm


CLIPS, VIDEOS = 8, 25  # of a video, of a speaker
COLUMNS = "| files | run | seconds | MiB before | MiB at most | difference in MiB |"


def main():
    """Print a row of a table (in Markdown) for each number of files and each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--write_record", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure), args.check)))
        return
    if args.write_record:
        write_record(Path(args.write_record))
        return
    print(COLUMNS, "|" + " ---: |" * (COLUMNS.count("|") - 1), sep="\n")
    for number in args.files:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder), number)
            print_row(number, "not read", run("--measure", folder))
            print_row(number, "again", run("--measure", folder))
            run("--write_record", folder)
            print_row(number, "all read before", run("--measure", folder, "--check"))


def run(*options: str) -> str:
    """What this script prints with these options in a new process, whose memory nothing else has raised."""
    return subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE).stdout


def print_row(number: int, title: str, output: str):
    """Print what a run has measured."""
    found = json.loads(output)
    assert found["listed"] == number
    memory = [found["before"], found["peak"], found["peak"] - found["before"]]
    cells = [number, title, f"{found['seconds']:.1f}", *(f"{mebibytes:.1f}" for mebibytes in memory)]
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def write_tree(folder: Path, number: int):
    """Write `number` files, a multiple of 200."""
    speakers = range(number // (CLIPS * VIDEOS))
    for speaker, video in tqdm(itertools.product(speakers, range(VIDEOS)), "Writing", leave=False):
        video_folder = folder / "dev" / "mp4" / f"id{speaker:05d}" / f"video_{video:05d}"
        video_folder.mkdir(parents=True)
        for clip in range(CLIPS):
            (video_folder / f"{clip:05d}.mp4").write_bytes(b"a few bytes")


def write_record(folder: Path):
    """Write that all videos have been read."""
    from lgi_former.training.preparation.corpora.clip_folders import clips_below
    from lgi_former.training.preparation.corpora.readability import RECORD_FILE, ReadabilityRecord

    record = ReadabilityRecord(folder / "lists" / RECORD_FILE)
    for found in clips_below(folder / "dev" / "mp4", depth=3):
        record.add(found, {})


def measure(folder: Path, check: bool) -> dict:
    """List the clips; resident memory in MiB at most, before, when all is imported, and after."""
    from lgi_former.training.preparation.corpora.descriptions import CORPORA
    from lgi_former.training.preparation.corpora.preparation import PreparationOptions, prepare_unlabelled

    options = PreparationOptions(root=folder, output=folder / "lists")
    before, start = peak_memory(), time.time()
    found = prepare_unlabelled(CORPORA["voxceleb2"], options, check)
    return {"listed": found.num_found, "seconds": time.time() - start, "before": before, "peak": peak_memory()}


def peak_memory() -> float:
    """The most memory that this process has had so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
