"""`lgi-former predict`."""

import os
import sys
import tempfile
from pathlib import Path

from ..extras import require_extra
from ..messages import announce_if_slow, fail, first_line, note, shows_progress, silence_libraries
from . import predict_live
from .options import (
    FIGURE_SUFFIXES,
    MODEL_NAMES,
    VIDEO_SUFFIXES,
    add_device,
    add_reading,
    add_revision,
    check_output,
    positive_int,
    positive_number,
)


SUMMARY = "expressions in videos, over time"
EXAMPLE = "lgi-former predict videos/ a.mp4 --model outputs/finetuned --output results --annotate"


def add_arguments(parser):
    parser.add_argument(
        "videos",
        nargs="*",
        metavar="VIDEO",
        help="video file, image, URL or folder; several at once. A folder with images in it is one video: its frames. "
        "A folder without images stands for all videos in it and in its subfolders",
    )
    parser.add_argument("--model", metavar="DIR_OR_REPO", help=f"a fine-tuned or exported model: {MODEL_NAMES}")
    add_revision(parser)
    parser.add_argument("--sample", action="store_true", help="predict on a drawn clip, to try a model")
    add_device(parser)
    predict_live.add_arguments(parser)
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
        help="print one row per window, or per frame of a frame-level model; a video without a face has a row with a "
        "note",
    )
    group.add_argument(
        "--top_k", type=positive_int, metavar="K", help="show only the K highest overall scores, not for regression"
    )
    group.add_argument(
        "--output",
        metavar="DIR",
        help="write for each video a CSV file of its windows and a picture of its timeline, and one table of all "
        "videos, predictions.csv",
    )
    group.add_argument("--timeline", metavar="PNG", help="draw the scores over time (one video, without --output)")
    group.add_argument(
        "--annotate",
        nargs="?",
        const=True,
        metavar="MP4",
        help="write the video with its sound, faces and scores in it: a file for one video; with --output, no file "
        "name is given, and each video gets one",
    )
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(args) -> int:
    """Find and follow the faces in each video. Predict a score for each expression, or the quantities of a regression
    model, overall and in a window that slides over time. Every video is in the output: a video without a face has a
    note instead of scores. A video that cannot be read is reported on stderr, and with --json, --csv and --output also
    in the output. The exit status is 0 if all videos were read, with or without a face; 1 if some failed; 2 if nothing
    could be done."""
    predict_live.check(args)
    if args.live is not None:
        silence_libraries()
        return predict_live.predict_live(lambda: _load(args)[0], args)
    _check(args)
    if args.output is not None or args.timeline is not None or args.annotate is not None:
        require_extra("figures")
    silence_libraries()
    if not args.sample:
        return _predict(args.videos, args)
    from ..training.quickstart.sample_clip import write_sample_clip

    args.no_crop_faces = True  # the face of the sample fills the frame
    with tempfile.TemporaryDirectory() as folder:
        return _predict([str(write_sample_clip(os.path.join(folder, "sample.mp4")))], args)


def _check(args):
    if sys.stdout is None:
        args.parser.error("stdout is closed: redirect the results to a file, or to /dev/null if you do not need them")
    if not (args.sample or args.videos) and isinstance(args.annotate, str):
        args.parser.error(
            f"no video is given: --annotate takes '{args.annotate}' as the file to write. Name the videos first"
        )
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    if args.model is None:
        args.parser.error(f"--model is needed, a fine-tuned model: {MODEL_NAMES}")
    over_time = [
        f"--{name}" for name in ("window", "stride", "timeline", "annotate") if getattr(args, name) is not None
    ]
    if args.num_segments is not None and over_time:
        args.parser.error(f"--num_segments gives one answer for a whole video: leave out {', '.join(over_time)}")
    if args.num_segments is not None and not (args.no_crop_faces or args.sample):
        args.parser.error("--num_segments evaluates whole frames, as the paper does: add --no_crop_faces")
    if args.csv and args.top_k is not None:
        args.parser.error("--csv has a column for each label: leave out --top_k")
    _check_annotate(args)
    # The two lists share no suffix, so the two options cannot name the same file.
    for name, suffixes in (("timeline", FIGURE_SUFFIXES), ("annotate", VIDEO_SUFFIXES)):
        if getattr(args, name) not in (None, True):
            _check_file(name, suffixes, args)


