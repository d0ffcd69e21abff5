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
    check_output,
    positive_int,
    positive_number,
)


SUMMARY = "expressions in videos, over time"
EXAMPLE = "lgi-former predict video.mp4 --model outputs/finetuned --timeline timeline.png"


def add_arguments(parser):
    add_videos(parser)
    parser.add_argument("--model", metavar="DIR_OR_REPO", help="directory or Hub repository of a fine-tuned model")
    parser.add_argument("--sample", action="store_true", help="predict on a drawn clip, to try a model")
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
        help="length of a clip (default: as in training, at 25 frames per second; 2.56 for published models)",
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
    """Find and follow the faces in each video. Predict the probability of each expression, overall and in a window
    that slides over time. Every video is in the output: a video without a face has a note instead of scores. A video
    that cannot be read is reported on stderr, and with --json and --csv also in the output. The exit status is 0 if
    all videos were read, with or without a face; 1 if some failed; 2 if nothing could be done."""
    _check(args)
    if args.timeline is not None or args.annotate is not None:
        require_extra("figures")
    silence_libraries()
    if not args.sample:
        return _predict_each(args.videos, args)
    from ..training.quickstart.sample_clip import write_sample_clip

    args.no_crop_faces = True  # the face of the sample fills the frame
    with tempfile.TemporaryDirectory() as folder:
        return _predict_each([str(write_sample_clip(os.path.join(folder, "sample.mp4")))], args)


def _check(args):
    if sys.stdout is None:
        args.parser.error("stdout is closed: redirect the results to a file, or to /dev/null if you do not need them")
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    if args.model is None:
        args.parser.error("--model is needed: the directory or Hub repository of a fine-tuned model")
    over_time = [
        f"--{name}" for name in ("window", "stride", "timeline", "annotate") if getattr(args, name) is not None
    ]
    if args.num_segments is not None and over_time:
        args.parser.error(f"--num_segments gives one answer for a whole video: leave out {', '.join(over_time)}")
    if args.num_segments is not None and not (args.no_crop_faces or args.sample):
        args.parser.error("--num_segments evaluates whole frames, as the paper does: add --no_crop_faces")
    if args.csv and args.top_k is not None:
        args.parser.error("--csv has a column for each label: leave out --top_k")
    # The two lists share no suffix, so the two options cannot name the same file.
    for name, suffixes in (("timeline", FIGURE_SUFFIXES), ("annotate", VIDEO_SUFFIXES)):
        if getattr(args, name) is not None:
            _check_file(name, suffixes, args)


def _check_file(name: str, suffixes: tuple[str, ...], args):
    """Refuse a file that could not be written after the whole video is computed."""
    if len(args.videos) > 1:
        args.parser.error(f"--{name} is for one video")
    try:
        check_output(args, suffixes, name=name)
    except ValueError as error:
        args.parser.error(str(error))
    path = Path(getattr(args, name))
    if not path.parent.is_dir():
        args.parser.error(f"--{name} {path}: there is no folder '{path.parent}'; make it, or choose another name")


def _predict_each(videos: list[str], args) -> int:
    """Predict and print video by video. Returns the exit status."""
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
        model, processor = load_classifier(args.model, args.device)
        labels = labels_of(model.config)
        predict = _predictor(model, processor, cropper, args)
        reading = reading_of(processor) | reading
    except FacesExtraMissingError as error:
        return fail(str(error))
    except Exception as error:  # many libraries take part in loading
        return fail(f"cannot load the model: {_with_name(args.model, first_line(error))}")
    printer = CsvPrinter(labels) if args.csv else JsonPrinter() if args.json else TablePrinter()
    failures = 0
    hide_progress = True if len(videos) == 1 else None  # None hides it unless stderr is a terminal
    for video in tqdm(videos, unit="video", disable=hide_progress):
        result, failure = _attempt(predict, video)
        try:
            with tqdm.external_write_mode():
                if failure is None:
                    scores = result["scores"] and dict(list(result["scores"].items())[: args.top_k])
                    printer.print_result(result | {"scores": scores})
                else:
                    printer.print_failure(video, first_line(failure))
        except BrokenPipeError:
            raise  # `main` handles it
        except OSError as error:  # a full disk fails for all later videos too
            discard_stdout()
            return fail(f"stdout cannot be written: {error.strerror}. The results of '{video}' and later are lost.")
        if failure is None:
            _, failure = _attempt(_write_files, video, result, reading, args)
        if failure is not None:
            failures += 1
            with tqdm.external_write_mode():
                fail(_with_name(video, first_line(failure)))
    return 1 if failures else 0


def _attempt(function, *arguments):
    """The result of a function, or None, and its error, or None. An error must not stop the other videos."""
    try:
        return function(*arguments), None
    except Exception as error:
        return None, error


def _given_reading(args) -> dict:
    """The options of `add_reading` that were given.

    Raises:
        ValueError: If the backend is not installed. This is refused once, not for each video.
    """
    from ..image_processing.decoding.decoder_backends import chosen_backend

    if args.backend is not None:
        chosen_backend(args.backend)
    reading = {"backend": args.backend, "frame_order": args.frame_order}
    return {name: value for name, value in reading.items() if value is not None}


def _predictor(model, processor, cropper, args):
    """A function from a video to its result, for the views of the paper or for windows over time."""
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


def _write_files(video: str, result: dict, reading: dict, args):
    if args.timeline is not None:
        from ..inference.timeline_figure import draw_timeline

        draw_timeline(result, title=os.path.basename(video)).savefig(args.timeline, dpi=150)
    if args.annotate is not None:
        from ..inference.annotated_video import annotate_video

        annotate_video(video, result, args.annotate, args.frame_rate, show_progress=sys.stderr.isatty(), **reading)


def _with_name(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"
