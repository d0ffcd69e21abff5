"""`lgi-former prepare verify`."""

from ...messages import fail


SUMMARY = "a comparison of shards with their checksums"
EXAMPLE = "lgi-former prepare verify shards"


def add_arguments(parser):
    parser.add_argument("shards", metavar="SHARDS", help="folder, index.json or URL of shards")


def run(args) -> int:
    """Read all shards of an index again and compare them with its checksums. Nothing is changed: `lgi-former prepare
    shards` writes damaged shards again. The exit status is 1 if a file is damaged or missing."""
    from ...training.preparation.shards.packing import verify_shards

    problems = verify_shards(args.shards)
    for problem in problems:
        fail(problem)
    print(f"{len(problems)} files are damaged or missing." if problems else "All shards have their checksums.")
    return 1 if problems else 0
