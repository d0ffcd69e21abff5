"""Cost of longer clips, LGI-Former against VideoMAE-base: `python benchmarks/clip_length.py`.

Both models take turns to classify a clip of 160 x 160 (float32, sdpa, random weights). Memory is counted on fake
tensors (`fake_memory.py`). Prints a table, draws `results/clip_length.png` and writes
`results/clip_length.json`.
"""

import matplotlib.pyplot as plt
import torch
from fake_memory import inference_memory, training_memory
from measuring import (
    RESULTS,
    gmacs,
    interleaved_seconds,
    make_parser,
    medians,
    parse_timing,
    print_header,
    print_row,
    record,
)
from model_speed import classifying
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification


NAMES = {"lgi_former": "LGI-Former", "videomae": "VideoMAE-base"}
# Key and title of each measure, in the order of the figure's panels.
MEASURES = {
    "gmacs": "GMACs of a clip",
    "seconds": "seconds of a clip",
    "inference_mib": "MiB of a clip, without weights",
    "training_mib": "MiB of a clip in training, without weights",
}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--num_frames", type=int, nargs="+", default=[16, 32, 64, 128])
    arguments = parse_timing(parser, rounds=5)
    results = {num_frames: measure(num_frames, arguments.rounds) for num_frames in arguments.num_frames}
    columns = [f"{NAMES[model]}: {meaning}" for meaning in MEASURES.values() for model in NAMES]
    print_header(["frames", *columns])
    for num_frames, row in results.items():
        print_row([num_frames, *(f"{row[measure][name]:.4g}" for measure in MEASURES for name in NAMES)])
    draw(results).savefig(RESULTS / "clip_length.png", dpi=100)
    record("clip_length", arguments, results)


def measure(num_frames: int, rounds: int) -> dict[str, dict[str, float]]:
    """All `MEASURES` of both models."""
    makers = {
        "lgi_former": lambda: LGIFormerForVideoClassification(LGIFormerConfig(num_frames=num_frames)).eval(),
        "videomae": lambda: VideoMAEForVideoClassification(
            VideoMAEConfig(image_size=160, num_frames=num_frames)
        ).eval(),
    }
    shape = (1, num_frames, 3, 160, 160)
    calls = {name: [classifying(make(), torch.randn(shape))] for name, make in makers.items()}
    return {
        "gmacs": {name: gmacs(calls[name][0]) for name in makers},
        "seconds": medians(interleaved_seconds(calls, rounds)),
        "inference_mib": {name: without_weights(inference_memory(make, shape)) for name, make in makers.items()},
        "training_mib": {name: without_weights(training_memory(make, shape)) for name, make in makers.items()},
    }


def without_weights(kinds: dict[str, float]) -> float:
    """MiB without weights, gradients and moments."""
    return kinds["Activation"] + kinds["Temp"]


def draw(results: dict[int, dict]) -> plt.Figure:
    """A panel for each measure with a curve for each model. Both axes are logarithmic."""
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
