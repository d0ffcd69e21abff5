"""Everything that is worth measuring on a GPU, in minutes: `python benchmarks/gpu.py --output FOLDER`.

Sections run in order of their value, each in a process of its own with a time limit, so that a crash, a hang or a lack
of memory costs no more than its section. After each section, `gpu.json` and `gpu.md` in the output folder are written
anew. A section that fails leaves its traceback there, and the next one begins. `lgi_former` need not be installed.

`--rehearse` takes tiny models and a processor is enough: it shows within two minutes that every section runs.
"""

import argparse
import contextlib
import datetime
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from gpu_sections.importable import make_importable
from gpu_sections.machine import facts
from gpu_sections.report import write_report


@dataclass(frozen=True)
class Section:
    """A module of `gpu_sections`, its function that yields rows, its title and its limit in seconds."""

    module: str
    function: str
    title: str
    limit: float


# In the order of their value. The limits follow the first run on an H100, and add up to eight minutes.
# The questions for the next run are in docs/gpu.md.
SECTIONS = {
    "matrix": Section("matrix", "run", "Rate of matrix products and of memory", 15),
    "compiled": Section("throughput", "run_compiled", "Throughput, both models compiled", 165),
    "latency": Section("latency", "run", "Latency of one clip", 40),
    "training": Section("training", "run", "The base model trained on drawn faces", 150),
    "profile": Section("kernels", "run", "Profile", 35),
    "feeding": Section("feeding", "run", "Clips a second that the processor feeds", 30),
    "eager": Section("throughput", "run_eager", "Throughput over batch sizes, eager", 28),
    "clip_length": Section("clip_length", "run", "Length of clips", 17),
}
SCRIPT = Path(__file__).resolve()
FEWEST_SECONDS = 12  # a section with less does not get beyond its imports
REHEARSAL_LIMIT = 60


def main(argv: list[str] | None = None) -> int:
    """Run the sections that are asked for; the exit status is 1 if one failed."""
    arguments = _parser().parse_args(argv)
    make_importable()
    if arguments.child is not None:
        return run_section(*arguments.child, arguments.rehearse)
    arguments.output.mkdir(parents=True, exist_ok=True)
    started, sections = time.monotonic(), {}
    head = {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        **facts(arguments.commit, arguments.rehearse),
    }
    for name in arguments.sections:
        left = 60 * arguments.minutes - (time.monotonic() - started)
        limit = min(REHEARSAL_LIMIT if arguments.rehearse else SECTIONS[name].limit, left)
        sections[name] = start_section(name, limit, arguments.rehearse)
        print(f"{name}: {sections[name]['state']}, {sections[name]['seconds']:.0f} s", flush=True)
        head["time"] = f"{time.monotonic() - started:.0f} s of {60 * arguments.minutes:.0f} s"
        write_report(arguments.output, head, sections)
    return int(any(section["state"] == "failed" for section in sections.values()))


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, default=8.0, help="for everything together (default: %(default)s)")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="default: all")
    parser.add_argument("--rehearse", action="store_true", help="tiny models, on whatever device is there")
    parser.add_argument("--commit", help="what is measured (default: what git says)")
    parser.add_argument("--child", nargs=3, metavar=("SECTION", "SECONDS", "FILE"), help=argparse.SUPPRESS)
    return parser


def start_section(name: str, limit: float, rehearse: bool) -> dict:
    """Run a section in a process of its own, and end that process and its children at the limit."""
    section = {
        "title": SECTIONS[name].title,
        "state": "left out",
        "seconds": 0.0,
        "limit": max(limit, 0.0),
        "rows": [],
    }
    if limit < FEWEST_SECONDS:
        return section
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        command = [sys.executable, str(SCRIPT), "--output", folder]
        command += ["--child", name, str(limit), str(file), *(["--rehearse"] if rehearse else [])]
        start = time.monotonic()
        process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        try:
            status = process.wait(timeout=limit)
            section["state"] = "failed" if status else "done"
        except subprocess.TimeoutExpired:
            section["state"] = "stopped"
        finally:
            _end(process)
        section["seconds"] = time.monotonic() - start
        rows = read_rows(file)
    section["rows"] = [row for row in rows if "traceback" not in row]
    section["traceback"] = next((row["traceback"] for row in rows if "traceback" in row), None)
    if section["state"] == "failed" and section["traceback"] is None:
        section["traceback"] = f"The process ended with status {status}, without a word."
    return section


def _end(process):
    """End a process and everything in its group, which is its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_rows(file: Path) -> list[dict]:
    """The rows that a section wrote; one that was being written when it was stopped is left out."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def run_section(name: str, seconds: str, file: str, rehearse: bool) -> int:
    """Run a section in this process and write a line for each row."""
    with open(file, "w", encoding="utf-8") as rows:
        try:
            from gpu_sections.setting import Setting

            section = SECTIONS[name]
            module = importlib.import_module(f"gpu_sections.{section.module}")
            for row in getattr(module, section.function)(Setting(rehearse, float(seconds))):
                print(json.dumps(row), file=rows, flush=True)
        except BaseException:
            print(json.dumps({"traceback": traceback.format_exc()}), file=rows, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
