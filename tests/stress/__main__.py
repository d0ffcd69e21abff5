"""Breaks commands and functions on purpose: `python tests/stress [TOOL ...] --minutes 30 --seed 0 --report FOLDER`.

`docs/testing.md` describes the tools. The exit status is 0 if nothing was wrong, else 1.
"""

import argparse
import importlib
import itertools
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path


WEIGHTS = {"kill": 0.4, "fuzz": 0.35, "disk": 0.15, "load": 0.1}
"""The share of the minutes that each tool gets."""

IMPORTED = ("cli", "predict", "embed", "prediction_list", "prediction_run")
SECONDS_BETWEEN_PROGRESS = 20


def main() -> int:
    """Run the tools one after the other."""
    args = _parse()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork of a process with such threads may hang
    with tempfile.TemporaryDirectory(prefix="lgi-former-stress-", ignore_cleanup_errors=True) as scratch:
        os.environ |= {"HF_HOME": os.path.join(scratch, "home"), "HF_HUB_OFFLINE": "0", "TQDM_DISABLE": "1"}
        _import_everything()
        from report import Report
        from workplace import Workplace

        report = Report(args.seed, Path(scratch), args.failures)
        workplace = Workplace(Path(scratch, "workplace"))
        for name in args.tools:
            seconds = 60 * args.minutes * WEIGHTS[name] / sum(WEIGHTS[tool] for tool in args.tools)
            _run_tool(name, report, workplace, seconds, args.case)
        command = shlex.join(["python", "tests/stress", *sys.argv[1:]])
        report.write(args.report, command)
    return 1 if report.wrong else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/stress", description=__doc__)
    parser.add_argument("tools", nargs="*", choices=[[], *WEIGHTS], metavar="TOOL", help=", ".join(WEIGHTS))
    parser.add_argument("--minutes", type=float, default=1.0, help="for all tools together (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all draws (default: 0)")
    parser.add_argument("--case", type=int, help="run only this case of one tool, to repeat a failure")
    parser.add_argument(
        "--report", type=Path, default="stress", metavar="FOLDER", help="for stress.md and stress.json"
    )
    parser.add_argument(
        "--failures", type=Path, metavar="FOLDER", help="for inputs that failed (default: in --report)"
    )
    args = parser.parse_args()
    args.tools = args.tools or list(WEIGHTS)
    if args.case is not None and len(args.tools) != 1:
        parser.error("--case is the number of a case of one tool: name the tool")
    args.failures = args.failures or args.report / "failures"
    return args


def _import_everything():
    """Import what commands need. The forks then start at once."""
    for name in IMPORTED:
        importlib.import_module(f"lgi_former.commands.{name}")
    for name in ("finetune", "pretrain", "evaluate", "preparation.faces", "preparation.shards.packing"):
        importlib.import_module(f"lgi_former.training.{name}")
    for name in ("lgi_former.registration", "lgi_former.conversion", "lgi_former.inference", "pandas", "onnxruntime"):
        importlib.import_module(name)


def _run_tool(name: str, report, workplace, seconds: float, case: int | None):
    """Run cases of a tool until its time is over, at least one."""
    report.tool, end, printed = name, time.monotonic() + seconds, 0.0
    tool = importlib.import_module(name).Tool(report, workplace)
    for report.case in itertools.count() if case is None else [case]:
        try:
            tool.run_case(report.case)
        except Exception as error:  # the other cases go on
            report.count("cases that could not be run", f"{type(error).__name__}: {error}")
        if time.monotonic() - printed > SECONDS_BETWEEN_PROGRESS:
            report.print_progress()
            printed = time.monotonic()
        if time.monotonic() > end:
            break
    report.print_progress()


if __name__ == "__main__":
    sys.exit(main())
