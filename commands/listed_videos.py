"""The videos of `--data`, and what runs over them share: shards, settings, the name of the journal."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..image_processing.decoding.local_videos import is_address
from ..inference.model_digest import model_digest
from ..messages import note
from ..training.data.listed_rows import read_listed_rows
from ..version import __version__
from .find_videos import find_videos, skipped_note


SECONDS_FOR_LOCK = 10.0


@dataclass
class ListedVideos:
    """The rows of a list.

    Attributes:
        videos (`list[str]`): Paths and URLs. A video may be in several rows.
        columns (`pa.Table`): The other columns.
        problems (`dict[str, str]`): For paths that are no video: why.
    """

    videos: list[str]
    columns: pa.Table
    problems: dict[str, str] = field(default_factory=dict)

    def shard(self, num_shards: int | None, shard: int | None) -> "ListedVideos":
        """Every `num_shards`-th row, from row `shard` on. None is the whole list."""
        rows = range(len(self.videos))[shard or 0 :: num_shards or 1]
        return ListedVideos(
            [self.videos[row] for row in rows], self.columns.take(pa.array(rows, pa.int64())), self.problems
        )


def list_videos(data: str, data_root: str | None) -> ListedVideos:
    """The videos of a list or folder.

    Raises:
        ValueError: If there is no video, or a line of the list is wrong or ambiguous.
    """
    if not os.path.isdir(data):
        table = read_listed_rows(data, data_root)
        return ListedVideos(table["video"].to_pylist(), table.drop_columns("video"))
    if data_root is not None:
        raise ValueError(f"--data_root is for the paths in a list, but --data {data} is a folder. Leave it out.")
    found = find_videos([data])
    if found.skipped:
        note(skipped_note(found.skipped))
    problems = {video.video: video.problem for video in found.videos if video.problem is not None}
    if len(problems) == len(found.videos):
        raise ValueError(next(iter(problems.values())))
    videos = [video.video for video in found.videos]
    return ListedVideos(videos, pa.table({"": pa.nulls(len(videos))}).select([]), problems)


def journal_path(output: Path) -> Path:
    """The journal of a run that writes to `output`."""
    return output.with_name(f"{output.name}.journal")


def run_settings(model, processor, folder: str, videos: list[str], args) -> dict:
    """What the results of every command depend on: the model, the shard, and the folder of relative paths."""
    is_relative = any(not is_address(video) and not os.path.isabs(video) for video in videos)
    return {
        "lgi_former": __version__,
        "model": model_digest(model, processor, folder),
        "num_shards": args.num_shards,
        "shard": args.shard,
        "folder": os.getcwd() if is_relative else None,
    }
