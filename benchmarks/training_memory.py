"""Memory of a training step against VideoMAE-base: `python benchmarks/training_memory.py`.

Clips have 16 x 160 x 160 pixels, in float32 with sdpa and AdamW, without stochastic depth, which needs a random part
less. Both models save all activations, or recompute some of them (activation checkpointing). Memory is counted on fake
tensors (`fake_memory.py`). Prints a table and writes `results/training_memory.json`.
"""

from fake_memory import training_memory
from measuring import make_parser, print_header, print_row, record
from tqdm import tqdm
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification


NUM_LABELS = 7
# Saved activations, and the arguments of `activation_checkpointing_enable`.
SAVED = {
    "everything": None,
    "products": {"activation_checkpointing_kwargs": {"context_fn": "keep_products"}},
    "every second layer": {"every_n_layers": 2},
    "inputs of layers": {},
}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--batch_size", type=int, default=8, help="clips of a step")
    arguments = parser.parse_args()
    shape = (arguments.batch_size, 16, 3, 160, 160)
    progress = tqdm(SAVED.items(), "Counting", leave=False)  # takes minutes
    results = {saved: measure(shape, options) for saved, options in progress}
    whole = results["everything"]["videomae"]["Total"]
    columns = ("saved", "LGI-Former", "its activations", "VideoMAE-base", "its activations")
    print_header([*columns, "LGI-Former / VideoMAE's everything"])
    for saved, row in results.items():
        cells = [f"{count:.0f} MiB" for model in row.values() for count in (model["Total"], model["Activation"])]
        cells += ["-"] * (4 - len(cells))  # VideoMAE has no option "keep_products"
        print_row([saved, *cells, f"{row['lgi_former']['Total'] / whole:.2f}"])
    record("training_memory", arguments, results)


def measure(shape: tuple[int, ...], options: dict | None) -> dict[str, dict]:
    """MiB of a step of both models."""
    ours = LGIFormerConfig(num_labels=NUM_LABELS)
    theirs = VideoMAEConfig(image_size=160, num_labels=NUM_LABELS)
    models = {"lgi_former": lambda: LGIFormerForVideoClassification(ours)}
    if options is None or "activation_checkpointing_kwargs" not in options:
        models["videomae"] = lambda: VideoMAEForVideoClassification(theirs)
    return {name: training_memory(make, shape, options) for name, make in models.items()}


if __name__ == "__main__":
    main()
