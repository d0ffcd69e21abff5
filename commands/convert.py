"""`lgi-former convert`."""

import argparse
import math
import os

from ..configuration import DATASET_LABELS
from ..messages import command_line, print_step, silence_libraries, suggest, words_to_finetune
from .options import positive_int


SUMMARY = "a published MAE-DFER checkpoint to a Transformers model"
EXAMPLE = "lgi-former convert checkpoint.pth models/mae-dfer-dfew --dataset dfew"

_CONFIG_FIELDS = ("num_frames", "image_size", "region_size", "num_attention_heads", "decoder_num_attention_heads")


def add_arguments(parser):
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a .pth file of the published MAE-DFER code")
    parser.add_argument("output_dir", metavar="OUTPUT_DIR", help="directory to write the model and its processor to")
    parser.add_argument(
        "--dataset",
        choices=tuple(DATASET_LABELS),
        help="the data set of the fine-tuning, which names the classes (default: the checkpoint's own entry, if any)",
    )
    parser.add_argument("--labels", type=_names, metavar="A,B,C", help="names of the classes, in order")
    parser.add_argument("--overwrite", action="store_true", help="write into an output directory that is not empty")
    parser.add_argument(
        "--config",
        metavar="DIR_OR_JSON",
        help="the whole configuration of the model; nothing is inferred then. Use it for fields without an option",
    )
    fields = parser.add_argument_group(
        "configuration",
        "Values that a checkpoint may lack. The published model has the default values.",
    )

    def add(name, description, **options):
        fields.add_argument(f"--{name}", default=argparse.SUPPRESS, help=description, **options)

    add("num_frames", "frames of a clip (default: 16)", type=positive_int, metavar="FRAMES")
    add("image_size", "height and width of a frame in pixels (default: 160)", type=positive_int, metavar="PIXELS")
    add(
        "region_size",
        "tokens of a region along time, height and width (default: 2 5 10)",
        type=positive_int,
        nargs=3,
        metavar=("T", "H", "W"),
    )
    for name, part in (("num_attention_heads", "encoder"), ("decoder_num_attention_heads", "decoder")):
        add(name, f"attention heads of the {part} (default: its width / 64)", type=positive_int, metavar="HEADS")


def run(args) -> int:
    """Convert a published MAE-DFER checkpoint, pre-trained or fine-tuned, to a directory that `from_pretrained` loads.

    The authors' VideoMAE baseline becomes a VideoMAE of Transformers.

    It contains config.json, model.safetensors, the video processor, and code for machines without this package.
    """
    from ..conversion.convert import convert_checkpoint
    from ..hub.model_card import ModelFacts

    silence_libraries()
    conversion = convert_checkpoint(
        args.checkpoint,
        args.output_dir,
        ModelFacts(dataset=args.dataset),
        config=None if args.config is None else _read_config(args.config),
        labels=args.labels or DATASET_LABELS.get(args.dataset),
        overwrite=args.overwrite,
        **{name: getattr(args, name) for name in _CONFIG_FIELDS if hasattr(args, name)},
    )
    _print_conversion(conversion)
    return 0


def _read_config(path: str):
    from ..hub.loading import load_config

    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist. Give a config.json or its directory to --config.")
    return load_config(path)


def _print_conversion(conversion):
    from safetensors import safe_open

    from ..hub.loading import load_config
    from ..hub.model_kind import kind_of

    folder, release = conversion
    config = load_config(folder)
    with safe_open(folder / "model.safetensors", "pt") as weights:
        parameters = sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    print(f"Wrote {folder}: {config.architectures[0]} with {parameters:,} parameters.")
    if release is not None:
        print(f"By the options in the file, it is the authors' {release.name}, {release.link}")
    if kind_of(config.architectures) == "classifier":
        print(f"Classes: {', '.join(config.id2label.values())}.")
        print_step(f"Try it: {command_line('lgi-former', 'predict', 'VIDEO', '--model', str(folder))}")
    else:
        print("It is pre-trained, not fine-tuned: AutoModelForVideoClassification gives it a new, untrained head.")
        suggest(*words_to_finetune(str(folder)))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
