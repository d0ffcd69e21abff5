"""`lgi-former predict`."""

import json
import os
import sys
import tempfile

from ..command_line import fail, first_line, positive_int, silence_libraries


SUMMARY = "expression probabilities of videos"


def add_arguments(parser):
    parser.add_argument(
        "videos", nargs="*", metavar="VIDEO", help="video file, folder of frames, image or URL; several at once"
    )
    parser.add_argument("--model", metavar="DIR_OR_REPO", help="directory or Hub repository of a fine-tuned model")
    parser.add_argument("--sample", action="store_true", help="predict on a clip that is drawn on the spot")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("--top_k", type=positive_int, metavar="K", help="show the K highest scores only")
    parser.add_argument(
        "--num_segments",
        type=positive_int,
        metavar="S",
        help="average over S clips, evenly spaced in time (default: as the model's processor is set)",
    )
    parser.add_argument(
        "--device", metavar="D", help="cpu, cuda:1, mps, ... (default: an accelerator, if there is one)"
    )


def run(args) -> int:
    """Predict the probability of each expression in each video. A video that cannot be read is reported and the others
    are still done; the exit status is then 1."""
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    if args.model is None and not args.sample:
        args.parser.error("--model is needed: the directory or Hub repository of a fine-tuned model")
    silence_libraries()
    if not args.sample:
        return _predict_each(args.videos, args.model, args)
    with tempfile.TemporaryDirectory() as folder:
        return _predict_each([_write_sample_clip(folder)], args.model or _save_untrained_classifier(folder), args)


def _write_sample_clip(folder: str) -> str:
    from ..inference.sample_clip import write_sample_clip

    return str(write_sample_clip(os.path.join(folder, "sample.mp4")))


def _save_untrained_classifier(folder: str) -> str:
    """Write a small classifier with random weights, and its processor, to `folder`; say so; return the folder."""
    import torch

    from .. import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor
    from ..configuration import DATASET_LABELS

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

    from ..inference import predict_video
    from ..loading import load_classifier

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
