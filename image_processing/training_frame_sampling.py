"""Which frames of a video make up a clip in training."""

import numpy as np
import torch


def finetuning_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, generator: torch.Generator
) -> np.ndarray:
    """Indices of the frames of a clip that MAE-DFER fine-tunes on.

    A window of `num_frames * sampling_rate` frames at a random place of the video, or the whole video if it is no
    longer than that. (As published, for VideoMAE's Kinetics data set: a window never reaches the last frame of a
    longer video.)

    Args:
        total_frames: Frames of the video.
        num_frames: Frames of the clip.
        sampling_rate: Step between frames of the clip, in frames of the video.
        generator: Draws the place.

    Returns:
        int64 array (num_frames,) in ascending order.

    Raises:
        ValueError: If the video has no frame.
    """
    _require_a_frame(total_frames)
    window = num_frames * sampling_rate
    if total_frames <= window:
        return spread_over_short_video(total_frames, num_frames, sampling_rate)
    window_end = torch.randint(window, total_frames, (), generator=generator).item()
    return spread_over_window(window_end, num_frames, sampling_rate)


def spread_over_short_video(total_frames: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """`total_frames // sampling_rate` frames from the first to the last, then the last again: int64 (num_frames,)."""
    spread = np.linspace(0, total_frames, num=total_frames // sampling_rate)
    padded = np.pad(spread, (0, num_frames - len(spread)), constant_values=total_frames)
    return padded.clip(0, total_frames - 1).astype(np.int64)


def spread_over_window(window_end: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """Frames from `num_frames * sampling_rate` before `window_end` to the one right before it: int64 (num_frames,)."""
    spread = np.linspace(window_end - num_frames * sampling_rate, window_end, num=num_frames)
    return spread.clip(max=window_end - 1).astype(np.int64)


def pretraining_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, generator: torch.Generator
) -> np.ndarray:
    """Indices of the frames of a clip that MAE-DFER pre-trains on.

    Every `sampling_rate`-th frame from a random one on; from the first, if the video is no longer than
    `num_frames * sampling_rate`.

    Args:
        total_frames: Frames of the video.
        num_frames: Frames of the clip.
        sampling_rate: Step between frames of the clip, in frames of the video.
        generator: Draws the first frame.

    Returns:
        int64 array (num_frames,) in ascending order.

    Raises:
        ValueError: If the video has no frame.
    """
    _require_a_frame(total_frames)
    latest_start = max(total_frames - num_frames * sampling_rate, 0)
    start = torch.randint(latest_start + 1, (), generator=generator).item()
    return step_from(start, total_frames, num_frames, sampling_rate)


def step_from(start: int, total_frames: int, num_frames: int, sampling_rate: int) -> np.ndarray:
    """Every `sampling_rate`-th frame from `start` on, then the last one reached again: int64 (num_frames,)."""
    # The published loader never steps onto the last frame of a video, only up to the one before it.
    steps_to_the_end = max(total_frames - 2 - start, 0) // sampling_rate
    return start + sampling_rate * np.arange(num_frames, dtype=np.int64).clip(max=steps_to_the_end)


def _require_a_frame(total_frames: int):
    if total_frames < 1:
        raise ValueError(f"A clip needs a video of at least one frame, but this one has {total_frames}.")
