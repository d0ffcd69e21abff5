"""`lgi-former prepare index`."""

import os

from ...messages import note, suggest


SUMMARY = "one index for shards that were packed in parts"
EXAMPLE = "lgi-former prepare index shards part1 part2"


def add_arguments(parser):
    parser.add_argument("output_dir", metavar="OUT", help="folder to write index.json to")
    parser.add_argument("parts", metavar="PART", nargs="+", help="folder, index.json or URL of shards")


def run(args) -> int:
    """Write OUT/index.json of all shards of several parts. The shards are not moved. A corpus whose list does not fit
    into memory can so be packed in parts by `lgi-former prepare shards`."""
    from ...training.data.shard_index import ELSEWHERE, INDEX_FILE, lies_below_index
    from ...training.preparation.shards.joining import join_parts

    joined = join_parts(args.parts, args.output_dir)
    print(f"{sum(shard.nsamples for shard in joined.shards)} videos in {len(joined.shards)} shards.")
    index = os.path.join(args.output_dir, INDEX_FILE)
    print(f"The index is {index}.")
    if not all(lies_below_index(shard.url) for shard in joined.shards):
        note(f"Some shards are outside '{args.output_dir}'. Set {ELSEWHERE}=1 in commands that read this index.")
    command = "pretrain" if joined.classes is None else "finetune"
    suggest("lgi-former", command, "--train_data", index, "--output_dir", "OUTPUT_DIR")
    return 0
