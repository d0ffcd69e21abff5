"""`lgi-former embed`."""

import json
import os
from pathlib import Path

from ..messages import announce_if_slow, complain, fail, first_line, note, shows_progress, silence_libraries
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
    section = section_of(args)
    from ..conversion import model_folder
    from ..hub.loading import set_reading
    from ..inference.embedding_file import SUFFIXES, table_beside
    from ..inference.loading import load_encoder

    silence_libraries()
    check_output(args, SUFFIXES, [table_beside(args.output)] if args.output.endswith(".npy") else [])
    videos, labels = _listed(args) if args.data else (args.videos, None)
    if args.shard is not None:
        videos, labels = videos[args.shard :: args.num_shards], labels and labels[args.shard :: args.num_shards]
    try:
        with announce_if_slow("Loading the model ..."):
            model, processor = load_encoder(model_folder(args.model, args.revision), args.device)
    except Exception as error:  # many libraries take part in loading
        return fail(f"cannot load the model: {first_line(error)}")
    set_reading(processor, args.backend, args.frame_order)
    embed = _embed_list if args.data else _embed_each
    return embed(model, processor, videos, labels, section, args)


def _listed(args) -> tuple[list[str], list | None]:
    """The videos of the list and their labels, by name if the list has names. The labels are None if it has none."""
    from datasets import ClassLabel, List

    from ..hub.answer_kind import SEPARATOR
    from ..training.data.annotations import load_wanted
    from ..training.data.tasks import Wanted
    from .listed_videos import list_videos

    if _is_flat_folder(args.data) or args.data.lower().endswith(".parquet"):
        listed = list_videos(args.data, args.data_root)
        has_labels = "label" in listed.columns.column_names
        return listed.videos, listed.columns["label"].to_pylist() if has_labels else None
    annotations = load_wanted(args.data, args.data_root, Wanted(may_be_columns=False), one_label=False)
    if "label" not in annotations.column_names:
        return list(annotations["video"]), None
    labels, feature = list(annotations["label"]), annotations.features["label"]
    if isinstance(feature, ClassLabel):
        labels = feature.int2str(labels)
    elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
        labels = [SEPARATOR.join(feature.feature.int2str(several)) for several in labels]
    return list(annotations["video"]), labels


def _is_flat_folder(path: str) -> bool:
    """Whether a path is a folder without class folders."""
    return os.path.isdir(path) and not any(e.is_dir() for e in os.scandir(path) if not e.name.startswith("."))


def _embed_each(model, processor, videos: list[str], labels: list | None, section: dict, args) -> int:
    """Embed videos into the output. Returns the exit status."""
    from ..inference.embedding_file import embedding_writer

    with embedding_writer(args.output) as writer:
        failures = _embed_into(writer, model, processor, videos, labels, section, args)
    return _report_written(writer, failures, args)


def _embed_list(model, processor, videos: list[str], labels: list | None, section: dict, args) -> int:
    """As `_embed_each`, with a journal of finished videos. A label belongs to the key of a video: it may change."""
    from ..files import Journal, only_writer
    from ..inference.embedding_file import embedding_writer
    from .embedding_rows import JournalWriter
    from .listed_videos import SECONDS_FOR_LOCK, journal_path

    keys = [json.dumps([video, label], default=str) for video, label in zip(videos, labels or videos, strict=True)]
    output = Path(args.output)
    with only_writer(output.parent, f".{output.name}.lock", SECONDS_FOR_LOCK):
        if args.overwrite:
            journal_path(output).unlink(missing_ok=True)
        journal = Journal(journal_path(output), _settings(model, processor, videos, section, args))
        try:
            rows = JournalWriter(journal)
            todo = [index for index, key in enumerate(keys) if key not in journal]
            if len(todo) < len(videos):
                note(f"{len(videos) - len(todo)} of {len(videos)} videos are finished already.")
            chosen = [videos[index] for index in todo], labels and [labels[index] for index in todo]
            failures = _embed_into(
                rows, model, processor, *chosen, section, args, lambda index: rows.finish(keys[todo[index]])
            )
            with embedding_writer(output) as writer:
                for key in keys:
                    if key in journal:
                        rows.copy(key, writer)
        finally:
            journal.close()
        journal.path.unlink()
    return _report_written(writer, failures, args)


def _settings(model, processor, videos: list[str], section: dict, args) -> dict:
    """Everything that embeddings depend on."""
    from ..conversion import model_folder
    from .listed_videos import run_settings

    names = ("level", "num_segments", "keep_views", "window", "stride", "no_cuts", "backend", "frame_order")
    settings = run_settings(model, processor, model_folder(args.model, args.revision), videos, args)
    return settings | section | {name: getattr(args, name) for name in names}


def _embed_into(writer, model, processor, videos, labels, section, args, finish=lambda index: None) -> list[str]:
    """Write the rows of each video, and call `finish` with its number. Returns the videos that failed."""
    from tqdm import tqdm

    from ..inference import embed_videos

    failures = []
    progress = tqdm(total=len(videos), unit="video", disable=len(videos) == 1 or not shows_progress())

    def report(video, message):
        failures.append(video)
        progress.update()
        with tqdm.external_write_mode():
            complain(first_line(ValueError(message)))

    embeddings = embed_videos(
        *(model, processor, videos, args.level, args.num_segments),
        window=args.window,
        stride=args.stride,
        cuts=not args.no_cuts,
        **section,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        on_failure=report,
    )
    with progress:
        for embedding in embeddings:
            columns = {"video": embedding.video}
            if labels is not None:
                label = labels[embedding.index]
                columns |= label if isinstance(label, dict) else {"label": label}
            times = embedding.times.round(3)
            if args.keep_views or args.window is not None or args.stride is not None:
                for view, (values, (start, end)) in enumerate(zip(embedding.views, times.tolist(), strict=True)):
                    writer.write(values, **columns, view=view, start=start, end=end)
            else:
                writer.write(embedding.mean, **columns, start=float(times.min()), end=float(times.max()))
            finish(embedding.index)
            progress.update()
    return failures


def _report_written(writer, failures: list[str], args) -> int:
    """Print what was written. Returns the exit status."""
    if not writer.num_rows and not failures:
        note("There are no videos in this shard, so nothing is written.")
        return 0
    if not writer.num_rows:
        return fail(f"none of the videos could be embedded, so {args.output} is not written")
    print(f"{args.output}: {' x '.join(map(str, (writer.num_rows, *writer.shape)))}")
    return 1 if failures else 0
