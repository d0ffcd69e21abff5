"""Throughput and peak memory over batch sizes, against VideoMAE-base, eager and compiled."""

import time
from collections.abc import Iterator

from measuring import gmacs

from .matrix import matrix_product
from .setting import FAMILIES, Setting
from .stages import make_step
from .timing import allocated, captured, free, in_turns, peak_of, reason


# The first run measured more sizes. These show the effect of launches.
BATCHES = {"fine-tuning": (8, 64), "inference": (1, 128), "pre-training": (128,)}
COMPILED_BATCHES = {"inference": 128, "fine-tuning": 64}  # the one that compiles faster is first
NAMES = {"lgi_former": "LGI-Former", "videomae": "VideoMAE"}
# Targets: the share of the matrix rate, and the ratio of clips a second to VideoMAE.
TARGETS = {("fine-tuning", "compiled"): (0.45, 1.9), ("inference", "compiled"): (None, 2.0)}
SECONDS_OF_A_ROW = 1.2


def run_eager(setting: Setting) -> Iterator[dict]:
    """Each stage over its batch sizes. A stage ends when neither model fits."""
    flop = {}
    for stage, batch_sizes in BATCHES.items():
        for batch_size in setting.pick(batch_sizes, (1,)):
            row = compare(setting, stage, batch_size, None, flop)
            yield row
            if all(row.get(f"{NAMES[family]}, clips/s") is None for family in FAMILIES):
                break


def run_compiled(setting: Setting) -> Iterator[dict]:
    """Both stages, then a step of fine-tuning as a CUDA graph, which shows the time without launches."""
    flop = {}
    for stage in setting.pick(tuple(COMPILED_BATCHES), ("fine-tuning",)):
        yield compare(setting, stage, setting.pick(COMPILED_BATCHES[stage], 2), "default", flop)
    for mode in setting.pick((None, "default"), (None,)):
        yield _as_graphs(setting, "fine-tuning", setting.pick(COMPILED_BATCHES["fine-tuning"], 2), mode)


def _as_graphs(setting, stage, batch_size, mode):
    """Milliseconds of both models' steps as CUDA graphs. Inductor's cache has the compiled code."""
    kind = "eager" if mode is None else "compiled"
    row = {"table": "Steps as CUDA graphs, bf16 autocast", "step": f"{stage} of {batch_size} clips, {kind}"}
    steps = {}
    try:
        if not setting.on_gpu:
            raise RuntimeError("there is no GPU")
        for family in FAMILIES:
            steps[family] = captured(_warm(setting, family, stage, batch_size, mode))
        seconds = in_turns(steps, setting.device, SECONDS_OF_A_ROW)
        row |= {f"{NAMES[family]}, ms": 1e3 * seconds[family] for family in steps}
        row["LGI-Former / VideoMAE, clips/s"] = seconds["videomae"] / seconds["lgi_former"]
    except Exception as error:
        row["failed"] = reason(error).removeprefix("RuntimeError: ")
    steps.clear()
    free(setting.device)
    return row


def compare(setting: Setting, stage: str, batch_size: int, mode: str | None, flop: dict) -> dict:
    """Both models at one batch size, in turns with the matrix product. The row also holds errors.

    Args:
        flop: Cache for the operations of a clip, by stage and family.
    """
    kind = "eager" if mode is None else "compiled"
    row = {"table": f"{stage}, {kind}, bf16 autocast", "batch": batch_size}
    device = setting.device
    steps, own_bytes = {}, {}
    for family in FAMILIES:
        before, start = allocated(device), time.perf_counter()
        try:
            steps[family] = _warm(setting, family, stage, batch_size, mode)
            own_bytes[family] = allocated(device) - before
            if (stage, family) not in flop:
                flop[stage, family] = 2e9 * gmacs(make_step(setting, family, stage, 1))
        except Exception as error:  # the other model goes on
            steps.pop(family, None)
            row[f"{NAMES[family]}, failed"] = reason(error)
        if mode is not None:
            row[f"{NAMES[family]}, s to compile"] = time.perf_counter() - start
        free(device)
    peaks = _peaks(steps, own_bytes, row, device)
    if steps:
        product, product_flop = matrix_product(setting)
        product()
        calls = {**steps, "product": product}
        seconds = in_turns(calls, device, setting.pick(SECONDS_OF_A_ROW, 0.02))
        row |= _figures(seconds, peaks, batch_size, {f: flop[stage, f] for f in steps}, product_flop)
        row |= _targets(stage, kind, row)
    steps.clear()
    free(device)
    return row


def _warm(setting, family, stage, batch_size, mode):
    step = make_step(setting, family, stage, batch_size, mode)
    for _ in range(3):
        step()
    return step


def _peaks(steps, own_bytes, row, device):
    """GiB at the peak of each model's step, without the memory of the other model."""
    peaks = {}
    for family in list(steps):
        others = sum(own_bytes[other] for other in steps if other != family)
        try:
            peaks[family] = (peak_of(steps[family], device) - others) / 2**30
        except Exception as error:  # both models together do not fit
            del steps[family]
            row[f"{NAMES[family]}, failed"] = reason(error)
            free(device)
    return peaks


def _figures(seconds, peaks, batch_size, flop, product_flop):
    rate = product_flop / seconds["product"]
    figures = {}
    for family in flop:
        figures[f"{NAMES[family]}, ms"] = 1e3 * seconds[family]
    for family in flop:
        figures[f"{NAMES[family]}, clips/s"] = batch_size / seconds[family]
    if len(flop) == 2:
        figures["LGI-Former / VideoMAE, clips/s"] = seconds["videomae"] / seconds["lgi_former"]
    for family in flop:
        figures[f"{NAMES[family]}, share of the matrix rate"] = flop[family] * batch_size / seconds[family] / rate
    for family in flop:
        figures[f"{NAMES[family]}, peak GiB"] = peaks[family]
    figures["matrix rate, TFLOP/s"] = rate / 1e12
    return figures


def _targets(stage, kind, row):
    """The targets, and whether they are met."""
    share, ratio = TARGETS.get((stage, kind), (None, None))
    columns = {
        "target: share": ("LGI-Former, share of the matrix rate", share),
        "target: clips/s ratio": ("LGI-Former / VideoMAE, clips/s", ratio),
    }
    return {
        name: f">= {target}: {'met' if row[column] >= target else 'missed'}"
        for name, (column, target) in columns.items()
        if target is not None and column in row
    }
