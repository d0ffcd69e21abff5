"""Time of each operation, LGI-Former against VideoMAE-base: `python benchmarks/time_by_operation.py`.

Profiles the calls of `model_speed.py` in one thread. Prints a table for each call, with the operations' own times as
shares of LGI-Former's total time, the longest first. Writes `results/time_by_operation.json`.
"""

from collections.abc import Callable

import torch
from measuring import make_parser, record
from model_speed import eager_pairs
from torch.profiler import ProfilerActivity, profile


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--calls", type=int, default=5, help="calls to profile")
    parser.add_argument("--batch_size", type=int, default=4, help="clips of a training step")
    parser.add_argument("--longest", type=int, default=12, help="operations in the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, (ours, theirs) in eager_pairs(arguments.batch_size).items():
        results[name] = {
            "lgi_former": own_times(ours, arguments.calls),
            "videomae": own_times(theirs, arguments.calls),
        }
        print(table(name, **results[name], longest=arguments.longest))
    record("time_by_operation", arguments, results)


def own_times(call: Callable, num_calls: int) -> dict[str, float]:
    """Milliseconds a call of each operation, without the operations that it calls, the longest first."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(num_calls):
            call()
    events = sorted(profiler.key_averages(), key=lambda event: event.self_cpu_time_total, reverse=True)
    return {event.key: event.self_cpu_time_total / 1000 / num_calls for event in events}


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