def _check_annotate(args):
    if args.output is None:
        if args.annotate is True:
            args.parser.error("--annotate needs the name of a file, or --output DIR")
        return
    if args.timeline is not None:
        args.parser.error("--output draws the timeline of each video: leave out --timeline")
    if args.annotate not in (None, True):
        args.parser.error(
            f"with --output, --annotate takes no file name, but '{args.annotate}' follows it. The file is named after "
            "its video. Write --annotate last if this is a video"
        )


def _check_file(name: str, suffixes: tuple[str, ...], args):
    """Refuse a file that could not be written after the whole video is computed."""
    if len(args.videos) > 1:
        args.parser.error(f"--{name} is for one video. Name a folder with --output for several videos")
    try:
        check_output(args, suffixes, name=name)
    except ValueError as error:
        args.parser.exit(fail(str(error)))
    path = Path(getattr(args, name))
    if not path.parent.is_dir():
        sentence = f"--{name} {path}: there is no folder '{path.parent}'; make it, or choose another name"
        args.parser.exit(fail(sentence))


def _predict(arguments: list[str], args) -> int:
    """Find the videos, check all output files, load the model, predict. Returns the exit status."""
    with announce_if_slow("Loading the model ..."):
        from .find_videos import find_videos
        from .prediction_run import PredictionRun, planned_files

        try:
            found = find_videos(arguments, args.output)
            files = planned_files(found.videos, args)
        except ValueError as error:
            args.parser.exit(fail(str(error)))
        if found.skipped:
            note(_skipped_note(found.skipped))
        loaded = _load(args)
    return PredictionRun(*loaded, args).run(found.videos, files)


def _skipped_note(skipped: list[str]) -> str:
    if len(skipped) == 1:
        return f"'{skipped[0]}' is skipped, because it is neither a video nor an image."
    return f"{len(skipped)} files are skipped, because they are neither videos nor images, such as '{skipped[0]}'."


def _load(args) -> tuple:
    """A function from a video to its result, the columns of tables and the settings of reading.

    The settings of reading are checked first: a missing backend is refused once, not for each video.

    Raises:
        FacesExtraMissingError: If faces are to be cropped and the extra `faces` is not installed.
        ValueError: If a setting is impossible, or the model cannot be loaded.
    """
    from ..conversion import model_folder
    from ..image_processing import FaceCropper, FacesExtraMissingError, reading_of
    from ..image_processing.decoding.decoder_backends import chosen_backend
    from ..inference.loading import load_classifier
    from ..inference.prediction import answer_kind
    from .prediction_output import CsvColumns

    given = {"backend": args.backend, "frame_order": args.frame_order}
    given = {name: value for name, value in given.items() if value is not None}
    if args.backend is not None:
        chosen_backend(args.backend)
    try:
        cropper = None if args.no_crop_faces else FaceCropper()
        model, processor = load_classifier(model_folder(args.model, args.revision), args.device)
        kind = answer_kind(model.config)
        predict = _predictor(model, processor, cropper, args)
    except FacesExtraMissingError:
        raise
    except Exception as error:  # many libraries take part in loading
        message = first_line(error)
        name = "" if args.model in message else f"{args.model}: "
        raise ValueError(f"cannot load the model: {name}{message}") from error
    if args.top_k is not None and not kind.is_probability:
        raise ValueError(
            f"--top_k is for scores, but {args.model} estimates {', '.join(kind.labels)}: leave out --top_k"
        )
    return predict, CsvColumns(kind), reading_of(processor) | given


def _predictor(model, processor, cropper, args):
    """A function from a video to its result, for the views of the paper or for windows over time."""
    from ..hub.loading import set_reading
    from ..inference import FacialExpressionPipeline, predict_video
    from ..inference.prediction import answer_kind

    if args.num_segments is not None:
        set_reading(processor, args.backend, args.frame_order)
        fields = answer_kind(model.config).fields()
        return lambda video: vars(predict_video(model, processor, video, num_segments=args.num_segments)) | fields
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
        show_progress=shows_progress(),
    )
