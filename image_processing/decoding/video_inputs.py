"""Splitting the videos that a user passes into a list with one entry a video."""

import os
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import ChannelDimension, infer_channel_dimension_format
from transformers.video_utils import VideoInput, is_valid_video_frame

from .image_decoding import rgb_pixels
from .local_videos import has_content
from .video_sources import VideoReadError


def split_into_videos(
    videos: VideoInput | os.PathLike | Mapping | bytes | BinaryIO,
    input_data_format: str | ChannelDimension | None = None,
) -> list:
    """One entry per video: its path or URL, its content, or its frames.

    Args:
        videos: A path or URL; any other video of `local_video`, such as a dictionary of `datasets`; a PIL image or an
            array of 3 dimensions (one frame); a list of such frames (one video); an array of 4 dimensions (one video)
            or 5 (several); a `torchcodec.decoders.VideoDecoder`; or a list of any of these, also nested. Arrays are of
            NumPy or PyTorch.
        input_data_format: Where the channels of arrays are. By default, their shapes decide.

    Returns:
        Paths and URLs as strings, frames as tensors (frames, channels, height, width) with the dtype and device of the
        input. PIL images become RGB, uint8, by the upper 8 of 16 bits. Transparent pixels of images and of arrays with
        4 channels are put on black. Decoders and videos with content (`has_content`) do not change.

    Raises:
        ValueError: If there is no video, a type is not one of these, a video has no frames, its frames differ in
            size, its numbers are complex or on the device "meta", or its shape does not show where the channels are.
    """
    if isinstance(videos, (str, os.PathLike)):
        return [os.fspath(videos)]
    if has_content(videos) or is_decoder(videos):
        return [videos]
    if is_valid_video_frame(videos):
        return [_stack_frames([videos], input_data_format)]
    if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 4:
        return [_channels_first(videos, input_data_format)]
    if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 5:
        videos = list(videos)
    if not isinstance(videos, (list, tuple)):
        found = f"{videos.ndim} dimensions" if hasattr(videos, "ndim") else f"type {type(videos).__name__}"
        raise ValueError(
            "A video must be a path, a URL, bytes, an open file, a dictionary with 'bytes' or 'path', a list of "
            f"frames (PIL images or arrays of 3 dimensions) or an array of 4 dimensions, but one of {found} was given."
        )
    if not videos:
        raise ValueError("There is no video to process: the list of videos, or of frames, is empty.")
    if all(is_valid_video_frame(frame) for frame in videos):
        return [_stack_frames(videos, input_data_format)]
    return [video for item in videos for video in split_into_videos(item, input_data_format)]


def is_decoder(video) -> bool:
    """Whether a video is a `torchcodec.decoders.VideoDecoder`. TorchCodec need not be installed."""
    return callable(getattr(video, "get_frames_at", None)) and hasattr(video, "__len__")


def decoded_frames_at(decoder, indices: np.ndarray) -> torch.Tensor:
    """Frames of a `VideoDecoder`: uint8 (*shape of the indices, channels, height, width). Each is decoded once.

    Raises:
        VideoReadError: If the frames cannot be decoded.
    """
    distinct, positions = np.unique(indices, return_inverse=True)
    try:
        frames = decoder.get_frames_at(indices=distinct.tolist()).data
    except Exception as error:  # TorchCodec raises RuntimeError and others
        raise VideoReadError(f"The decoded video cannot be read: {error}. Pass its path instead.") from error
    return _channels_first(frames, None)[torch.from_numpy(positions.reshape(indices.shape))]


def _stack_frames(frames: list, input_data_format: str | ChannelDimension | None) -> torch.Tensor:
    tensors = [
        torch.from_numpy(rgb_pixels(frame)).movedim(-1, 0)
        if isinstance(frame, Image.Image)
        else _channels_first(frame[None], input_data_format)[0]
        for frame in frames
    ]
    for index, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            raise ValueError(
                f"All frames of a video must have the same channels, height and width, but frame {index} has "
                f"{tuple(tensor.shape)} and frame 0 {tuple(tensors[0].shape)}."
            )
    return torch.stack(tensors)


def _channels_first(
    video: np.ndarray | torch.Tensor, input_data_format: str | ChannelDimension | None
) -> torch.Tensor:
    """A tensor of a video of 4 dimensions."""
    if not isinstance(video, torch.Tensor):
        # PyTorch supports neither negative strides (frames[..., ::-1] of BGR frames) nor read-only memory.
        video = torch.from_numpy(np.require(video, requirements=("C", "W")))
    if video.is_meta:
        raise ValueError("A video on the device 'meta' has no pixels. Pass one on another device.")
    if video.is_complex():
        raise ValueError(f"A video of {video.dtype} has no pixels. Pass whole or real numbers from 0 to 255.")
    if 0 in video.shape:
        raise ValueError(f"A video of shape {tuple(video.shape)} has no frames or no pixels.")
    if input_data_format is None:
        try:
            input_data_format = _channel_dimension(video)
        except ValueError as error:
            raise ValueError(
                f"A video of shape {tuple(video.shape)} has neither 1, 3 or 4 channels in its second dimension nor in "
                "its last. Pass it as (frames, channels, height, width) or (frames, height, width, channels)."
            ) from error
    video = video.movedim(-1, -3) if ChannelDimension(input_data_format) is ChannelDimension.LAST else video
    return transparent_on_black(video) if video.shape[-3] == 4 else video


def _channel_dimension(video: torch.Tensor) -> ChannelDimension:
    """Where the channels are. If both places are possible, 3 channels are more likely than 1 or 4."""
    first, last = video.shape[-3], video.shape[-1]
    if (first == 3) != (last == 3) and {first, last} <= {1, 3, 4}:
        return ChannelDimension.FIRST if first == 3 else ChannelDimension.LAST
    return infer_channel_dimension_format(video, num_channels=(1, 3, 4))


def transparent_on_black(video: torch.Tensor) -> torch.Tensor:
    """Put transparent pixels (..., 4, height, width) on black: (..., 3, height, width) of the same dtype.

    A float alpha channel whose maximum is at most 1 goes from 0 to 1, any other from 0 to 255.
    """
    colours, alpha = video[..., :3, :, :], video[..., 3:, :, :].float()
    opaque = 1 if video.is_floating_point() and alpha.max() <= 1 else 255
    blended = colours.float() * (alpha / opaque)
    return (blended if video.is_floating_point() else blended.round()).to(video.dtype)
