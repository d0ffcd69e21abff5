"""Finding the videos of a large corpus that cannot be read: once, in parallel, and remembered."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from ....image_processing import VideoReadError
from ...data.data_check import read_first_and_last_frame
from ..parallel import WorkerDiedError, map_unordered, worker_processes
from .clip_folders import ClipFolder


RECORD_FILE = "readability.jsonl"
FOLDERS_AHEAD = 4  # that wait for each process, so that none ever waits for a folder


class ReadabilityRecord:
    """Which folders of videos have been read, and which of their videos cannot be; kept in a file.

    A line is a JSON object: a folder, how many videos of how many bytes it had, and what is wrong with the unreadable
    ones, by name. Lines are only ever added, the last of a folder counts, and one that a killed process has left
    half-written does not. A folder whose videos have changed in number or size is not known any more.

    Args:
        path: The file; it is made when the first folder is added.

    Raises:
        ValueError: If the file has lines of something else.
    """

    def __init__(self, path: Path):
        self.path = path
        self._sizes, self._unreadable = {}, {}
        if path.exists():
            self._load()

    def knows(self, folder: ClipFolder) -> bool:
        """Whether these videos have been read."""
        return self._sizes.get(folder.path) == _sizes(folder)

    def unreadable(self, folder: ClipFolder) -> dict[str, str]:
        """The names of a folder's unreadable videos, and what is wrong with them; none if it is not known."""
        return self._unreadable.get(folder.path, {}) if self.knows(folder) else {}

    def add(self, folder: ClipFolder, unreadable: dict[str, str]):
        """Remember what was found in a folder, also for later processes."""
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
                except json.JSONDecodeError:  # half-written
                    continue
                except (KeyError, TypeError) as error:
                    raise ValueError(
                        f"'{self.path}', line {number}, is no record of a folder of videos: move the file, or choose "
                        "another --output."
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


def check_readability(folders: Iterable[ClipFolder], record: ReadabilityRecord, num_workers: int, num_videos: int):
    """Read the first and the last frame of each video in folders that the record does not know, and add them to it.

    That finds files without a video in them and files whose end is missing, in a fraction of the time of decoding
    all frames. Damage in the middle is met in training, which leaves such videos out.

    Args:
        folders: The folders of videos.
        record: Of what was read.
        num_workers: Processes to read with; 0 reads in this one.
        num_videos: How many videos all folders have together, for the progress bar.

    Raises:
        ValueError: If a process dies of a video.
    """
    with (
        tqdm(desc="Reading first and last frames", total=num_videos, unit="video") as progress,
        worker_processes(num_workers, preload=__name__) as pool,
    ):
        tasks = ((folder, [clip.path for clip in folder.clips]) for folder in _unknown(folders, record, progress))
        try:
            for folder, unreadable in map_unordered(pool, find_unreadable, tasks, FOLDERS_AHEAD * num_workers):
                record.add(folder, unreadable)
                progress.update(len(folder.clips))
        except WorkerDiedError as error:
            being_read = ", ".join(folder.path for folder in error.keys[: 2 * num_workers])
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
    """The names of those of the videos (paths) whose first or last frame cannot be read, and why."""
    unreadable = {}
    for video in videos:
        try:
            read_first_and_last_frame(video)
        except VideoReadError as error:
            reason = str(error).removeprefix(f"'{video}' ")  # it is said beside its path
            unreadable[os.path.basename(video)] = " ".join(reason.split())
    return unreadable
