"""Seconds, memory and errors of calls on a device."""

import gc
import math
import statistics
import time
from collections.abc import Callable

import torch


SECONDS_OF_A_TURN = 0.05  # so long that waiting for the device does not matter
FEWEST_ROUNDS, MOST_ROUNDS = 3, 15


def wait(device: torch.device):
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(call: Callable, device: torch.device, times: int = 1) -> float:
    """Mean seconds of a call."""
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        call()
    wait(device)
    return (time.perf_counter() - start) / times


def in_turns(calls: dict[str, Callable], device: torch.device, seconds: float) -> dict[str, float]:
    """Median seconds of each call.

    The calls take turns. Every second round has the opposite order. A turn repeats a short call.

    Args:
        calls: Calls by name, already warmed up.
        seconds: Approximate time of all rounds.
    """
    once = {name: seconds_of(call, device) for name, call in calls.items()}
    turn = min(SECONDS_OF_A_TURN, seconds / 10)
    times = {name: max(1, math.ceil(turn / max(value, 1e-9))) for name, value in once.items()}
    round_seconds = sum(once[name] * times[name] for name in calls)
    rounds = min(max(int(seconds / round_seconds), FEWEST_ROUNDS), MOST_ROUNDS)
    measured = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: -1 if number % 2 else 1]:
            measured[name].append(seconds_of(calls[name], device, times[name]))
    return {name: statistics.median(values) for name, values in measured.items()}


def product(device: torch.device, rows: int, inner: int, columns: int, dtype=torch.bfloat16) -> Callable:
    """A product of two random matrices, (rows, inner) and (inner, columns)."""
    left = torch.randn(rows, inner, device=device).to(dtype)
    right = torch.randn(inner, columns, device=device).to(dtype)
    return lambda: left @ right


def allocated(device: torch.device) -> int:
    """Bytes of tensors on a GPU; 0 on a processor."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def peak_of(call: Callable, device: torch.device) -> int:
    """Bytes at the peak of a call on a GPU, including all other tensors; 0 on a processor."""
    if device.type != "cuda":
        call()
        return 0
    wait(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    wait(device)
    return torch.cuda.max_memory_allocated(device)


def captured(call: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """`call` as a CUDA graph, which starts all kernels at once. Each call returns the same tensor with new values."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries must allocate workspaces before the capture
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()

    def replay():
        graph.replay()
        return result

    return replay


def free(device: torch.device):
    """Delete compiled models and free unused memory."""
    torch.compiler.reset()  # otherwise a process compiles at most eight models
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reason(error: Exception) -> str:
    """Type and first line of an error."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
