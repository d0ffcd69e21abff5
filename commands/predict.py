"""`lgi-former predict`."""

import os
import sys
import tempfile
from pathlib import Path

from ..extras import require_extra
from ..messages import announce_if_slow, fail, note, shows_progress, silence_libraries
from . import predict_live
from .options import (
    FIGURE_SUFFIXES,
    MODEL_NAMES,
    VIDEO_SUFFIXES,
    add_align,
    add_data_root,
    add_device,
    add_no_cuts,
    add_reading,
    add_revision,
    add_section,
    add_shard,
    add_windows,
    check_output,
    check_shard,
    positive_int,
    section_of,
    whole_number,
)


SUMMARY = "expressions in videos, over time"
EXAMPLE = "lgi-former predict videos/ a.mp4 --model outputs/finetuned --output results --annotate"

LONG_RUN = 10.0  # seconds; shorter runs need no note of what took the time


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
    _add_list_arguments(parser.add_argument_group("many videos"))


def _add_analysis_arguments(group):
    group.add_argument(
        "--no_crop_faces",
        action="store_true",
        help="classify whole frames; for videos that are already cropped to a face",
    )
    add_align(group)
    add_windows(group)
    group.add_argument("--batch_size", type=positive_int, metavar="B", help="clips per batch (default: 8)")
    add_section(group)
    add_no_cuts(group)
    group.add_argument(
        "--identify",
        action="store_true",
        help="recognise people who are seen again after a cut or a pause, and give them their number",
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
        "videos, predictions.csv; with --data a file, see there",
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


def _add_list_arguments(group):
    group.add_argument(
        "--data",
        metavar="LIST",
        help="predict the videos of a list (lines 'path label' or 'path', CSV, Parquet) or a folder, many at once. "
        "--output is then a file.parquet or file.csv with a row for each video and the columns of the list; "
        "file.windows.parquet has a row for each window. A run that was stopped continues with the same command",
    )
    add_data_root(group)
    group.add_argument(
        "--num_workers",
        type=whole_number,
        metavar="N",
        help="with --data: processes that decode videos and find faces (default: the CPUs that the command may use)",
    )
    add_shard(group)


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
    if args.identify:
        require_extra("identify")
    if args.data is not None:
        from .prediction_list import predict_list

        silence_libraries()
        return predict_list(args)
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
    if args.data is not None:
        _check_list(args)
        return
    for name in ("data_root", "num_workers", "num_shards", "shard"):
        if getattr(args, name) is not None:
            args.parser.error(f"--{name} is for the videos of a list: add --data")
    if not (args.sample or args.videos) and isinstance(args.annotate, str):
        args.parser.error(
            f"no video is given: --annotate takes '{args.annotate}' as the file to write. Name the videos first"
        )
    if args.sample == bool(args.videos):
        args.parser.error("give either videos or --sample")
    _check_model(args)
    _check_segments(args)
    if args.csv and args.top_k is not None:
        args.parser.error("--csv has a column for each label: leave out --top_k")
    _check_faces(args)
    _check_annotate(args)
    # The two lists share no suffix, so the two options cannot name the same file.
    for name, suffixes in (("timeline", FIGURE_SUFFIXES), ("annotate", VIDEO_SUFFIXES)):
        if getattr(args, name) not in (None, True):
            _check_file(name, suffixes, args)


def _check_list(args):
    others = ("sample", "json", "csv", "top_k", "timeline", "annotate")
    if given := [f"--{name}" for name in others if getattr(args, name)]:
        args.parser.error(f"--data writes tables: leave out {', '.join(given)}")
    if args.videos:
        args.parser.error("give either videos or --data")
    if args.output is None:
        args.parser.error("--data needs --output, a file.parquet or file.csv")
    _check_model(args)
    _check_segments(args)
    _check_faces(args)
    check_shard(args)


def _check_model(args):
    if args.model is None:
        args.parser.error(f"--model is needed, a fine-tuned model: {MODEL_NAMES}")


def _check_segments(args):
    over_time = [
        f"--{name}" for name in ("window", "stride", "timeline", "annotate") if getattr(args, name) is not None
    ]
    if args.num_segments is not None and over_time:
        args.parser.error(f"--num_segments gives one answer for a whole video: leave out {', '.join(over_time)}")
    if args.num_segments is not None and args.no_cuts:
        args.parser.error("--num_segments takes clips of the whole video, so cuts do not matter: leave out --no_cuts")
    if args.num_segments is not None and not (args.no_crop_faces or args.sample):
        args.parser.error("--num_segments evaluates whole frames, as the paper does: add --no_crop_faces")


def _check_faces(args):
    if args.identify and (args.no_crop_faces or args.sample):
        args.parser.error("--identify recognises faces, but no faces are looked for: leave it out")
    if args.no_align and (args.no_crop_faces or args.sample):
        args.parser.error("whole frames are never aligned: leave out --no_align")


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
        from .find_videos import find_videos, skipped_note
        from .prediction_run import PredictionRun, only_writer_of_results, planned_files

        try:
            found = find_videos(arguments, args.output)
            files = planned_files(found.videos, args)
        except ValueError as error:
            args.parser.exit(fail(str(error)))
        if found.skipped:
            note(skipped_note(found.skipped))
    with only_writer_of_results(files, args):
        with announce_if_slow("Loading the model ..."):
            *loaded, cropper = _load(args)
        status = PredictionRun(*loaded, args).run(found.videos, files)
    if cropper is not None and cropper.total_seconds > LONG_RUN:
        note(f"Finding faces took {cropper.detector_share:.0%} of the time.")
    return status


def _load(args) -> tuple:
    """A function from a video to its result, the columns of tables, the settings of reading, and the face cropper."""
    from ..image_processing import reading_of
    from .prediction_model import load_model, loading_errors, reading_given
    from .prediction_output import CsvColumns

    loaded = load_model(args)
    with loading_errors(args.model):
        predict = _predictor(loaded, args)
    if args.top_k is not None and not loaded.kind.is_probability:
        raise ValueError(
            f"--top_k is for scores, but {args.model} estimates {', '.join(loaded.kind.labels)}: leave out --top_k"
        )
    return predict, CsvColumns(loaded.kind), reading_of(loaded.processor) | reading_given(args), loaded.cropper


def _predictor(loaded, args):
    """A function from a video to its result, for the views of the paper or for windows over time."""
    from ..hub.loading import set_reading
    from ..inference import FacialExpressionPipeline, predict_video
    from .prediction_model import pipeline_settings

    if args.num_segments is not None:
        set_reading(loaded.processor, args.backend, args.frame_order)
        section = section_of(args)
        fields = loaded.kind.fields() | {name: section[name] for name in ("start", "end") if name in section}
        return lambda video: (
            vars(predict_video(loaded.model, loaded.processor, video, args.num_segments, **section)) | fields
        )
    return FacialExpressionPipeline(
        model=loaded.model,
        video_processor=loaded.processor,
        face_cropper=loaded.cropper,
        device=loaded.model.device,
        batch_size=args.batch_size,
        return_boxes=args.annotate is not None,
        show_progress=shows_progress(),
        **pipeline_settings(args),
    )
