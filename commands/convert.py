"""`lgi-former convert`."""

import argparse
import inspect
import os
import typing

from ..messages import fail, first_line, silence_libraries


SUMMARY = "a published MAE-DFER checkpoint to a Transformers model"


def add_arguments(parser):
    from ..configuration import DATASET_LABELS

    parser.usage = "%(prog)s [options] CHECKPOINT OUTPUT_DIR"  # listing every field would bury an error below it
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a .pth file of the published MAE-DFER code")
    parser.add_argument("output_dir", metavar="OUTPUT_DIR", help="directory to write the model and its processor to")
    parser.add_argument(
        "--dataset",
        choices=tuple(DATASET_LABELS),
        help="the dataset a checkpoint was fine-tuned on, which names its classes (default: the one that it tells of)",
    )
    parser.add_argument("--labels", type=_names, metavar="A,B,C", help="names of the classes, in order")
    parser.add_argument("--overwrite", action="store_true", help="write into an output directory that is not empty")
    parser.add_argument(
        "--config", metavar="DIR_OR_JSON", help="a configuration to take as it is, instead of inferring it"
    )
    fields = parser.add_argument_group(
        "configuration",
        "Fields of LGIFormerConfig that the checkpoint does not tell. The published model's values are the default.",
    )
    for name, annotation in _config_fields().items():
        fields.add_argument(f"--{name}", default=argparse.SUPPRESS, **_argument_of_type(annotation))


def run(args) -> int:
    """Convert a published MAE-DFER checkpoint, pre-trained or fine-tuned, to a directory that `from_pretrained` loads:
    config.json, model.safetensors, the video processor, and the code for where this package is not installed."""
    from huggingface_hub.errors import StrictDataclassError

    from ..conversion import convert_mae_dfer_checkpoint

    silence_libraries()
    config_fields = {name: getattr(args, name) for name in _config_fields() if hasattr(args, name)}
    try:
        output_dir = convert_mae_dfer_checkpoint(
            args.checkpoint,
            args.output_dir,
            config=None if args.config is None else _read_config(args.config),
            dataset=args.dataset,
            labels=args.labels,
            overwrite=args.overwrite,
            **config_fields,
        )
    except (OSError, ValueError, StrictDataclassError) as error:
        return fail(first_line(error))
    _print_conversion(output_dir)
    return 0


def _read_config(path: str):
    from ..configuration import LGIFormerConfig

    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist; --config takes a config.json or the directory that holds it.")
    return LGIFormerConfig.from_pretrained(path)


def _print_conversion(output_dir: os.PathLike):
    from ..configuration import LGIFormerConfig
    from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel

    model_classes = (LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel)
    config = LGIFormerConfig.from_pretrained(output_dir)
    model_class = next(known for known in model_classes if known.__name__ in config.architectures)
    model = model_class.from_pretrained(output_dir)
    print(f"Wrote {output_dir}: {model_class.__name__} with {model.num_parameters():,} parameters.")
    if model_class is LGIFormerForVideoClassification:
        print(f"Classes: {', '.join(config.id2label.values())}.")
        print(f"Try it: lgi-former predict VIDEO --model {output_dir}")
    else:
        print("It is pre-trained, not fine-tuned: AutoModelForVideoClassification gives it a new, untrained head.")


def _config_fields() -> dict[str, type]:
    from ..configuration import LGIFormerConfig

    return inspect.get_annotations(LGIFormerConfig)


def _argument_of_type(annotation) -> dict:
    """Keyword arguments of `add_argument` for a field of the configuration with this annotation."""
    from transformers.hf_argparser import string_to_bool

    types = typing.get_args(annotation) or (annotation,)
    if typing.get_origin(types[0]) is tuple:
        return {"nargs": 3, "type": int, "metavar": ("T", "H", "W")}
    parse = string_to_bool if types[0] is bool else types[0]
    if type(None) not in types:
        return {"type": parse, "metavar": types[0].__name__.upper()}

    def parse_or_none(text):
        return None if text.lower() == "none" else parse(text)

    return {"type": parse_or_none, "metavar": f"{types[0].__name__.upper()}|NONE"}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
