"""Chooses the frames of clips for evaluation."""

import numpy as np
from transformers.video_utils import VideoMetadata


def evaluation_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, num_segments: int = 1
) -> np.ndarray:
    """Indices of the frames on which MAE-DFER evaluates a video.

    Every `sampling_rate`-th frame is taken, and the last one is repeated until there are `num_frames`. The clips are
    windows of `num_frames` of these frames. Several windows are spread evenly from the first to the last possible one.
    A single window is in the middle.

    Args:
        total_frames: Frames of the video.
        num_frames: Frames of a clip.
        sampling_rate: Step between sampled frames, in frames.
        num_segments: Clips of the video.

    Returns:
        int64 array (num_segments, num_frames), each row in ascending order.

    Raises:
        ValueError: If the video has no frame.
    """
    check_has_frames(total_frames)
    sampled = np.arange(0, total_frames, sampling_rate, dtype=np.int64)
    sampled = np.pad(sampled, (0, max(num_frames - len(sampled), 0)), mode="edge")
    spare = len(sampled) - num_frames
    starts = [spare // 2] if num_segments == 1 else [k * spare // (num_segments - 1) for k in range(num_segments)]
    return np.stack([sampled[start : start + num_frames] for start in starts])


def every_frame(metadata: VideoMetadata) -> np.ndarray:
    """Indices of all frames of a video as one clip: int64 (1, frames). An argument for `read_video`."""
    return np.arange(metadata.total_num_frames)[None]


def check_has_frames(total_frames: int):
    """Raise ValueError if a video has no frame."""
    if total_frames < 1:
        raise ValueError(f"A clip needs a video of at least one frame, but this one has {total_frames}.")
