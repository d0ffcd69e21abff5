"""Time in bfloat16 against float32: `python benchmarks/precision.py`.

LGI-Former and VideoMAE-base classify a clip of 16 x 160 x 160 in both precisions, in turns in one process. Products of
matrices show the largest possible gain on the machine. Prints a table and writes `results/precision.json`.
"""

import copy

import torch
from measuring import interleaved_seconds, make_parser, medians, parse_timing, print_header, print_row, ratio, record
from model_speed import MATRIX_SIZE, classifiers, classifying


PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main():
    arguments = parse_timing(make_parser(__doc__), rounds=9)
    lgi_former, videomae = classifiers()
    calls = {"LGI-Former": lgi_former, "VideoMAE-base": videomae, "products of matrices": Products()}
    results = {name: compare(module, arguments.rounds) for name, module in calls.items()}
    print_header(["what", "bfloat16", "float32", "bfloat16 / float32"])
    for name, result in results.items():
        print_row([name, f"{result['bfloat16']:.3f} s", f"{result['float32']:.3f} s", f"{result['ratio']:.2f}"])
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
    return medians(seconds) | {"ratio": ratio(seconds["bfloat16"], seconds["float32"])}


if __name__ == "__main__":
    main()
