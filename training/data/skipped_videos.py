"""Videos that cannot be read: they are listed and left out, unless there are too many of them."""

import contextlib
import csv
import os
from pathlib import Path

from filelock import FileLock
from transformers.utils import logging

from ...files import whole_file


logger = logging.get_logger(__name__)

SKIPPED_VIDEOS_FILE = "skipped_videos.csv"
COLUMNS = ("path", "reason")
VIDEOS_NAMED_IN_MESSAGE = 10


class TooManySkippedVideosError(RuntimeError):
    """More videos than allowed cannot be read. The message says how many and which."""


class SkippedVideos:
    """The videos of a run that could not be read, in `output_dir/skipped_videos.csv`.

    The file is the only record: all workers of all processes that share the folder write into it, under a lock, each
    video once. So a run that is resumed counts on, and machines without a common folder count for themselves.

    Args:
        output_dir: Where the file is. It is made when the first video is skipped.
        total: Distinct videos of the run, all its data sets together. An estimate will do for streams.
        max_fraction: Share of them that may be skipped. One video always may, so that a small corpus does not stop at
            its first broken one, but for 0: then none.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(self, output_dir: str | os.PathLike, total: int, max_fraction: float = 0.01):
        if not 0 <= max_fraction <= 1:
            raise ValueError(f"max_skipped_fraction={max_fraction} must be a share from 0 to 1.")
        if total < 1:
            raise ValueError(f"A run needs at least one video, but has {total}.")
        self.path = Path(output_dir, SKIPPED_VIDEOS_FILE)
        self.total = total
        self.max_fraction = max_fraction
        self._recorded = set()  # by this process; spares it the file when a video turns up again

    @property
    def allowed(self) -> int:
        """How many videos may be skipped."""
        return max(int(self.max_fraction * self.total), 1) if self.max_fraction else 0

    def listed(self) -> dict[str, str]:
        """The skipped videos of all processes and why each could not be read, in the order in which they were met."""
        if not self.path.exists():
            return {}
        with self.path.open(newline="", encoding="utf-8") as file:
            return {row["path"]: row["reason"] for row in csv.DictReader(file)}

    def skip(self, video: str, reason: str):
        """List a video, unless it is listed already.

        Raises:
            TooManySkippedVideosError: If that is one too many.
        """
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
        """Stop if too many videos are listed.

        Raises:
            TooManySkippedVideosError: In one sentence for the user. (From a data loader's worker the same error
                arrives with the worker's traceback in its message; call this again to have it without.)
        """
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

    @contextlib.contextmanager
    def told_plainly(self):
        """Within it, a `TooManySkippedVideosError` of a data loader's worker leaves without the worker's traceback."""
        try:
            yield
        except TooManySkippedVideosError:
            self.check()
            raise

    def clear(self):
        """Forget what an earlier run in the same folder listed. For one process, before any video is read."""
        self._recorded.clear()
        self.path.unlink(missing_ok=True)


def write_list(path: str | os.PathLike, videos: dict[str, str]):
    """Write videos and why they cannot be read as a CSV file with the columns `path` and `reason`.

    The file is replaced when the new one is whole, so that a killed process leaves no part of a list.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(Path(path)) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((video, _one_line(reason)) for video, reason in videos.items())


def replace_list(path: str | os.PathLike, videos: dict[str, str]):
    """As `write_list`; where there is nothing to list, the file that an earlier run has left is removed.

    Raises:
        ValueError: If the file that is there is no such list. It is left as it is.
    """
    if Path(path).exists() and not _is_list(path):
        raise ValueError(f"'{path}' is in the way of the list of videos that cannot be read. Move it.")
    if videos:
        write_list(path, videos)
    else:
        Path(path).unlink(missing_ok=True)


def _is_list(path: str | os.PathLike) -> bool:
    with Path(path).open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader(file), None) == list(COLUMNS)


def _one_line(reason: str) -> str:
    return " ".join(reason.split())  # decoders' messages may have several
