"""The `lgi-former` command.

Exit status: 0 if all was done, 1 if some of several videos failed, 2 if nothing could be done (wrong usage, a model or
checkpoint that cannot be loaded). Results go to stdout, everything else to stderr.

Whatever needs torch or Transformers is imported by the subcommand that needs it, so that `--help` is instant.
"""

import argparse
import importlib
import inspect
import json
import os
import sys
import tempfile
import typing

from . import __version__
from .command_line import SuggestsNearest, fail, first_line, spell_with_underscores


class _Parser(SuggestsNearest, argparse.ArgumentParser):
    """A parser that gets its arguments when it is first used, and suggests the nearest word for a misspelt one.

    Args:
        add_arguments: Called with the parser before it parses; may import what takes long.
    """

    def __init__(self, *args, add_arguments=None, **kwargs):
        super().__init__(*args, allow_abbrev=False, **kwargs)
        self.add_arguments = add_arguments

    def parse_known_args(self, args=None, namespace=None):
        if self.add_arguments is not None:
            self.add_arguments(self)
        return super().parse_known_args(args, namespace)


TRAINING_COMMANDS = {
    "pretrain": "masked autoencoding of unlabelled videos, by a recipe",
    "finetune": "a classifier from labelled videos, by a recipe; cross-validation",
    "evaluate": "UAR, WAR and predictions of a classifier on labelled videos",
}
"""Commands that are modules of `training`, for `accelerate launch -m`; they parse their own options."""


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, by default the process's, and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv and argv[0] in TRAINING_COMMANDS:
            return importlib.import_module(f".training.{argv[0]}", __package__).main(argv[1:])
        parser = _build_parser()
        args, unknown = parser.parse_known_args(spell_with_underscores(argv))
        if unknown:
            args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return args.run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="lgi-former",
        description="Facial expression recognition in videos with LGI-Former (MAE-DFER).",
        epilog="Option names may be spelt with hyphens or underscores.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, run, add_arguments, summary in (
        ("quickstart", _quickstart, _add_quickstart_arguments, "the whole method on drawn faces, within minutes"),
        ("predict", _predict, _add_predict_arguments, "expression probabilities of videos"),
        ("convert", _convert, _add_convert_arguments, "a published MAE-DFER checkpoint to a Transformers model"),
    ):
        command = commands.add_parser(name, help=summary, description=inspect.getdoc(run), add_arguments=add_arguments)
        command.set_defaults(run=run, parser=command)
    for name, summary in TRAINING_COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


def _add_quickstart_arguments(parser):
    parser.add_argument("--output", default="quickstart", metavar="DIR", help="a new folder (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=6.0, help="for everything together (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=0, help="of everything but the timing (default: %(default)s)")


def _quickstart(args) -> int:
    """Draw a corpus of faces, pre-train on its unlabelled part, fine-tune on its labelled part, and evaluate on people
    of neither. Two controls are trained on the same labels for as many steps: the same model from scratch, and the
    pre-trained one on single frames."""
    from .training.quickstart import quickstart
    from .training.report import REPORT_FILE, print_results

    try:
        outcome = quickstart(args.output, args.minutes, args.seed)
    except ValueError as error:
        return fail(first_line(error))
    print_results(outcome.figures)
    print(f"Report with figures: {os.path.join(args.output, REPORT_FILE)}")
    return 0


def _add_predict_arguments(parser):
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="video file, folder of frames, image or URL; several at once"
    )
    parser.add_argument("--model", metavar="DIR_OR_REPO", help="directory or Hub repository of a fine-tuned model")
    parser.add_argument("--sample", action="store_true", help="predict on a clip that is drawn on the spot")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("--top_k", type=_positive_int, metavar="K", help="show the K highest scores only")
    parser.add_argument(
        "--num_segments",
        type=_positive_int,
        metavar="S",
        help="average over S clips, evenly spaced in time (default: as the model's processor is set)",
    )
    parser.add_argument(
        "--device", metavar="D", help="cpu, cuda:1, mps, ... (default: an accelerator, if there is one)"
    )


