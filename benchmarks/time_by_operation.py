"""Where the time goes, LGI-Former beside VideoMAE-base: `python benchmarks/time_by_operation.py`.

torch's profiler on what `model_speed.py` times, in one thread. Prints a table for each: the operations' own times, as
shares of all of LGI-Former's, the longest first. Writes `results/time_by_operation.json`.
"""

import argparse
from collections.abc import Callable

import torch
from model_speed import eager_pairs
from record import record
from torch.profiler import ProfilerActivity, profile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5, help="how often each is called")
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
    """Milliseconds a call that each operation takes by itself, the longest first."""
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(num_calls):
            call()
    events = sorted(profiler.key_averages(), key=lambda event: event.self_cpu_time_total, reverse=True)
    return {event.key: event.self_cpu_time_total / 1000 / num_calls for event in events}


def table(name: str, lgi_former: dict[str, float], videomae: dict[str, float], longest: int) -> str:
    """The longest operations of LGI-Former, in Markdown."""
    whole = sum(lgi_former.values())
    lines = [f"| {name} | LGI-Former | VideoMAE-base |", "| --- | ---: | ---: |"]
    for operation in list(lgi_former)[:longest]:
        shares = (times.get(operation, 0) / whole for times in (lgi_former, videomae))
        lines.append(f"| `{operation}` | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    lines.append(f"| all | 100.0% | {sum(videomae.values()) / whole:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
