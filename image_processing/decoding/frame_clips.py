"""Clips of videos that are given as frames: arrays, lists of images, and decoders of TorchCodec."""

from collections.abc import Callable
from dataclasses import replace

import torch
from transformers.video_utils import VideoMetadata

from .pyav_decoding import NotedMetadata
from .section import FRAME_RATE, Sampling, regular_times
from .video_decoding import sampled_indices
from .video_inputs import decoded_frames_at


def clips_of_tensor(
    video: torch.Tensor,
    metadata: VideoMetadata | None,
    sample_indices_fn: Callable,
    sampling: Sampling,
    frame_rate: float | None,
) -> tuple[torch.Tensor, VideoMetadata]:
    """The clips of a video (frames, channels, height, width), in the interface of the readers of the processor.

    Args:
        video: The pixels.
        metadata: What is known of the video.
        sample_indices_fn, sampling, frame_rate: As for `read_video`.

    Returns:
        (*shape of the indices, channels, height, width), and metadata with `frames_indices` and `frame_times`.
    """
    metadata = _sampled_metadata(len(video), metadata, sample_indices_fn, sampling, frame_rate)
    clips = video[torch.from_numpy(metadata.frames_indices)]
    return clips, replace(metadata, height=video.shape[-2], width=video.shape[-1])


def clips_of_decoder(
    decoder, metadata: VideoMetadata | None, sample_indices_fn: Callable, sampling: Sampling, frame_rate: float | None
) -> tuple[torch.Tensor, VideoMetadata]:
    """As `clips_of_tensor`, for a `torchcodec.decoders.VideoDecoder`, which may know its frame rate."""
    own_rate = getattr(getattr(decoder, "metadata", None), "average_fps", None)
    metadata = _sampled_metadata(len(decoder), metadata, sample_indices_fn, sampling, own_rate or frame_rate)
    clips = decoded_frames_at(decoder, metadata.frames_indices)
    return clips, replace(metadata, height=clips.shape[-2], width=clips.shape[-1])


def _sampled_metadata(
    num_frames: int,
    known: VideoMetadata | None,
    sample_indices_fn: Callable,
    sampling: Sampling,
    frame_rate: float | None,
) -> NotedMetadata:
    """The metadata of a video of frames at a constant rate, with the indices of the sampled frames."""
    known = {} if known is None else dict(known)
    rate = frame_rate or known.get("fps") or FRAME_RATE
    metadata = NotedMetadata(
        **known | {"total_num_frames": num_frames, "frame_times": regular_times(num_frames, rate)}
    )
    indices = sampled_indices(sample_indices_fn, metadata, sampling, metadata.frame_times, "The video")
    return replace(metadata, frames_indices=indices)
