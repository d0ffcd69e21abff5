"""`lgi-former predict`."""

import os
import sys
import tempfile
from pathlib import Path

from ..extras import require_extra
from ..messages import discard_stdout, fail, first_line, silence_libraries
from .options import (
    FIGURE_SUFFIXES,
    VIDEO_SUFFIXES,
    add_device,
    add_reading,
    add_videos,
    check_output_of,
    positive_int,
    positive_number,
)


SUMMARY = "expressions in videos, over time"


def add_arguments(parser):
    add_videos(parser)
    parser.add_argument("--model", metavar="DIR_OR_REPO", help="directory or Hub repository of a fine-tuned model")
    parser.add_argument("--sample", action="store_true", help="predict on a drawn clip, to try the command")
    add_device(parser)
    _add_analysis_arguments(parser.add_argument_group("analysis"))
    _add_output_arguments(parser.add_argument_group("output"))


def _add_analysis_arguments(group):
    group.add_argument(
        "--no_crop_faces",
        action="store_true",
        help="classify whole frames; for videos that are already cropped to a face",
    )
    group.add_argument(
        "--window",
        type=positive_number,
        metavar="SECONDS",
        help="length of a clip (default: that of its frames at 25 per second; 2.56 for published models)",
    )
    group.add_argument(
        "--stride",
        type=positive_number,
        metavar="SECONDS",
        help="time between the starts of two clips (default: half a window)",
    )
    group.add_argument("--batch_size", type=positive_int, metavar="B", help="clips per batch (default: 8)")
    group.add_argument(
        "--frame_rate", type=positive_number, metavar="F", help="frames per second of a folder of frames (default: 25)"
    )
    add_reading(group)
    group.add_argument(
        "--num_segments",
        type=positive_int,
        metavar="S",
        help="with --no_crop_faces: average S clips evenly spaced in time, as the paper evaluates",
    )


def _add_output_arguments(group):
    formats = group.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print one JSON object per video")
    formats.add_argument(
        "--csv",
        action="store_true",
        help="print one row per window; a video without a face has a row with a note",
    )
    group.add_argument("--top_k", type=positive_int, metavar="K", help="show only the K highest overall scores")
    group.add_argument("--timeline", metavar="PNG", help="draw the scores over time (one video)")
    group.add_argument("--annotate", metavar="MP4", help="write the video with faces and scores in it (one video)")
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(args) -> int:
    """Find the faces in each video, follow them, and predict the probability of each expression, altogether and in a
    window that slides over time. Every video is in the output: one without a face has a note instead of scores. A
    video that cannot be read is reported on stderr, and with --json and --csv in the output too. The exit status is 0
    if all videos were read, faces or not; 1 if some failed, while the others are done; 2 if nothing could be done."""
    _check(args)
    if args.timeline is not None or args.annotate is not None:
        require_extra("figures")
    silence_libraries()
    if not args.sample:
        return _predict_each(args.videos, args.model, args)
    args.no_crop_faces = True  # the sample is a face that fills the frame
    with tempfile.TemporaryDirectory() as folder:
        return _predict_each([_write_sample_clip(folder)], args.model or _save_untrained_classifier(folder), args)


def _check(args):
    if sys.stdout is None:
        args.parser.error("stdout is closed: redirect the results to a file, or to /dev/null if you do not need them")
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    if args.model is None and not args.sample:
        args.parser.error("--model is needed: the directory or Hub repository of a fine-tuned model")
    over_time = {name: getattr(args, name) for name in ("window", "stride", "timeline", "annotate")}
    over_time = ", ".join(f"--{name}" for name, value in over_time.items() if value is not None)
    if args.num_segments is not None and over_time:
        args.parser.error(f"--num_segments gives one answer for a whole video: leave out {over_time}")
    if args.num_segments is not None and not (args.no_crop_faces or args.sample):
        args.parser.error("--num_segments evaluates whole frames, as the paper does: add --no_crop_faces")
    if args.csv and args.top_k is not None:
        args.parser.error("--csv has a column for each label: leave out --top_k")
    # No suffix is in both lists, so that the two options cannot name the same file.
    for option, path, suffixes in (
        ("--timeline", args.timeline, FIGURE_SUFFIXES),
        ("--annotate", args.annotate, VIDEO_SUFFIXES),
    ):
        if path is not None:
            _check_file(option, Path(path), suffixes, args)


def _check_file(option: str, path: Path, suffixes: tuple[str, ...], args):
    """Refuse a file that could not be written once the whole video is computed."""
    if len(args.videos) > 1:
        args.parser.error(f"{option} is for one video")
    try:
        check_output_of(option, path, suffixes, args.overwrite)
    except ValueError as error:
        args.parser.error(str(error))
    if not path.parent.is_dir():
        args.parser.error(f"{option} {path}: there is no folder '{path.parent}'; make it, or choose another name")


