"""Memory of a training step against VideoMAE-base: `python benchmarks/training_memory.py`.

Clips of 16 x 160 x 160, float32, sdpa, AdamW, LGI-Former with its stochastic depth of 0.1. Both models keep all
activations, or compute those of some or of all layers again (activation checkpointing). Counted on fake tensors, see
`fake_memory.py`. Prints a table and writes `results/training_memory.json`.
"""

import argparse

from fake_memory import training_memory
from record import record
from tqdm import tqdm
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification


NUM_LABELS = 7
# What is kept, and the arguments of `activation_checkpointing_enable` that do it.
KEPT = {
    "everything": None,
    "products": {"activation_checkpointing_kwargs": {"context_fn": "keep_products"}},
    "every second layer": {"every_n_layers": 2},
    "inputs of layers": {},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=8, help="clips of a step")
    arguments = parser.parse_args()
    shape = (arguments.batch_size, 16, 3, 160, 160)
    progress = tqdm(KEPT.items(), "Counting", leave=False)  # takes minutes
    results = {kept: measure(shape, options) for kept, options in progress}
    whole = results["everything"]["videomae"]["Total"]
    columns = ("kept", "LGI-Former", "of it activations", "VideoMAE-base", "of it activations")
    print("|", " | ".join([*columns, "LGI-Former / VideoMAE's everything"]), "|")
    print("| --- |" + " ---: |" * 5)
    for kept, row in results.items():
        cells = [f"{count:.0f} MiB" for model in row.values() for count in (model["Total"], model["Activation"])]
        cells += ["-"] * (4 - len(cells))  # VideoMAE knows no such name
        print(f"| {kept} |", " | ".join(cells), f"| {row['lgi_former']['Total'] / whole:.2f} |")
    record("training_memory", arguments, results)


def measure(shape: tuple[int, ...], options: dict | None) -> dict[str, dict]:
    """MiB of a step of either model."""
    ours = LGIFormerConfig(num_labels=NUM_LABELS, drop_path_rate=0.1)
    theirs = VideoMAEConfig(image_size=160, num_labels=NUM_LABELS)
    models = {"lgi_former": lambda: LGIFormerForVideoClassification(ours)}
    if options is None or "activation_checkpointing_kwargs" not in options:
        models["videomae"] = lambda: VideoMAEForVideoClassification(theirs)
    return {name: training_memory(make, shape, options) for name, make in models.items()}


if __name__ == "__main__":
    main()
