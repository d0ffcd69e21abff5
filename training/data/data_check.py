"""Reads all videos of data sets once, to find the broken ones before training."""

import functools
import os
from collections.abc import Sequence

import datasets
import numpy as np
from torch.utils.data import ConcatDataset, DataLoader
from tqdm import tqdm
from transformers.video_utils import VideoMetadata

from ...image_processing import VideoReadError, read_video
from ...image_processing.decoding.local_videos import local_video, video_name
from ...messages import shows_progress
from .sharded_videos import ShardedVideos
from .skipped_videos import replace_list
from .video_rows import distinct_paths, holds_paths


BYTES_READ_AT_ONCE = 256 * 2**20  # limits the memory for the frames of a long video, in each worker


def check_data(
    sources: Sequence[datasets.Dataset | ShardedVideos],
    output_path: str | os.PathLike,
    num_workers: int = 0,
    reading: dict | None = None,
) -> dict[str, str]:
    """Decode every frame of every distinct video, with a progress bar, and list the broken videos in a CSV file.

    If all videos are good, there is no file, and that of an earlier check is deleted.

    Args:
        sources: Data sets, each as `videos` of `ClipDataset`.
        output_path: The CSV file, as from `replace_list`.
        num_workers: Number of reading processes; 0 reads in this process.
        reading: As for `ClipDataset`.

    Returns:
        The reason of each broken video, by its name, in the order of `sources`, paths first.
    """
    paths = list(distinct_paths(sources))
    held = [videos for videos in sources if not holds_paths(videos)]
    rows = ConcatDataset([*([datasets.Dataset.from_dict({"video": paths})] if paths else []), *held])
    find_problem = functools.partial(_name_and_problem, reading=reading)
    loader = DataLoader(rows, batch_size=None, num_workers=num_workers, collate_fn=find_problem)
    broken = {}
    with tqdm(loader, "Checking videos", len(loader), unit="video", disable=not shows_progress()) as progress:
        for name, problem in progress:
            if problem is not None:
                broken[name] = problem
                progress.set_postfix(broken=len(broken))
    replace_list(output_path, broken)
    return broken


def _name_and_problem(row: dict, reading: dict | None) -> tuple[str, str | None]:
    """The name of a row's video, and why it cannot be read."""
    video = row["video"]
    try:
        with local_video(video) as path:
            read_all_frames(path, reading)
    except VideoReadError as error:
        return video_name(video), str(error)
    return video_name(video), None


def read_all_frames(video: str, reading: dict | None = None):
    """Decode all frames of a video, in parts that fit into memory. Raises a `VideoReadError` if one cannot be read."""
    reading = reading or {}
    frames, metadata = read_video(video, lambda metadata: np.zeros(1, dtype=np.int64), **reading)
    frames_at_once = max(BYTES_READ_AT_ONCE // frames.nbytes, 1)
    for start in range(0, metadata.total_num_frames, frames_at_once):
        read_video(video, functools.partial(_part, start, frames_at_once), **reading)


def read_first_and_last_frame(video: str | os.PathLike):
    """Decode two frames of a video. A `VideoReadError` reports a file without a video or without its end."""
    read_video(video, lambda metadata: np.array([0, metadata.total_num_frames - 1]))


def _part(start: int, count: int, metadata: VideoMetadata) -> np.ndarray:
    """Indices of at most `count` frames from `start`."""
    stop = min(start + count, metadata.total_num_frames)
    return np.arange(min(start, stop - 1), stop)
