"""Measurements on a GPU, in minutes: `python benchmarks/gpu.py --output FOLDER`.

The most valuable sections run first. Each section has its own process with a time limit, so that a crash, a hang or a
lack of memory does not stop the others. `gpu.json` and `gpu.md` in the output folder are updated after each section.
They contain the traceback of a section that fails. `lgi_former` need not be installed.

`--rehearse` takes tiny models, also on a processor, and shows within two minutes that all sections run.
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
    """A module of `gpu_sections`, its function that yields rows, a title and a limit in seconds."""

    module: str
    function: str
    title: str
    limit: float


# The most valuable first. The first five fit into eight minutes. The other three were measured in the second run.
# The questions for the next run are in docs/gpu.md.
SECTIONS = {
    "matrix": Section("matrix", "run", "Rate of matrix products and of memory", 25),
    "compiled": Section("throughput", "run_compiled", "Throughput, both models compiled", 240),
    "latency": Section("latency", "run", "Latency of one clip", 60),
    "profile": Section("kernels", "run", "Profile", 95),
    "eager": Section("throughput", "run_eager", "Throughput over batch sizes, eager", 60),
    "training": Section("training", "run", "The base model trained on drawn faces", 150),
    "feeding": Section("feeding", "run", "Clips a second that the processor feeds", 60),
    "clip_length": Section("clip_length", "run", "Length of clips", 60),
}
SCRIPT = Path(__file__).resolve()
FEWEST_SECONDS = 12  # the imports of a section take so long
REHEARSAL_LIMIT = 60


def main(argv: list[str] | None = None) -> int:
    """Run the selected sections. The exit status is 1 if one failed."""
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
    parser.add_argument("--minutes", type=float, default=8.0, help="for all sections together (default: %(default)s)")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="default: all")
    parser.add_argument("--rehearse", action="store_true", help="tiny models, on a GPU or a processor")
    parser.add_argument("--commit", help="the measured commit (default: from git)")
    parser.add_argument("--child", nargs=3, metavar=("SECTION", "SECONDS", "FILE"), help=argparse.SUPPRESS)
    return parser


def start_section(name: str, limit: float, rehearse: bool) -> dict:
    """Run a section in its own process. End that process and its children at the limit."""
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
        section["traceback"] = f"The process ended with status {status}, without a traceback."
    return section


def _end(process):
    """End a process and its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_rows(file: Path) -> list[dict]:
    """The complete rows that a section wrote."""
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