def _write_sample_clip(folder: str) -> str:
    from ..training.quickstart.sample_clip import write_sample_clip

    return str(write_sample_clip(os.path.join(folder, "sample.mp4")))


def _save_untrained_classifier(folder: str) -> str:
    """Write a small classifier with random weights, and its processor, to `folder`; say so; return the folder."""
    import torch

    from ..configuration import DATASET_LABELS, LGIFormerConfig
    from ..image_processing import LGIFormerVideoProcessor
    from ..modeling_lgi_former import LGIFormerForVideoClassification

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

    from ..hub.loading import load_classifier
    from ..image_processing import FaceCropper, FacesExtraMissingError, reading_of
    from ..inference.prediction import labels_of
    from .prediction_output import CsvPrinter, JsonPrinter, TablePrinter

    try:
        reading = _given_reading(args)
    except ValueError as error:
        return fail(first_line(error))
    try:
        cropper = None if args.no_crop_faces else FaceCropper()
        model, processor = load_classifier(model_name_or_path, args.device)
        labels = labels_of(model.config)
        predict = _predictor(model, processor, cropper, args)
        reading = reading_of(processor) | reading
    except FacesExtraMissingError as error:
        return fail(str(error))
    except Exception as error:  # whatever is wrong with somebody's model or device, they are owed a sentence
        return fail(f"cannot load the model: {_with_name(model_name_or_path, first_line(error))}")
    printer = CsvPrinter(labels) if args.csv else JsonPrinter(args.top_k) if args.json else TablePrinter(args.top_k)
    failures = 0
    hide_progress = True if len(videos) == 1 else None  # None: unless stderr is a terminal
    for video in tqdm(videos, unit="video", disable=hide_progress):
        result, failure = _result_or_failure(predict, video)
        try:
            with tqdm.external_write_mode():
                if failure is None:
                    printer.print_result(result)
                else:
                    printer.print_failure(video, first_line(failure))
        except BrokenPipeError:
            raise  # `main` ends quietly: the reader needs no more
        except OSError as error:  # a full disk fails for every further video, too
            discard_stdout()
            return fail(f"stdout cannot be written: {error.strerror}. The results of '{video}' and later are lost.")
        if failure is None:
            failure = _failure_of_files(video, result, reading, args)
        if failure is not None:
            failures += 1
            with tqdm.external_write_mode():
                _report(video, failure)
    return 1 if failures else 0


def _result_or_failure(predict, video: str) -> tuple[dict | None, Exception | None]:
    try:
        return predict(video), None
    except Exception as error:  # the other videos must still be predicted
        return None, error


def _failure_of_files(video: str, result: dict, reading: dict, args) -> Exception | None:
    try:
        _write_files(video, result, reading, args)
    except Exception as error:  # the prediction is already printed
        return error


def _given_reading(args) -> dict:
    """How videos are read, where an option says so.

    Raises:
        ValueError: If the backend is not installed. This is refused once, not for each video.
    """
    from ..image_processing.decoding.decoder_backends import chosen_backend

    if args.backend is not None:
        chosen_backend(args.backend)
    reading = {"backend": args.backend, "frame_order": args.frame_order}
    return {name: value for name, value in reading.items() if value is not None}


def _predictor(model, processor, cropper, args):
    """A function from a video to its result: by the published views, or by windows over time."""
    from ..hub.loading import set_reading
    from ..inference import FacialExpressionPipeline, predict_video

    if args.num_segments is not None:
        set_reading(processor, args.backend, args.frame_order)
        return lambda video: vars(predict_video(model, processor, video, num_segments=args.num_segments))
    return FacialExpressionPipeline(
        model=model,
        video_processor=processor,
        face_cropper=cropper,
        device=model.device,
        batch_size=args.batch_size,
        crop_faces=cropper is not None,
        window=args.window,
        stride=args.stride,
        frame_rate=args.frame_rate,
        backend=args.backend,
        frame_order=args.frame_order,
        return_boxes=args.annotate is not None,
        show_progress=sys.stderr.isatty(),
    )


def _report(video: str, error: Exception):
    print(f"lgi-former: {_with_name(video, first_line(error))}", file=sys.stderr)


def _write_files(video: str, result: dict, reading: dict, args):
    if args.timeline is not None:
        from ..inference.timeline_figure import draw_timeline

        draw_timeline(result, title=os.path.basename(video)).savefig(args.timeline, dpi=150)
    if args.annotate is not None:
        from ..inference.annotated_video import annotate_video

        annotate_video(video, result, args.annotate, args.frame_rate, show_progress=sys.stderr.isatty(), **reading)


def _with_name(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"
