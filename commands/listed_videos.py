"""The videos of `--data`, and what runs over them share: shards and settings."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ..image_processing.decoding.local_videos import is_address
from ..image_processing.decoding.section import Section
from ..inference.model_digest import model_digest
from ..inference.video_section import VideoSection
from ..messages import note
from ..training.data.listed_rows import read_listed_rows
from ..version import __version__
from .find_videos import find_videos, skipped_note


SECTION_COLUMNS = ("section_start", "section_end")
"""Columns of results of a list with sections, in seconds. The end is infinite if the list has none."""


@dataclass
class ListedVideos:
    """The rows of a list.

    Attributes:
        videos (`list[str]`): Paths and URLs. A video may be in several rows.
        columns (`pa.Table`): The other columns.
        problems (`dict[str, str]`): For paths that are no video: why.
        sections (`list[Section]`, *optional*): The section of each row, if the list has the columns `start` or `end`.
    """

    videos: list[str]
    columns: pa.Table
    problems: dict[str, str] = field(default_factory=dict)
    sections: list[Section] | None = None

    def shard(self, num_shards: int | None, shard: int | None) -> "ListedVideos":
        """Every `num_shards`-th row, from row `shard` on. None is the whole list."""
        rows = range(len(self.videos))[shard or 0 :: num_shards or 1]
        return ListedVideos(
            [self.videos[row] for row in rows],
            self.columns.take(pa.array(rows, pa.int64())),
            self.problems,
            None if self.sections is None else [self.sections[row] for row in rows],
        )

    @property
    def keys(self) -> list[str]:
        """A key for each row. Rows with the same video and section have the same key."""
        if self.sections is None:
            return self.videos
        return [key_of(video, section) for video, section in zip(self.videos, self.sections, strict=True)]

    def sources(self, rows: Sequence[int]) -> list[str | VideoSection]:
        """Some rows as videos of `predict_videos` and `embed_videos`."""
        if self.sections is None:
            return [self.videos[row] for row in rows]
        sections = [self.sections[row] for row in rows]
        return [
            VideoSection(self.videos[row], start, None if math.isinf(end) else end)
            for row, (start, end) in zip(rows, sections, strict=True)
        ]

    def times(self, row: int) -> dict[str, float]:
        """The `SECTION_COLUMNS` of a row. Empty if the list has no sections."""
        return {} if self.sections is None else dict(zip(SECTION_COLUMNS, self.sections[row], strict=True))


def key_of(video: str, section: Section) -> str:
    """The key of a section of a video. That of a whole video is its path or URL."""
    return video if section.is_whole else json.dumps([video, *section])


def key_of_result(video: str, row: dict) -> str:
    """The key of a row of results, which has `SECTION_COLUMNS` if its list had sections."""
    times = [row[name] for name in SECTION_COLUMNS if name in row]
    return key_of(video, Section(*times))


def list_videos(args) -> ListedVideos:
    """The videos of the list or folder that `--data` names.

    Raises:
        ValueError: If there is no video, a line of the list is wrong or ambiguous, or a section is impossible.
    """
    if not os.path.isdir(args.data):
        table = read_listed_rows(args.data, args.data_root)
        listed = ListedVideos(table["video"].to_pylist(), table.drop_columns("video"))
        listed.sections = _sections(listed, args)
        return listed
    if args.data_root is not None:
        raise ValueError(f"--data_root is for the paths in a list, but --data {args.data} is a folder. Leave it out.")
    found = find_videos([args.data])
    if found.skipped:
        note(skipped_note(found.skipped))
    problems = {video.video: video.problem for video in found.videos if video.problem is not None}
    if len(problems) == len(found.videos):
        raise ValueError(next(iter(problems.values())))
    videos = [video.video for video in found.videos]
    return ListedVideos(videos, pa.table({"": pa.nulls(len(videos))}).select([]), problems)


def _sections(listed: ListedVideos, args) -> list[Section] | None:
    """The sections in the columns `start` and `end` of a list. Empty fields are the start and the end of a video."""
    columns = {}
    for name in listed.columns.column_names:
        if name.lower() in ("start", "end"):
            if name.lower() in columns:
                raise ValueError(f"--data {args.data} has several columns '{name.lower()}'. Rename all but one.")
            columns[name.lower()] = listed.columns[name].to_pylist()
    if not columns:
        return None
    if args.start is not None or args.end is not None:
        raise ValueError(
            f"--data {args.data} has a column '{next(iter(columns))}' with the section of each video: leave out "
            "--start and --end, or rename the column."
        )
    nothing = [None] * len(listed.videos)
    times = zip(listed.videos, columns.get("start", nothing), columns.get("end", nothing), strict=True)
    sections = []
    for number, (video, start, end) in enumerate(times, start=1):
        try:
            sections.append(Section.of(_given(start), _given(end)))
        except ValueError as error:
            raise ValueError(f"--data {args.data}, video {number} ('{video}'): {error}") from error
    return sections


def _given(time):
    """A time of a list; None for an empty field."""
    time = time.strip() if isinstance(time, str) else time
    return None if time == "" else time


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
