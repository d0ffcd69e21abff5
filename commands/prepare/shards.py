"""`lgi-former prepare shards`."""

import os
from pathlib import Path

from ...messages import fail, note, suggest
from ..options import add_frame_order, add_num_workers, positive_int, whole_number


SUMMARY = "tar shards with an index, for training from few large files, local or remote"
EXAMPLE = "lgi-former prepare shards train.csv shards --data_root faces"


def add_arguments(parser):
    parser.add_argument(
        "annotations",
        metavar="ANNOTATIONS",
        help="the videos: a file with a line 'path label' each, a CSV file, or a folder of class folders",
    )
    parser.add_argument("output_dir", metavar="OUT", help="folder to write to; an interrupted run is continued")
    parser.add_argument("--data_root", help="folder of the relative paths (default: that of the annotation file)")
    parser.add_argument(
        "--labels",
        nargs="+",
        metavar="CLASS",
        help="classes in the order of their indices (default: those of the list, in alphabetical order)",
    )
    parser.add_argument(
        "--clips_per_shard",
        type=positive_int,
        default=1000,
        metavar="N",
        help="videos in a shard (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=positive_int,
        metavar="PX",
        help="encode every video as H.264 with a shorter side of at most this many pixels (default: pack files "
        "unchanged, and folders of frames as zip archives)",
    )
    add_frame_order(parser, "natural; used with --size only, because an archive holds the file names")
    parser.add_argument("--seed", type=whole_number, default=0, help="random seed of the order (default: %(default)s)")
    add_num_workers(parser, whole_number)
    parser.add_argument("--verify", action="store_true", help="read all shards again when they are done")


def run(args) -> int:
    """Shuffle videos and pack them into tar shards in the format of WebDataset. Pass OUT/index.json to pretrain or
    finetune as --train_data. The same videos and options give the same bytes. Existing shards are checked: a shard
    with a wrong checksum is reported and written again. Videos that cannot be read are skipped and listed in
    OUT/skipped_videos.csv. The exit status is then 1, and also if --verify finds a damaged file. `lgi-former prepare
    verify` checks shards and changes nothing."""
    from ...training.data.annotations import load_wanted
    from ...training.data.shard_index import INDEX_FILE
    from ...training.data.tasks import Wanted
    from ...training.preparation.shards.packing import pack_shards, verify_shards

    index = os.path.join(args.output_dir, INDEX_FILE)
    packed = pack_shards(
        load_wanted(args.annotations, args.data_root, Wanted(label_names=args.labels, may_be_columns=False)),
        args.output_dir,
        root=_root(args),
        clips_per_shard=args.clips_per_shard,
        size=args.size,
        seed=args.seed,
        num_workers=args.num_workers,
        frame_order=args.frame_order or "natural",
    )
    problems = verify_shards(index) if args.verify else []
    shards = packed.index.shards
    print(
        f"{sum(shard.nsamples for shard in shards)} videos in {len(shards)} shards, "
        f"{sum(shard.filesize for shard in shards) / 1e6:.1f} MB; {packed.num_found} shards were there already."
    )
    classes = packed.index.classes
    print("They have no labels." if classes is None else f"{len(classes)} classes: {', '.join(classes)}")
    for name in packed.mended:
        note(f"'{os.path.join(args.output_dir, name)}' was damaged and has been made again.")
    if packed.skipped:
        print(f"{len(packed.skipped)} videos could not be read; see why in {args.output_dir}/skipped_videos.csv.")
    for problem in problems:
        fail(problem)
    print(f"The index is {index}.")
    command = "pretrain" if classes is None else "finetune"
    suggest("lgi-former", command, "--train_data", index, "--output_dir", "OUTPUT_DIR")
    return 1 if packed.skipped or problems else 0


def _root(args) -> str:
    """The folder that names of videos are relative to."""
    if os.path.isdir(args.annotations):
        return args.annotations
    return str(Path(args.annotations).parent) if args.data_root is None else args.data_root
