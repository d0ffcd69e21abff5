"""Results of `lgi-former quickstart` over seeds, and its time: `python benchmarks/quickstart.py`.

Each seed runs in its own process. Prints a Markdown table, a row as soon as its run ends, and writes
`results/quickstart.json`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import record


COLUMNS = ("seed", "pre-trained", "from scratch", "difference", "CPU seconds", "minutes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="the quick plan")
    arguments = parser.parse_args()
    print("|", " | ".join(COLUMNS), "|\n|", " | ".join(["---:"] * len(COLUMNS)), "|", flush=True)
    runs = []
    for seed in arguments.seeds:
        figures = run(seed, arguments.quick)
        pretrained, scratch = figures["pre-trained"], figures["from scratch"]
        shares = " | ".join(f"{share:.1%}" for share in (pretrained, scratch, pretrained - scratch))
        print(f"| {seed} | {shares} | {figures['cpu']:.0f} | {figures['minutes']:.1f} |", flush=True)
        runs.append(figures)
    record("quickstart", arguments, {"runs": runs})


def run(seed: int, quick: bool) -> dict:
    """UAR of both classifiers, CPU seconds and minutes of one quickstart."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "quickstart")
        command = [sys.executable, "-m", "lgi_former", "quickstart", "--output", str(output), "--seed", str(seed)]
        cpu, start = _cpu_seconds(), time.monotonic()
        subprocess.run([*command, *["--quick"] * quick], check=True, stdout=subprocess.DEVNULL)
        minutes = (time.monotonic() - start) / 60
        metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    uars = {name: figures["uar"] for name, figures in metrics["figures"].items()}
    return {"seed": seed, **uars, "cpu": _cpu_seconds() - cpu, "minutes": minutes, "seconds": metrics["seconds"]}


def _cpu_seconds() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
