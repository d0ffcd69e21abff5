"""Compiles what later sections run, all at once, so that these find it in the cache; and how long that takes."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Iterator

from . import latency
from .setting import FAMILIES, Setting
from .stages import make_step
from .throughput import COMPILED_BATCHES
from .timing import wait


def run(setting: Setting) -> Iterator[dict]:
    """One process a compiled step, all at the same time: compiling takes a core, hardly the GPU."""
    # Each process would take all cores for its kernels.
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = str(max(len(os.sched_getaffinity(0)) // 4, 1))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    tasks = [(stage, family) for stage in COMPILED_BATCHES for family in FAMILIES]
    tasks += [("latency", family) for family in FAMILIES]
    if setting.rehearse:
        tasks = [tasks[0], tasks[-1]]
    processes = [context.Process(target=_first_step, args=(setting, *task, results), daemon=True) for task in tasks]
    for process in processes:
        process.start()
    for _ in processes:
        yield {"table": "Cold, all at the same time", **results.get()}
    for process in processes:
        process.join()


def _first_step(setting, stage, family, results):
    row = {"stage": stage, "model": family}
    start = time.perf_counter()
    try:
        if stage == "latency":
            latency.make_call(setting, family, "reduce-overhead")()
        else:
            make_step(setting, family, stage, setting.pick(COMPILED_BATCHES[stage], 2), "default")()
        wait(setting.device)
    except Exception:
        row["failed"] = traceback.format_exc(limit=-3)[-400:]
    results.put({**row, "s": time.perf_counter() - start})
