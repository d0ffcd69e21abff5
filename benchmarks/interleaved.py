"""Timing of several ways to do the same thing, in one process and in turns."""

import statistics
import time
from collections.abc import Callable

from tqdm import tqdm


def interleaved_seconds(ways: dict[str, list[Callable]], rounds: int) -> dict[str, list[float]]:
    """Seconds of processor time, of all threads together, that each way takes in each round.

    Args:
        ways: By their names, equally many calls each. The first calls of all ways come one after another, then the
            second ones, and so on; every other time in the opposite order, in every other round the other way about.
        rounds: How often all calls are made, after a time that does not count.
    """
    seconds = {name: [] for name in ways}
    for round_ in tqdm(range(rounds + 1), "Rounds", leave=False):
        for name in ways:
            seconds[name].append(0.0)
        for number, calls in enumerate(zip(*ways.values(), strict=True)):
            for name, call in list(zip(ways, calls, strict=True))[:: -1 if (round_ + number) % 2 else 1]:
                start = time.process_time()
                call()
                seconds[name][-1] += time.process_time() - start
    return {name: values[1:] for name, values in seconds.items()}


def ratio(slower: list[float], faster: list[float]) -> float:
    """How many times as long one way takes: the median of the rounds' ratios."""
    return statistics.median(s / f for s, f in zip(slower, faster, strict=True))
