"""Time of each operation, LGI-Former against VideoMAE-base: `python benchmarks/time_by_operation.py`.

Profiles the calls of `model_speed.py`, each with its smallest batch. Prints a table for each call, with the
operations' own times as shares of LGI-Former's total time, the longest first. Writes `results/time_by_operation.json`.
"""

from collections.abc import Callable

import torch
from measuring import make_parser, record
from model_speed import BATCH_SIZES, make_pair
from torch.profiler import ProfilerActivity, profile


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--calls", nargs="+", choices=BATCH_SIZES, default=list(BATCH_SIZES), help="what to profile")
    parser.add_argument("--repeats", type=int, default=5, help="profiled repeats of each call")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--longest", type=int, default=12, help="operations in the table")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {}
    for call in arguments.calls:
        ours, theirs = make_pair(call, min(BATCH_SIZES[call]))
        results[call] = {
            "lgi_former": own_times(ours, arguments.repeats),
            "videomae": own_times(theirs, arguments.repeats),
        }
        print(table(call, **results[call], longest=arguments.longest))
    record("time_by_operation", arguments, results)


def own_times(call: Callable, repeats: int) -> dict[str, float]:
    """Milliseconds a call of each operation, without the operations that it calls, the longest first."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            call()
    events = sorted(profiler.key_averages(), key=lambda event: event.self_cpu_time_total, reverse=True)
    return {event.key: event.self_cpu_time_total / 1000 / repeats for event in events}


def table(name: str, lgi_former: dict[str, float], videomae: dict[str, float], longest: int) -> str:
    """A Markdown table of LGI-Former's longest operations."""
    whole = sum(lgi_former.values())
    lines = [f"| {name} | LGI-Former | VideoMAE-base |", "| --- | ---: | ---: |"]
    for operation in list(lgi_former)[:longest]:
        shares = (times.get(operation, 0) / whole for times in (lgi_former, videomae))
        lines.append(f"| `{operation}` | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    lines.append(f"| all | 100.0% | {sum(videomae.values()) / whole:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
