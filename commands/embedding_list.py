"""`lgi-former embed --data`: embeds the videos of a list, and continues where an earlier run stopped."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from datasets import ClassLabel, Dataset, List

from ..hub.answer_kind import SEPARATOR
from ..inference.embedding_file import embedding_writer, iterate_embeddings
from ..messages import escaped
from ..training.data.annotations import load_wanted
from ..training.data.tasks import Wanted
from .embedding_rows import Embedder, Row, from_json, to_json
from .list_journal import open_journal, unfinished_rows
from .listed_videos import ListedVideos, key_of_result, list_videos, run_settings
from .options import section_of


PLACE = ("view", "start", "end")  # columns of a `Row`
# Options on which embeddings depend, beside those of sections.
SETTINGS = ("level", "num_segments", "keep_views", "window", "stride", "no_cuts", "backend", "frame_order")


def list_with_labels(args) -> ListedVideos:
    """The rows of `--data`. Their columns are those of labels, by name if the list has names.

    Raises:
        ValueError: As `list_videos` and `load_videos`.
    """
    is_folder = os.path.isdir(args.data)
    if is_folder and not any(entry.is_dir() for entry in os.scandir(args.data) if not entry.name.startswith(".")):
        return list_videos(args)
    if args.data.lower().endswith(".parquet"):
        listed = list_videos(args)
        listed.columns = listed.columns.select([name for name in listed.columns.column_names if name == "label"])
        return listed
    annotations = load_wanted(args.data, args.data_root, Wanted(may_be_columns=False), one_label=False)
    videos, sections = list(annotations["video"]), None if is_folder else list_videos(args).sections
    if sections is not None and len(sections) != len(videos):
        raise ValueError(f"--data {args.data} has a row for each frame, so it cannot have the columns start and end.")
    return ListedVideos(videos, _label_columns(annotations), sections=sections)


def _label_columns(annotations: Dataset) -> pa.Table:
    """The column `label`, or a column for each quantity."""
    if "label" not in annotations.column_names:
        return pa.table({"": pa.nulls(len(annotations))}).select([])
    labels, feature = list(annotations["label"]), annotations.features["label"]
    if isinstance(feature, ClassLabel):
        labels = feature.int2str(labels)
    elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
        labels = [SEPARATOR.join(feature.feature.int2str(several)) for several in labels]
    return pa.Table.from_pylist(labels) if labels and isinstance(labels[0], dict) else pa.table({"label": labels})


def embed_list(embedder: Embedder, listed: ListedVideos, folder: str, args):
    """Embed the videos that are not finished, and write the output. Returns its writer.

    Args:
        folder: The folder or repository of the model.
    """
    output, keys = Path(args.output), listed.keys
    settings = run_settings(embedder.model, embedder.processor, folder, listed.videos, args) | section_of(args)
    settings |= {name: getattr(args, name) for name in SETTINGS}
    with open_journal([output], settings, lambda: _earlier(output, listed), args.overwrite) as journal:
        todo = unfinished_rows(keys, journal)
        for index, rows in embedder.rows(listed.sources(todo)):
            journal.append(keys[todo[index]], to_json(rows))
        with embedding_writer(output, settings) as writer:
            labels = listed.columns.to_pylist() if listed.columns.num_columns else [{}] * len(keys)
            for row, key in enumerate(keys):
                columns = {"video": listed.videos[row]} | labels[row] | listed.times(row)
                for embedding, place in from_json(journal.read(key)) if key in journal else ():
                    writer.write(embedding, **columns, **place)
    return writer


def _earlier(output: Path, listed: ListedVideos) -> Iterator[tuple[str, list[dict]]]:
    """The finished videos of a complete output. A video that was listed twice comes twice."""
    names = {escaped(video): video for video in listed.videos}
    latest, rows = None, []
    for embedding, columns in iterate_embeddings(output):
        key = key_of_result(names.get(columns["video"], columns["video"]), columns)
        if rows and (key != latest or not columns.get("view")):
            yield latest, to_json(rows)
            rows = []
        latest = key
        rows.append(Row(embedding, {name: columns[name] for name in PLACE if name in columns}))
    if rows:
        yield latest, to_json(rows)
