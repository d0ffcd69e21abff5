"""`lgi-former prepare faces`."""

import os

from ...messages import suggest
from ..options import (
    add_align,
    add_frame_order,
    add_no_cuts,
    add_num_workers,
    add_section,
    add_shard,
    at_least_one,
    check_shard,
    positive_int,
    section_of,
)


SUMMARY = "the main face of each video, as a folder of square frames"
EXAMPLE = "lgi-former prepare faces videos faces"


def add_arguments(parser):
    parser.add_argument("source", metavar="IN", help="folder with videos or folders of frames, at any depth")
    parser.add_argument("output_dir", metavar="OUT", help="folder to write to; an interrupted run is continued")
    parser.add_argument(
        "--size", type=positive_int, default=224, help="height and width of the frames (default: %(default)s)"
    )
    parser.add_argument(
        "--margin",
        type=at_least_one,
        default=1.3,
        metavar="M",
        help="side of the square, as a multiple of the longer side of the detected face (default: %(default)s)",
    )
    add_align(parser)
    add_no_cuts(parser)
    add_frame_order(parser, "natural")
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="D",
        help="where to find faces: cpu, cuda, cuda:1, ... (default: %(default)s); a GPU needs onnxruntime-gpu",
    )
    add_section(parser)
    add_num_workers(parser)
    parser.add_argument(
        "--data",
        metavar="LIST",
        help="crop only the videos of a list (lines 'path label' or 'path', CSV, Parquet), whose paths begin in IN",
    )
    add_shard(parser)


def run(args) -> int:
    """Find, follow and align the faces in every video of a corpus. Write the main face, which is the largest for the
    longest time, as a folder of JPEG frames. The folder has the relative path of the video with its suffix, so
    annotation files remain valid: give OUT as --data_root. OUT/faces.csv lists the outcome of each video. With
    --num_shards, all shards write to one OUT, and each has its own list, such as OUT/faces-0-of-8.csv. The exit status
    is 1 if some videos could not be read. A video without a face is not an error."""
    check_shard(args)
    from ...image_processing import CenterFaceDetector, FaceCropper
    from ...training.preparation.faces import CROPPED, FAILED, NO_FACE, crop_corpus, list_file_of

    section = section_of(args)
    detector = CenterFaceDetector(num_threads=1, device=args.device)
    cropper = FaceCropper(detector, margin=args.margin, align=not args.no_align)
    shard = {"num_shards": args.num_shards or 1, "shard": args.shard or 0}
    outcomes = crop_corpus(
        *(args.source, args.output_dir, cropper, args.size, args.num_workers, args.frame_order or "natural"),
        cuts=not args.no_cuts,
        **section,
        videos=_listed(args),
        **shard,
    )
    numbers = {status: [o.status for o in outcomes].count(status) for status in (CROPPED, NO_FACE, FAILED)}
    print(", ".join(f"{status}: {number}" for status, number in numbers.items()))
    if cropper.detector_share is not None:
        print(f"Finding faces took {cropper.detector_share:.0%} of the time.")
    print(f"Each video is listed in {os.path.join(args.output_dir, list_file_of(**shard))}.")
    data = ["--train_data", "TRAIN", "--data_root", args.output_dir]
    suggest("lgi-former", "finetune", *data, "--output_dir", "OUTPUT_DIR")
    return 1 if numbers[FAILED] else 0


def _listed(args) -> list[str] | None:
    """The paths of `--data` below the source; None for all videos of the source."""
    from ...training.data.listed_rows import read_listed_rows

    return None if args.data is None else read_listed_rows(args.data, args.source)["video"].to_pylist()
