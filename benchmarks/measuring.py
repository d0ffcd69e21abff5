"""Shared by the benchmarks: options, timing, counts, memory, tables and records of results."""

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from gpu_sections.machine import processor_name
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from tqdm import tqdm


RESULTS = Path(__file__).parent / "results"


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser whose help shows the description as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def parse_timing(parser: argparse.ArgumentParser, rounds: int) -> argparse.Namespace:
    """Parse with the options `--rounds` and `--threads`, and set the threads of torch."""
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of timing (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads; times are their sum")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def interleaved_seconds(
    ways: dict[str, list[Callable]], rounds: int, clock: Callable = time.process_time
) -> dict[str, list[float]]:
    """Seconds that each way takes in each round, by default of processor time (sum of all threads).

    The ways take turns: the first calls of all ways, then the second calls, and so on. Their order alternates. The
    first round is not counted.

    Args:
        ways: Calls by name, equally many for each way.
        rounds: Rounds that count.
        clock: Function that returns seconds.
    """
    seconds = {name: [] for name in ways}
    for round_ in tqdm(range(rounds + 1), "Rounds", leave=False):
        for name in ways:
            seconds[name].append(0.0)
        for number, calls in enumerate(zip(*ways.values(), strict=True)):
            for name, call in list(zip(ways, calls, strict=True))[:: -1 if (round_ + number) % 2 else 1]:
                start = clock()
                call()
                seconds[name][-1] += clock() - start
    return {name: values[1:] for name, values in seconds.items()}


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    """The median of each way's rounds."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def ratio(slower: list[float], faster: list[float]) -> float:
    """The median of the rounds' ratios of seconds."""
    return statistics.median(s / f for s, f in zip(slower, faster, strict=True))


def gmacs(call: Callable) -> float:
    """Billions of multiplications with additions in a call, including the backward pass if the call has one."""
    # By default torch counts the operations inside sdpa on GPUs only.
    on_cpu = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    with FlopCounterMode(display=False, custom_mapping=on_cpu) as counter:
        call()
    return counter.get_total_flops() / 2e9


def _attention(query, key, value, *_, **__):
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient, query, key, value, *_, **__):
    return sdpa_backward_flop_count(gradient, query, key, value)


def peak_memory() -> float:
    """Largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def print_header(columns: Iterable[str]):
    """Print the head of a Markdown table: text in the first column, numbers in the others."""
    columns = list(columns)
    print_row(columns)
    print("| --- |" + " ---: |" * (len(columns) - 1), flush=True)


def print_row(cells: Iterable):
    """Print a row of a Markdown table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def record(name: str, arguments: argparse.Namespace, results: dict):
    """Write the machine, the command's arguments and the results to `results/NAME.json`."""
    content = {"machine": machine(), "arguments": vars(arguments), "results": results}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, str | int]:
    """Processor, threads and versions."""
    return {
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
