"""`lgi-former prepare shards`."""

import os
import sys
from pathlib import Path

from ...messages import fail, first_line
from ..options import add_frame_order, num_cpus, positive_int, whole_number


SUMMARY = "tar shards with an index, for training from few large files, near or far"


def add_arguments(parser):
    parser.add_argument(
        "annotations",
        metavar="ANNOTATIONS",
        help="the videos: a file with a line 'path label' each, a CSV file, or a folder of class folders",
    )
    parser.add_argument("output_dir", metavar="OUT", help="folder to write to; one begun before is gone on with")
    parser.add_argument("--data_root", help="where relative paths begin (default: the annotation file's folder)")
    parser.add_argument(
        "--labels",
        nargs="+",
        metavar="CLASS",
        help="classes in the order of their indices (default: names found, in alphabetical order)",
    )
    parser.add_argument(
        "--clips_per_shard",
        type=positive_int,
        default=1000,
        metavar="N",
        help="videos of a shard (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=positive_int,
        metavar="PX",
        help="make every video an H.264 file whose shorter side has at most so many pixels (default: take files as "
        "they are, and folders of frames as zip archives)",
    )
    add_frame_order(parser, "natural; it matters with --size, since an archive keeps the names")
    parser.add_argument("--seed", type=whole_number, default=0, help="of the order (default: %(default)s)")
    parser.add_argument(
        "--num_workers", type=whole_number, default=num_cpus(), help="processes (default: the CPUs it may use)"
    )
    parser.add_argument("--verify", action="store_true", help="read all shards again when they are done")


def run(args) -> int:
    """Pack videos into tar shards in the format of WebDataset, shuffled, with OUT/index.json, which --train_data of
    pretrain and finetune takes. The same videos and options give the same bytes. Shards that are there already are
    left alone if they have their checksum; those that have not are named and made again. Videos that cannot be read
    are left out and listed in OUT/skipped_videos.csv; the exit status is 1 then, or if --verify finds a file that is
    damaged after all that. `lgi-former prepare verify` only reads shards, and changes nothing."""
    from ...training.data.annotations import load_annotations
    from ...training.data.shard_index import INDEX_FILE
    from ...training.preparation.shards.packing import pack_shards, verify_shards

    index = os.path.join(args.output_dir, INDEX_FILE)
    try:
        packed = pack_shards(
            load_annotations(args.annotations, args.data_root, args.labels),
            args.output_dir,
            root=_root(args),
            clips_per_shard=args.clips_per_shard,
            size=args.size,
            seed=args.seed,
            num_workers=args.num_workers,
            frame_order=args.frame_order or "natural",
        )
        problems = verify_shards(index) if args.verify else []
    except (ValueError, OSError) as error:
        return fail(first_line(error))
    shards = packed.index.shards
    print(
        f"{sum(shard.nsamples for shard in shards)} videos in {len(shards)} shards, "
        f"{sum(shard.filesize for shard in shards) / 1e6:.1f} MB; {packed.num_found} shards were there already."
    )
    classes = packed.index.classes
    print("They have no labels." if classes is None else f"{len(classes)} classes: {', '.join(classes)}")
    for name in packed.mended:
        print(f"'{os.path.join(args.output_dir, name)}' was damaged and has been made again.", file=sys.stderr)
    if packed.skipped:
        print(f"{len(packed.skipped)} videos could not be read; see why in {args.output_dir}/skipped_videos.csv.")
    for problem in problems:
        fail(problem)
    print(f"Train with --train_data {index}")
    return 1 if packed.skipped or problems else 0


def _root(args) -> str:
    """What names of videos are relative to."""
    if os.path.isdir(args.annotations):
        return args.annotations
    return str(Path(args.annotations).parent) if args.data_root is None else args.data_root
