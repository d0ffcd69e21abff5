"""`lgi-former embed`."""

import contextlib
from pathlib import Path

from ..messages import announce_if_slow, fail, first_line, note, silence_libraries
from .options import (
    MODEL_NAMES,
    add_data_root,
    add_device,
    add_no_cuts,
    add_output,
    add_reading,
    add_revision,
    add_section,
    add_shard,
    add_videos,
    add_windows,
    check_output,
    check_shard,
    positive_int,
    section_of,
    whole_number,
)


SUMMARY = "embeddings of videos, for other models"
EXAMPLE = "lgi-former embed videos/*.mp4 --model outputs/pretrained --output embeddings.npy"
LEVELS = ("clip", "region", "token")  # as in `inference.embedding`, which takes seconds to import


def add_arguments(parser):
    add_videos(parser)
    parser.add_argument(
        "--data",
        metavar="LIST",
        help="list of videos: a file with lines 'path label' or 'path', a CSV or Parquet file, class folders, or a "
        "folder of videos. A run that was stopped continues with the same command",
    )
    add_data_root(parser)
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR_OR_REPO",
        help=f"any LGI-Former, pre-trained, fine-tuned or bare, or an exported encoder: {MODEL_NAMES}",
    )
    add_revision(parser)
    add_output(
        parser, "file.npy, with a table of its rows in file.rows.csv; or file.parquet, one table with everything"
    )
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="clip",
        help="one vector per clip, region or local token (default: %(default)s)",
    )
    parser.add_argument(
        "--num_segments",
        type=positive_int,
        metavar="S",
        help="average over S clips, evenly spaced in time (default: the setting of the model's processor)",
    )
    parser.add_argument(
        "--keep_views", action="store_true", help="write a row for each of the S clips instead of their average"
    )
    parser.add_argument(
        "--batch_size", type=positive_int, default=1, metavar="N", help="videos, or windows, per batch"
    )
    parser.add_argument("--num_workers", type=whole_number, default=0, metavar="N", help="processes that read videos")
    add_windows(parser)
    add_no_cuts(parser)
    add_section(parser)
    add_shard(parser)
    add_reading(parser)
    add_device(parser)


def run(args) -> int:
    """Write the embeddings of videos to a file, one row per video, or per window with --window or --stride. Each row
    has its start and end in seconds. Videos that cannot be read are reported and skipped, and the exit status is 1."""
    if bool(args.data) == bool(args.videos):
        args.parser.error("give either videos or --data")
    check_shard(args)
    if args.shard is not None and not args.data:
        args.parser.error("--shard is for the videos of a list: add --data")
    has_windows = args.window is not None or args.stride is not None
    if has_windows and (args.num_segments is not None or args.keep_views):
        args.parser.error(
            "--window and --stride give a row for each window: leave out --num_segments and --keep_views"
        )
    if args.no_cuts and not has_windows:
        args.parser.error("--no_cuts lets windows go over cuts: add --window or --stride")
    section_of(args)
    from ..files import only_writer_of

    silence_libraries()
    listed = _checked_list(args)
    # The journal of a list locks the output itself.
    with contextlib.nullcontext() if listed is not None else only_writer_of(Path(args.output)):
        return _embed(listed, args)


def _embed(listed, args) -> int:
    from ..conversion import model_folder
    from ..hub.loading import set_reading
    from ..inference.loading import load_encoder

    try:
        with announce_if_slow("Loading the model ..."):
            folder = model_folder(args.model, args.revision)
            model, processor = load_encoder(folder, args.device)
    except Exception as error:  # many libraries take part in loading
        return fail(f"cannot load the model: {first_line(error)}")
    set_reading(processor, args.backend, args.frame_order)
    from .embedding_rows import Embedder

    embedder = Embedder(model, processor, args)
    if listed is None:
        writer = _embed_each(embedder, args)
    else:
        from .embedding_list import embed_list

        writer = embed_list(embedder, listed, folder, args)
    return _report_written(writer, embedder.num_failed, args)


def _checked_list(args):
    """The shard of the list, None without `--data`. The output is checked, too."""
    from ..inference.embedding_file import SUFFIXES, table_beside

    beside = [table_beside(args.output)] if args.output.endswith(".npy") else []
    if args.data is None:
        check_output(args, SUFFIXES, beside)
        return None
    from .embedding_list import list_with_labels
    from .list_journal import may_continue

    check_output(args, SUFFIXES, beside, may_exist=may_continue(Path(args.output)))
    with announce_if_slow("Reading the list ..."):
        return list_with_labels(args).shard(args.num_shards, args.shard)


def _embed_each(embedder, args):
    """Embed videos into the output. Returns its writer."""
    from ..inference.embedding_file import embedding_writer

    with embedding_writer(args.output) as writer:
        for index, rows in embedder.rows(args.videos):
            for embedding, place in rows:
                writer.write(embedding, video=args.videos[index], **place)
    return writer


def _report_written(writer, num_failed: int, args) -> int:
    """Print what was written. Returns the exit status."""
    if not writer.num_rows and not num_failed:
        note("There are no videos in this shard, so nothing is written.")
        return 0
    if not writer.num_rows:
        return fail(f"none of the videos could be embedded, so {args.output} is not written")
    print(f"{args.output}: {' x '.join(map(str, (writer.num_rows, *writer.shape)))}")
    return 1 if num_failed else 0
