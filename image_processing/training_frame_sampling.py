"""Chooses the frames of clips for training."""

import numpy as np
import torch

from .frame_sampling import check_has_frames


def finetuning_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, generator: torch.Generator
) -> np.ndarray:
    """Indices of the frames of a clip for fine-tuning with MAE-DFER.

    The clip is a random window of `num_frames * sampling_rate` frames, or the whole video if it is not longer. As in
    VideoMAE's code for Kinetics, a window never reaches the last frame of a longer video.

    Args:
        total_frames: Frames of the video.
        num_frames: Frames of the clip.
        sampling_rate: Step between frames of the clip, in frames of the video.
        generator: Draws the window.

    Returns:
        int64 array (num_frames,) in ascending order.

    Raises:
        ValueError: If the video has no frame.
    """
    check_has_frames(total_frames)
    window = num_frames * sampling_rate
    if total_frames <= window:
        return spread_over_short_video(total_frames, num_frames, sampling_rate)
    window_end = torch.randint(window, total_frames, (), generator=generator).item()
    return spread_over_window(window_end, num_frames, sampling_rate)


def spread_over_short_video(total_frames: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """`total_frames // sampling_rate` frames of a whole video, padded with its last frame: int64 (num_frames,)."""
    spread = np.linspace(0, total_frames, num=total_frames // sampling_rate)
    padded = np.pad(spread, (0, num_frames - len(spread)), constant_values=total_frames)
    return padded.clip(0, total_frames - 1).astype(np.int64)


def spread_over_window(window_end: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """Frames of the `num_frames * sampling_rate` frames before `window_end`: int64 (num_frames,)."""
    spread = np.linspace(window_end - num_frames * sampling_rate, window_end, num=num_frames)
    return spread.clip(max=window_end - 1).astype(np.int64)


def pretraining_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, generator: torch.Generator
) -> np.ndarray:
    """Indices of the frames of a clip for pre-training with MAE-DFER.

    Every `sampling_rate`-th frame is taken, starting at a random frame. Videos of at most `num_frames * sampling_rate`
    frames start at the first frame. Arguments, result and errors are those of `finetuning_frame_indices`.
    """
    check_has_frames(total_frames)
    latest_start = max(total_frames - num_frames * sampling_rate, 0)
    start = torch.randint(latest_start + 1, (), generator=generator).item()
    return step_from(start, total_frames, num_frames, sampling_rate)


def step_from(start: int, total_frames: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """Every `sampling_rate`-th frame from `start`, padded with the last of them: int64 (num_frames,)."""
    # The published loader never takes the last frame of a video.
    last_step = max(total_frames - 2 - start, 0) // sampling_rate
    return start + sampling_rate * np.arange(num_frames, dtype=np.int64).clip(max=last_step)
