"""Videos that cannot be read. A run lists and skips them, and stops if there are too many."""

import csv
import os
from pathlib import Path

from filelock import FileLock
from transformers.utils import logging

from ...files import as_text_cell, from_text_cell, whole_file


logger = logging.get_logger(__name__)

SKIPPED_VIDEOS_FILE = "skipped_videos.csv"
COLUMNS = ("path", "reason")
VIDEOS_NAMED_IN_MESSAGE = 10

ALWAYS_ALLOWED = 5
"""Videos that may be skipped with any share above 0, if they are at most a tenth of the set."""


class TooManySkippedVideosError(RuntimeError):
    """More videos than allowed cannot be read. The message says how many and which."""


class SkippedVideos:
    """The videos of a run that could not be read, in `output_dir/skipped_videos.csv`.

    All workers of all processes write into this file, under a lock, each video once. A resumed run therefore continues
    the count. Machines without a shared folder count separately.

    Args:
        output_dir: Folder of the file. It is created when the first video is skipped.
        total: Number of distinct videos in all data sets of the run, at least 1; an estimate for streams.
        max_fraction: Share of the videos that may be skipped, from 0 to 1. Above 0, 5 videos may always be skipped in
            a set of 50 or more, a tenth of a smaller set, and one of fewer than 10. So a small set does not stop at
            its first broken videos. Other numbers raise a `ValueError`.
    """

    def __init__(self, output_dir: str | os.PathLike, total: int, max_fraction: float = 0.01):
        if not 0 <= max_fraction <= 1:
            raise ValueError(f"max_skipped_fraction={max_fraction} must be a share from 0 to 1.")
        if total < 1:
            raise ValueError(f"A run needs at least one video, but has {total}.")
        self.path = Path(output_dir, SKIPPED_VIDEOS_FILE)
        self.total = total
        self.max_fraction = max_fraction
        self._recorded = set()  # by this process, which need not open the file when it meets a video again

    @property
    def allowed(self) -> int:
        """How many videos may be skipped."""
        if not self.max_fraction:
            return 0
        return max(int(self.max_fraction * self.total), min(ALWAYS_ALLOWED, self.total // 10), 1)

    def listed(self) -> dict[str, str]:
        """The reason of each skipped video, by its name, in the order of skipping. Videos of all processes."""
        if not self.path.exists():
            return {}
        with self.path.open(newline="", encoding="utf-8") as file:
            return {from_text_cell(row["path"]): from_text_cell(row["reason"]) for row in csv.DictReader(file)}

    def skip(self, video: str, reason: str):
        """List a video if it is not listed yet, then call `check`."""
        if video in self._recorded:
            return
        if not self._recorded:
            logger.warning(f"Videos that cannot be read are left out and listed in {self.path}.")
        self._recorded.add(video)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            listed = self.listed()
            if video not in listed:
                write_list(self.path, listed | {video: reason})
        self.check()

    def check(self):
        """Raise a `TooManySkippedVideosError` if more videos than allowed are listed."""
        videos = list(self.listed())
        if len(videos) <= self.allowed:
            return
        more = len(videos) - VIDEOS_NAMED_IN_MESSAGE
        raise TooManySkippedVideosError(
            f"{len(videos)} of {self.total} videos cannot be read, where max_skipped_fraction={self.max_fraction:g} "
            f"allows {self.allowed}: {', '.join(videos[:VIDEOS_NAMED_IN_MESSAGE])}"
            f"{f' and {more} more' if more > 0 else ''}; see why in {self.path}, then repair them, leave them out or "
            "raise max_skipped_fraction."
        )

    def clear(self):
        """Delete the list of an earlier run. One process calls this before any video is read."""
        self._recorded.clear()
        self.path.unlink(missing_ok=True)


def write_list(path: str | os.PathLike, videos: dict[str, str]):
    """Write, atomically, a CSV file with a column `path` of videos and a column `reason` of their errors."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(Path(path)) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        # Messages of decoders may have several lines.
        rows = ((video, " ".join(reason.split())) for video, reason in videos.items())
        writer.writerows(map(as_text_cell, row) for row in rows)


def replace_list(path: str | os.PathLike, videos: dict[str, str]):
    """Replace the list of an earlier run, or delete it if there are no videos. Other files raise a `ValueError`."""
    if Path(path).exists():
        with Path(path).open(newline="", encoding="utf-8", errors="replace") as file:
            if next(csv.reader(file), None) != list(COLUMNS):
                raise ValueError(f"'{path}' is in the way of the list of videos that cannot be read. Move it.")
    if videos:
        write_list(path, videos)
    else:
        Path(path).unlink(missing_ok=True)