def _predict(args) -> int:
    """Predict the probability of each expression in each video. A video that cannot be read is reported and the others
    are still done; the exit status is then 1."""
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    if args.model is None and not args.sample:
        args.parser.error("--model is needed: the directory or Hub repository of a fine-tuned model")
    _silence_libraries()
    if not args.sample:
        return _predict_each(args.videos, args.model, args)
    with tempfile.TemporaryDirectory() as folder:
        return _predict_each([_write_sample_clip(folder)], args.model or _save_untrained_classifier(folder), args)


def _write_sample_clip(folder: str) -> str:
    from .inference.sample_clip import write_sample_clip

    return str(write_sample_clip(os.path.join(folder, "sample.mp4")))


def _save_untrained_classifier(folder: str) -> str:
    """Write a small classifier with random weights, and its processor, to `folder`; say so; return the folder."""
    import torch

    from . import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor
    from .configuration import DATASET_LABELS

    print(
        "No --model was given, so this is a small model with random weights. It was never trained: its scores mean "
        "nothing.",
        file=sys.stderr,
    )
    torch.manual_seed(0)
    labels = dict(enumerate(DATASET_LABELS["dfew"]))
    config = LGIFormerConfig(hidden_size=64, num_hidden_layers=2, intermediate_size=128, id2label=labels)
    LGIFormerForVideoClassification(config).save_pretrained(folder)
    LGIFormerVideoProcessor().save_pretrained(folder)
    return folder


def _predict_each(videos: list[str], model_name_or_path: str, args) -> int:
    """Predict and print video by video; return the exit status."""
    from tqdm import tqdm

    from .inference import predict_video
    from .loading import load_classifier

    try:
        model, processor = load_classifier(model_name_or_path, args.device)
    except Exception as error:  # whatever is wrong with somebody's model or device, they are owed a sentence
        return fail(f"cannot load the model: {_with_name(model_name_or_path, first_line(error))}")
    failures = 0
    hide_progress = True if len(videos) == 1 else None  # None: unless stderr is a terminal
    for video in tqdm(videos, unit="video", disable=hide_progress):
        try:
            prediction = predict_video(model, processor, video, num_segments=args.num_segments)
        except Exception as error:  # one bad video of many must not cost the others
            failures += 1
            with tqdm.external_write_mode():
                _print_failure(video, error, args.json)
        else:
            scores = dict(list(prediction.scores.items())[: args.top_k])
            with tqdm.external_write_mode():
                _print_scores(video, scores, prediction.num_views, args.json)
    return 1 if failures else 0


def _print_scores(video: str, scores: dict[str, float], num_views: int, as_json: bool):
    if as_json:
        print(json.dumps({"video": video, "scores": scores, "num_views": num_views}), flush=True)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("expression", box=box.SIMPLE)
    table.add_column("score", justify="right")
    for label, score in scores.items():
        table.add_row(Text(label), f"{score:.4f}")
    console = Console(highlight=False)
    console.print(Text(video), soft_wrap=True)
    console.print(table)


def _print_failure(video: str, error: Exception, as_json: bool):
    message = first_line(error)
    if as_json:
        print(json.dumps({"video": video, "error": message}), flush=True)
    print(f"lgi-former: {_with_name(video, message)}", file=sys.stderr)


def _with_name(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def _add_convert_arguments(parser):
    from .configuration import DATASET_LABELS

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


def _convert(args) -> int:
    """Convert a published MAE-DFER checkpoint, pre-trained or fine-tuned, to a directory that `from_pretrained` loads:
    config.json, model.safetensors and the video processor."""
    from huggingface_hub.errors import StrictDataclassError

    from . import convert_mae_dfer_checkpoint

    _silence_libraries()
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
    from . import LGIFormerConfig

    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist; --config takes a config.json or the directory that holds it.")
    return LGIFormerConfig.from_pretrained(path)


def _print_conversion(output_dir: os.PathLike):
    from . import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel

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
    from .configuration import LGIFormerConfig

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


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _silence_libraries():
    """Leave stderr to our own messages."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()


if __name__ == "__main__":
    sys.exit(main())
