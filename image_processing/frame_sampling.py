"""Which frames of a video make up a clip at evaluation."""

import numpy as np


def evaluation_frame_indices(
    total_frames: int, num_frames: int, sampling_rate: int, num_segments: int = 1
) -> np.ndarray:
    """Indices of the frames that MAE-DFER evaluates a video on.

    Every `sampling_rate`-th frame is taken and the last of them repeated until there are `num_frames`. Windows of
    `num_frames` of these are the clips: `num_segments` of them, spread evenly from the first to the last possible
    window, or a single centred one.

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
    if total_frames < 1:
        raise ValueError(f"A clip needs a video of at least one frame, but this one has {total_frames}.")
    sampled = np.arange(0, total_frames, sampling_rate, dtype=np.int64)
    sampled = np.pad(sampled, (0, max(num_frames - len(sampled), 0)), mode="edge")
    spare = len(sampled) - num_frames
    starts = [spare // 2] if num_segments == 1 else [k * spare // (num_segments - 1) for k in range(num_segments)]
    return np.stack([sampled[start : start + num_frames] for start in starts])
