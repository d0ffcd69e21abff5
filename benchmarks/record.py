"""Where benchmarks leave what they measured."""

import argparse
import json
import platform
from pathlib import Path

import torch


RESULTS = Path(__file__).parent / "results"


def record(name: str, arguments: argparse.Namespace, results: dict):
    """Write `results/NAME.json`: the machine, the command's arguments and what was measured."""
    content = {"machine": machine(), "arguments": vars(arguments), "results": results}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, str | int]:
    """What is timed on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
