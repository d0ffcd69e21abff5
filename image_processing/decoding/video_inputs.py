"""Taking apart what a user passes as videos: a list with one entry a video."""

import os

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import ChannelDimension, infer_channel_dimension_format
from transformers.video_utils import VideoInput, is_valid_video_frame

from .image_decoding import rgb_pixels


def split_into_videos(
    videos: VideoInput | os.PathLike, input_data_format: str | ChannelDimension | None = None
) -> list[str | torch.Tensor]:
    """One entry per video: the path or URL it is to be read from, or its frames.

    Args:
        videos: A path or URL; a PIL image or an array of 3 dimensions (one frame); a list of such frames (one
            video); an array of 4 dimensions (one video) or 5 (several); a list of videos of any of these kinds,
            mixed and nested as one likes. Arrays are of NumPy or PyTorch.
        input_data_format: Where the channels of arrays are; found out from their shapes by default.

    Returns:
        Paths and URLs as strings, frames as tensors (frames, channels, height, width) of the dtype and on the
        device they came in. PIL images become RGB, uint8: the upper 8 of 16 bits, transparent pixels on black.

    Raises:
        ValueError: If there is no video, something is none of these kinds, a video has no frames, its frames differ
            in size, or the channels cannot be told from height and width.
    """
    if isinstance(videos, (str, os.PathLike)):
        return [os.fspath(videos)]
    if is_valid_video_frame(videos):
        return [_stack_frames([videos], input_data_format)]
    if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 4:
        return [_channels_first(_as_tensor(videos), input_data_format)]
    if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 5:
        videos = list(videos)
    if not isinstance(videos, (list, tuple)):
        found = f"{videos.ndim} dimensions" if hasattr(videos, "ndim") else f"type {type(videos).__name__}"
        raise ValueError(
            "A video must be a path, a URL, a list of frames (PIL images or arrays of 3 dimensions) or an array of 4 "
            f"dimensions, but one of {found} was given."
        )
    if not videos:
        raise ValueError("There is no video to process: the list of videos, or of frames, is empty.")
    if all(is_valid_video_frame(frame) for frame in videos):
        return [_stack_frames(videos, input_data_format)]
    return [video for item in videos for video in split_into_videos(item, input_data_format)]


def _stack_frames(frames: list, input_data_format: str | ChannelDimension | None) -> torch.Tensor:
    tensors = [
        torch.from_numpy(rgb_pixels(frame)).movedim(-1, 0)
        if isinstance(frame, Image.Image)
        else _channels_first(_as_tensor(frame)[None], input_data_format)[0]
        for frame in frames
    ]
    for index, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise ValueError(
                f"All frames of a video must have the same channels, height and width, but frame {index} has "
                f"{tuple(tensor.shape)} and frame 0 {tuple(tensors[0].shape)}."
            )
    return torch.stack(tensors)


def _as_tensor(array: np.ndarray | torch.Tensor) -> torch.Tensor:
    if isinstance(array, torch.Tensor):
        return array
    # PyTorch takes over neither negative strides (frames[..., ::-1], BGR turned to RGB) nor read-only memory.
    return torch.from_numpy(np.require(array, requirements=("C", "W")))


def _channels_first(video: torch.Tensor, input_data_format: str | ChannelDimension | None) -> torch.Tensor:
    if 0 in video.shape:
        raise ValueError(f"A video of shape {tuple(video.shape)} has no frames or no pixels.")
    if input_data_format is None:
        try:
            input_data_format = infer_channel_dimension_format(video, num_channels=(1, 3, 4))
        except ValueError as error:
            raise ValueError(
                f"A video of shape {tuple(video.shape)} has neither 1, 3 or 4 channels in its second dimension nor in "
                "its last. Pass it as (frames, channels, height, width) or (frames, height, width, channels)."
            ) from error
    return video.movedim(-1, -3) if ChannelDimension(input_data_format) is ChannelDimension.LAST else video
