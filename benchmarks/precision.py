"""What bfloat16 gains over float32: `python benchmarks/precision.py`.

A clip of 16 x 160 x 160 is classified by LGI-Former and by VideoMAE-base in both precisions, in turns in one process,
and so are products of matrices, which say what the machine gains at most. Prints a table and writes
`results/precision.json`.
"""

import argparse
import copy
import statistics

import torch
from interleaved import interleaved_seconds, ratio
from model_speed import MATRIX_SIZE, classifiers, classifying
from record import record


PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="whose seconds are added up in times"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lgi_former, videomae = classifiers()
    calls = {"LGI-Former": lgi_former, "VideoMAE-base": videomae, "products of matrices": Products()}
    results = {name: compare(module, arguments.rounds) for name, module in calls.items()}
    print("| what | bfloat16 | float32 | bfloat16 / float32 |\n| --- | ---: | ---: | ---: |")
    for name, result in results.items():
        print(f"| {name} | {result['bfloat16']:.3f} s | {result['float32']:.3f} s | {result['ratio']:.2f} |")
    record("precision", arguments, results)


class Products(torch.nn.Module):
    """Ten products of square matrices."""

    def __init__(self):
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.randn(MATRIX_SIZE, MATRIX_SIZE))

    def forward(self, clip):
        for _ in range(10):
            self.matrix @ self.matrix


def compare(module: torch.nn.Module, rounds: int) -> dict[str, float]:
    """Median seconds of a call in each precision, and their ratio."""
    clip = torch.randn(1, 16, 3, 160, 160)
    ways = {name: [classifying(copy.deepcopy(module).to(dtype), clip.to(dtype))] for name, dtype in PRECISIONS.items()}
    seconds = interleaved_seconds(ways, rounds)
    return {
        **{name: statistics.median(values) for name, values in seconds.items()},
        "ratio": ratio(seconds["bfloat16"], seconds["float32"]),
    }


if __name__ == "__main__":
    main()
