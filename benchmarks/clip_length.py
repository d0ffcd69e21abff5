"""What longer clips cost, LGI-Former against VideoMAE-base: `python benchmarks/clip_length.py`.

One clip of 160 x 160 is classified (float32, sdpa, random weights), both models in turns. Memory is counted on
fake tensors (`fake_memory.py`). Prints a table, draws `results/clip_length.png` and writes
`results/clip_length.json`.
"""

import argparse
import statistics

import matplotlib.pyplot as plt
import torch
from fake_memory import inference_memory, training_memory
from interleaved import interleaved_seconds
from model_speed import classifying
from operations import gmacs
from record import RESULTS, record
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification


NAMES = {"lgi_former": "LGI-Former", "videomae": "VideoMAE-base"}
# Unit and meaning of what is measured, in the order of the figure.
MEASURES = {
    "gmacs": "GMACs of a clip",
    "seconds": "seconds of a clip",
    "inference_mib": "MiB of a clip, without weights",
    "training_mib": "MiB of a clip in training, without weights",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_frames", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="whose seconds are added up in times"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {num_frames: measure(num_frames, arguments.rounds) for num_frames in arguments.num_frames}
    columns = [f"{NAMES[model]}: {meaning}" for meaning in MEASURES.values() for model in NAMES]
    print("| frames |", " | ".join(columns), "|")
    print("|" + " ---: |" * (1 + len(columns)))
    for num_frames, row in results.items():
        print(f"| {num_frames} |", " | ".join(f"{row[m][n]:.4g}" for m in MEASURES for n in NAMES), "|")
    draw(results).savefig(RESULTS / "clip_length.png", dpi=100)
    record("clip_length", arguments, results)


def measure(num_frames: int, rounds: int) -> dict[str, dict[str, float]]:
    """Each of `MEASURES` for both models."""
    makers = {
        "lgi_former": lambda: LGIFormerForVideoClassification(LGIFormerConfig(num_frames=num_frames)).eval(),
        "videomae": lambda: VideoMAEForVideoClassification(
            VideoMAEConfig(image_size=160, num_frames=num_frames)
        ).eval(),
    }
    shape = (1, num_frames, 3, 160, 160)
    calls = {name: [classifying(make(), torch.randn(shape))] for name, make in makers.items()}
    seconds = interleaved_seconds(calls, rounds)
    return {
        "gmacs": {name: gmacs(calls[name][0]) for name in makers},
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "inference_mib": {name: without_weights(inference_memory(make, shape)) for name, make in makers.items()},
        "training_mib": {name: without_weights(training_memory(make, shape)) for name, make in makers.items()},
    }


def without_weights(kinds: dict[str, float]) -> float:
    """MiB that are due to the clip: neither weights nor their gradients and moments."""
    return kinds["Activation"] + kinds["Temp"]


def draw(results: dict[int, dict]) -> plt.Figure:
    """Both models' curves, a panel for each measure, both axes logarithmic."""
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(4 * len(MEASURES), 3.6), layout="constrained")
    for panel, (measured, meaning) in zip(panels, MEASURES.items(), strict=True):
        for model, name in NAMES.items():
            panel.plot(list(results), [row[measured][model] for row in results.values()], marker="o", label=name)
        panel.set(xscale="log", yscale="log", xlabel="frames", title=meaning, xticks=list(results))
        panel.set_xticklabels(map(str, results))
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].legend()
    return figure


if __name__ == "__main__":
    main()
