"""`lgi-former convert`."""

import argparse
import os

from ..messages import fail, first_line, silence_libraries
from .options import positive_int


SUMMARY = "a published MAE-DFER checkpoint to a Transformers model"

_CONFIG_FIELDS = ("num_frames", "image_size", "region_size", "num_attention_heads", "decoder_num_attention_heads")


def add_arguments(parser):
    from ..configuration import DATASET_LABELS

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

    It contains config.json, model.safetensors, the video processor, and code for machines without this package.
    """
    from huggingface_hub.errors import StrictDataclassError

    from ..conversion import convert_mae_dfer_checkpoint

    silence_libraries()
    try:
        output_dir = convert_mae_dfer_checkpoint(
            args.checkpoint,
            args.output_dir,
            config=None if args.config is None else _read_config(args.config),
            dataset=args.dataset,
            labels=args.labels,
            overwrite=args.overwrite,
            **{name: getattr(args, name) for name in _CONFIG_FIELDS if hasattr(args, name)},
        )
    except (OSError, ValueError, StrictDataclassError) as error:
        return fail(first_line(error))
    _print_conversion(output_dir)
    return 0


def _read_config(path: str):
    from ..configuration import LGIFormerConfig

    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist. Give a config.json or its directory to --config.")
    return LGIFormerConfig.from_pretrained(path)


def _print_conversion(output_dir: os.PathLike):
    from .. import modeling_lgi_former
    from ..configuration import LGIFormerConfig

    config = LGIFormerConfig.from_pretrained(output_dir)
    model_class = getattr(modeling_lgi_former, config.architectures[0])
    model = model_class.from_pretrained(output_dir)
    print(f"Wrote {output_dir}: {model_class.__name__} with {model.num_parameters():,} parameters.")
    if model_class.__name__ == "LGIFormerForVideoClassification":
        print(f"Classes: {', '.join(config.id2label.values())}.")
        print(f"Try it: lgi-former predict VIDEO --model {output_dir}")
    else:
        print("It is pre-trained, not fine-tuned: AutoModelForVideoClassification gives it a new, untrained head.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
