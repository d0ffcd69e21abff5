"""Writes one index for shards that were packed in parts, perhaps on several machines."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ....image_processing.decoding.local_videos import is_address
from ...data.shard_index import INDEX_FILE, Shard, ShardError, ShardIndex, open_index


def join_parts(parts: Sequence[str], output_dir: str | os.PathLike) -> ShardIndex:
    """Write an `index.json` of the shards of several indexes. The shards do not move.

    Args:
        parts: Indexes of shards with the same classes, or folders or URLs that have an index.
        output_dir: Folder to write to. It is created if needed. Shards inside it may be moved together with it.

    Raises:
        ShardError: If there is an index already, a part has none or is given twice, or the classes of two differ.
    """
    output_dir = Path(output_dir)
    if (output_dir / INDEX_FILE).exists():
        raise ShardError(f"'{output_dir / INDEX_FILE}' exists already. Choose another folder, or delete it.")
    indexes = [open_index(part) for part in parts]
    classes = indexes[0].classes
    for part, index in zip(parts, indexes, strict=True):
        if index.classes != classes:
            raise ShardError(
                f"'{part}' has the classes {index.classes}, but '{parts[0]}' has {classes}. Pack all parts with the "
                "same --labels."
            )
    shards = [_seen_from(output_dir, shard) for index in indexes for shard in index.shards]
    if len({shard.url for shard in shards}) < len(shards):
        raise ShardError("A part is given twice. Its videos would be read twice in each epoch.")
    output_dir.mkdir(parents=True, exist_ok=True)
    joined = ShardIndex(shards, classes)
    joined.write(output_dir)
    return joined


def _seen_from(folder: Path, shard: Shard) -> Shard:
    if is_address(shard.url):
        return shard
    try:
        url = os.path.relpath(shard.url, folder)
    except ValueError:  # another drive of Windows
        url = os.path.abspath(shard.url)
    return replace(shard, url=Path(url).as_posix())  # readable on all systems
