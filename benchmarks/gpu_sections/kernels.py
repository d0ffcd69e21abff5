"""The kernels of a step of each stage: the longest ones, kinds, launches and gaps."""

import re
from collections import defaultdict
from collections.abc import Iterator

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .setting import Setting
from .stages import make_step
from .throughput import COMPILED_BATCHES
from .timing import free, reason, wait


STEPS = 2  # the profiler is slow, and a step of training has thousands of kernels
LONGEST = 10
NAME_LENGTH = 110
NAMED = r"ProfilerStep|Optimizer\.|##|Torch-Compiled|CompiledF"
GAP = 10  # microseconds; queued kernels have shorter gaps
# The kind of a kernel is the first one whose pattern is in its name.
KINDS = {
    "fused by inductor": r"triton",  # first, because these names contain the names of the fused operations
    "attention": r"flash|fmha|attention|sdpa",
    "product": r"gemm|nvjet|cutlass|xmma|cublas|aten::(add)?(mm|bmm)|aten::baddbmm",
    "optimizer": r"adam|multi_tensor",
    "norm": r"layer_?norm",
    "copy": r"copy|memcpy|memset|cat",
    "softmax": r"softmax",
    "reduction": r"reduce",
    "elementwise": r"elementwise|vectorized",
}


def run(setting: Setting) -> Iterator[dict]:
    """Profile steps of LGI-Former, eager and compiled. An earlier section has filled Inductor's cache."""
    tasks = [("fine-tuning", "default"), ("inference", None), ("inference", "default"), ("fine-tuning", None)]
    # Compiling on a processor is slow, and the section "compiled" rehearses it.
    for stage, mode in setting.pick(tasks, tasks[1:2]):
        batch_size = setting.pick(COMPILED_BATCHES[stage], 2)
        name = f"lgi_former, {stage} of {batch_size} clips, {'eager' if mode is None else 'compiled'}"
        try:
            yield from _profiled(setting, name, make_step(setting, "lgi_former", stage, batch_size, mode))
        except Exception as error:
            yield {"table": "Steps", "step": name, "failed": reason(error)}
        free(setting.device)


def _profiled(setting, name, step):
    steps = setting.pick(STEPS, 1)
    for _ in range(setting.pick(3, 1)):
        step()
    wait(setting.device)
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if setting.on_gpu else [ProfilerActivity.CPU]
    with profile(activities=activities) as profiler:
        for _ in range(steps):
            step()
        wait(setting.device)
    kernels = _kernels(profiler, setting.on_gpu)
    yield {"table": "Steps", "step": name, **_summary(kernels, steps, _launches(profiler))}
    busy = sum(duration for _, _, duration in kernels)
    for table, key, most in ((f"Kinds: {name}", _kind, None), (f"Longest: {name}", _short_name, LONGEST)):
        times, counts = defaultdict(float), defaultdict(int)
        for kernel, _, duration in kernels:
            times[key(kernel)] += duration
            counts[key(kernel)] += 1
        for label in sorted(times, key=times.get, reverse=True)[:most]:
            yield {
                "table": table,
                "kernels": label,
                "ms a step": times[label] / steps / 1e3,
                "share of kernel time": times[label] / busy,
                "a step": counts[label] / steps,
            }


def _kernels(profiler, on_gpu) -> list[tuple[str, float, float]]:
    """Name, start and duration in microseconds of each kernel, or on a processor of each operation."""
    if on_gpu:
        events = [event for event in profiler.events() if event.device_type == DeviceType.CUDA]
        # Skip named ranges, such as a step of the optimiser. Their kernels have their own events.
        events = [event for event in events if not (event.is_user_annotation or re.match(NAMED, event.name))]
        return [(event.name, event.time_range.start, event.time_range.elapsed_us()) for event in events]
    return [(event.name, event.time_range.start, event.self_cpu_time_total) for event in profiler.events()]


def _launches(profiler) -> int:
    """Number of kernel and graph launches."""
    return sum(
        bool(re.search(r"Launch(Kernel|CooperativeKernel)|GraphLaunch", event.name)) for event in profiler.events()
    )


def _summary(kernels, steps, launches):
    """Kernels, launches and gaps between the first kernel and the end of the last one."""
    if not kernels:
        return {"failed": "the profiler recorded no kernel"}
    busy, gaps, long_gaps = 0.0, 0.0, 0.0
    spans = sorted((start, start + duration) for _, start, duration in kernels)
    end = spans[0][0]
    for start, stop in spans:
        gap = max(start - end, 0)
        gaps += gap
        long_gaps += gap if gap > GAP else 0
        busy += max(stop - max(start, end), 0)
        end = max(end, stop)
    whole = end - spans[0][0]
    return {
        "ms a step, profiled": whole / steps / 1e3,
        "kernels a step": len(kernels) / steps,
        "launches a step": launches / steps,
        "share of time without a kernel": gaps / whole,
        f"of it in gaps over {GAP} us": long_gaps / whole,
    }


def _kind(name: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, name, re.IGNORECASE)), "other")


def _short_name(name: str) -> str:
    name = name.replace("|", "/")
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 3]}..."
