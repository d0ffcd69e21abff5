"""Reading all of a data set's videos once, to find the broken ones before they are met in training."""

import os

import datasets
import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from transformers.video_utils import VideoMetadata

from ..image_processing import VideoReadError, read_video
from .skipping import write_list


BYTES_READ_AT_ONCE = 256 * 2**20  # bounds the frames of a long video in memory, for each worker


def check_data(videos: datasets.Dataset, output_path: str | os.PathLike, num_workers: int = 0) -> dict[str, str]:
    """Decode every frame of every distinct video, with a progress bar, and write the list of the broken ones.

    Args:
        videos: Data set with the column `video` (paths), as from `load_annotations`.
        output_path: CSV file to write, with the columns `path` and `reason`. Only its header if all videos are good.
        num_workers: Processes to read with; 0 reads in this one.

    Returns:
        The videos that cannot be read and why, in the order of `videos`.
    """
    paths = list(dict.fromkeys(videos["video"]))
    loader = DataLoader(_Problems(paths), batch_size=None, num_workers=num_workers)
    broken = {}
    with tqdm(zip(paths, loader, strict=True), "Checking videos", len(paths), unit="video") as progress:
        for path, problem in progress:
            if problem is not None:
                broken[path] = problem
                progress.set_postfix(broken=len(broken))
    write_list(output_path, broken)
    return broken


class _Problems(Dataset):
    """What is wrong with each video; None if nothing is."""

    def __init__(self, paths: list[str]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> str | None:
        try:
            read_all_frames(self.paths[index])
        except VideoReadError as error:
            return str(error)
        return None


def read_all_frames(video: str):
    """Decode all frames of a video, one part after another.

    Raises:
        VideoReadError: If one cannot be read.
    """
    frames, metadata = read_video(video, lambda metadata: np.zeros(1, dtype=np.int64))
    frames_at_once = max(BYTES_READ_AT_ONCE // frames.nbytes, 1)
    for start in range(0, metadata.total_num_frames, frames_at_once):
        read_video(video, _Part(start, frames_at_once))


class _Part:
    """Indices of `count` frames from `start` on, or of those that there are."""

    def __init__(self, start: int, count: int):
        self.start = start
        self.count = count

    def __call__(self, metadata: VideoMetadata) -> np.ndarray:
        stop = min(self.start + self.count, metadata.total_num_frames)
        return np.arange(min(self.start, stop - 1), stop)
