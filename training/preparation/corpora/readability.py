"""Finds the unreadable videos of a large corpus, in parallel, and records them in a file."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from ....image_processing import VideoReadError
from ....messages import shows_progress
from ...data.data_check import read_first_and_last_frame
from ..parallel import WorkerDiedError, map_unordered, worker_processes
from .clip_folders import ClipFolder, clips_below


RECORD_FILE = "readability.jsonl"
FOLDERS_AHEAD = 4  # for each process, so that no process waits for a folder


class ReadabilityRecord:
    """A file that records which folders of videos were read, and which of their videos are unreadable.

    Each line is a JSON object: a folder, the number and the bytes of its videos, and the errors of unreadable videos
    by name. Lines are only appended, and the last line of a folder counts. An incomplete line, which a killed process
    may leave, is ignored. A folder is unknown again when the number or the size of its videos has changed.

    Raises:
        ValueError: If the file has other lines.
    """

    def __init__(self, path: Path):
        self.path = path
        self._sizes, self._unreadable = {}, {}
        if path.exists():
            self._load()

    def knows(self, folder: ClipFolder) -> bool:
        """Whether the videos of this folder were read."""
        return self._sizes.get(folder.path) == _sizes(folder)

    def unreadable(self, folder: ClipFolder) -> dict[str, str]:
        """The unreadable videos of a folder by name, with their errors. Empty for an unknown folder."""
        return self._unreadable.get(folder.path, {}) if self.knows(folder) else {}

    def add(self, folder: ClipFolder, unreadable: dict[str, str]):
        """Record the result for a folder, in memory and in the file."""
        videos, size = _sizes(folder)
        line = {"folder": folder.path, "videos": videos, "bytes": size, "unreadable": unreadable}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._remember(line)

    def _load(self):
        text = "\n"
        with self.path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    self._remember(json.loads(text))
                except json.JSONDecodeError:  # incomplete line
                    continue
                except (KeyError, TypeError) as error:
                    raise ValueError(
                        f"'{self.path}', line {number}, is not a record of a folder of videos. Move the file, or "
                        "choose another --output."
                    ) from error
        if not text.endswith("\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def _remember(self, line: dict):
        self._sizes[line["folder"]] = (line["videos"], line["bytes"])
        if line["unreadable"]:
            self._unreadable[line["folder"]] = line["unreadable"]
        else:
            self._unreadable.pop(line["folder"], None)


def _sizes(folder: ClipFolder) -> tuple[int, int]:
    return len(folder.clips), sum(clip.stat().st_size for clip in folder.clips)


def check_readability(folder: Path, depth: int, record: ReadabilityRecord, num_workers: int):
    """Read the first and the last frame of each video in folders that the record does not know, and record them.

    This finds files without a video in a fraction of the time of decoding all frames. Damage in the middle of a video
    is found in training, which skips such videos.

    Args:
        folder, depth: As for `clips_below`.
        record: Gets the results.
        num_workers: Number of worker processes. With 0, this process reads.

    Raises:
        ValueError: If a worker process dies.
    """
    hidden = not shows_progress()
    folders = tqdm(clips_below(folder, depth), "Counting", unit=" folders", disable=hidden)
    num_videos = sum(len(found.clips) for found in folders)
    with (
        tqdm(desc="Reading first and last frames", total=num_videos, unit="video", disable=hidden) as progress,
        worker_processes(num_workers, preload=__name__) as pool,
    ):
        unknown = _unknown(clips_below(folder, depth), record, progress)
        tasks = ((found, [clip.path for clip in found.clips]) for found in unknown)
        try:
            for found, unreadable in map_unordered(pool, find_unreadable, tasks, FOLDERS_AHEAD * num_workers):
                record.add(found, unreadable)
                progress.update(len(found.clips))
        except WorkerDiedError as error:
            being_read = ", ".join(found.path for found in error.keys[: 2 * num_workers])
            raise ValueError(
                f"A process died while it read the videos in one of these folders: {being_read}. Check the memory of "
                "the machine. Use fewer --num_workers to find the video that kills it, move that video away, and run "
                "the command again."
            ) from error


def _unknown(folders: Iterable[ClipFolder], record: ReadabilityRecord, progress: tqdm) -> Iterator[ClipFolder]:
    for folder in folders:
        if record.knows(folder):
            progress.update(len(folder.clips))
        else:
            yield folder


def find_unreadable(videos: list[str]) -> dict[str, str]:
    """Read the first and the last frame of videos (paths). Returns the errors by file name."""
    unreadable = {}
    for video in videos:
        try:
            read_first_and_last_frame(video)
        except VideoReadError as error:
            reason = str(error).removeprefix(f"'{video}' ")  # the record has the path
            unreadable[os.path.basename(video)] = " ".join(reason.split())
    return unreadable
