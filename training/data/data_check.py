"""Reading all of a data set's videos once, to find the broken ones before they are met in training."""

import os
from collections.abc import Sequence

import datasets
import numpy as np
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from tqdm import tqdm
from transformers.video_utils import VideoMetadata

from ...image_processing import VideoReadError, read_video
from .sharded_videos import ShardedVideos
from .skipped_videos import write_list
from .video_rows import holds_paths, local_video, video_name


BYTES_READ_AT_ONCE = 256 * 2**20  # bounds the frames of a long video in memory, for each worker


def check_data(
    sources: Sequence[datasets.Dataset | ShardedVideos],
    output_path: str | os.PathLike,
    num_workers: int = 0,
    reading: dict | None = None,
) -> dict[str, str]:
    """Decode every frame of every distinct video, with a progress bar, and write the list of the broken ones.

    Args:
        sources: Data sets with the column `video`, as `ClipDataset` takes them.
        output_path: CSV file to write, with the columns `path` and `reason`. Only its header if all videos are good.
        num_workers: Processes to read with; 0 reads in this one.
        reading: As for `ClipDataset`.

    Returns:
        The videos that cannot be read and why, in the order of `sources`; those that are paths come first.
    """
    loader = DataLoader(_Problems(_distinct(sources), reading), batch_size=None, num_workers=num_workers)
    broken = {}
    with tqdm(loader, "Checking videos", len(loader), unit="video") as progress:
        for name, problem in progress:
            if problem is not None:
                broken[name] = problem
                progress.set_postfix(broken=len(broken))
    write_list(output_path, broken)
    return broken


def _distinct(sources: Sequence[datasets.Dataset | ShardedVideos]) -> ConcatDataset:
    """The rows of all data sets; a path that is there repeatedly is so once."""
    paths = dict.fromkeys(path for videos in sources if holds_paths(videos) for path in videos["video"])
    held = [videos for videos in sources if not holds_paths(videos)]
    return ConcatDataset([*([datasets.Dataset.from_dict({"video": list(paths)})] if paths else []), *held])


class _Problems(Dataset):
    """What each video is called and what is wrong with it; None if nothing is."""

    def __init__(self, rows: Dataset, reading: dict | None):
        self.rows = rows
        self.reading = reading

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[str, str | None]:
        video = self.rows[index]["video"]
        try:
            with local_video(video) as path:
                read_all_frames(path, self.reading)
        except VideoReadError as error:
            return video_name(video), str(error)
        return video_name(video), None


def read_all_frames(video: str, reading: dict | None = None):
    """Decode all frames of a video, one part after another.

    Args:
        video: Its path.
        reading: As for `ClipDataset`.

    Raises:
        VideoReadError: If one cannot be read.
    """
    reading = reading or {}
    frames, metadata = read_video(video, lambda metadata: np.zeros(1, dtype=np.int64), **reading)
    frames_at_once = max(BYTES_READ_AT_ONCE // frames.nbytes, 1)
    for start in range(0, metadata.total_num_frames, frames_at_once):
        read_video(video, _Part(start, frames_at_once), **reading)


def read_first_and_last_frame(video: str | os.PathLike):
    """Decode two frames of a video, which finds files without a video in them and files whose end is missing.

    Raises:
        VideoReadError: If one cannot be read.
    """
    read_video(video, lambda metadata: np.array([0, metadata.total_num_frames - 1]))


class _Part:
    """Indices of `count` frames from `start` on, or of those that there are."""

    def __init__(self, start: int, count: int):
        self.start = start
        self.count = count

    def __call__(self, metadata: VideoMetadata) -> np.ndarray:
        stop = min(self.start + self.count, metadata.total_num_frames)
        return np.arange(min(self.start, stop - 1), stop)
