"""Reading the frames of a video file that are needed with PyAV.

Functions that read are called in the manner of `transformers.video_utils`: with a path and `sample_indices_fn`, which
is told the metadata and returns distinct indices in ascending order. They return the frames, uint8 RGB (frames,
height, width, 3), and the metadata, and raise whatever is wrong.
"""

import bisect
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from .frame_pixels import FrameConverter, decoder_of


MOST_THREADS = 16  # that FFmpeg recommends
COVER = 1024  # FFmpeg's flag of a stream that is a picture, "attached_pic"

# Containers by the names of FFmpeg: those that find a keyframe by the time at which it is shown.
SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")

# Frames that are stepped over undecoded, by codecs. Not of HEVC: frames that are marked as no reference may be one to
# those of a higher temporal layer.
UNDECODED = {"h264": "NONREF"}


def open_with_pyav(path: str):
    """PyAV's container of a video file, for a `with` block."""
    try:
        import av  # not before it is needed: it brings a second copy of the FFmpeg libraries that decord brings
    except ImportError as error:
        raise ImportError("PyAV is not installed; install it with: pip install av") from error
    return av.open(path)


def read_by_packets(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode no other frames of a file than those that are needed and those that these are predicted from.

    About half of the frames of a usual H.264 file are predicted from others but none from them: these need not be
    decoded to step over them. Their packets are handed to the decoder all the same, which tells them by their headers.
    Where a keyframe lies between two needed frames, what is before it is leapt over.

    Raises:
        ValueError: If that would not surely give the frames that decoding from the beginning gives.
    """
    with open_with_pyav(path) as container:
        stream = _stream_in_threads(container)
        times, keyframes = _times(container, stream)
        metadata = _metadata(stream, len(times))
        wanted = [times[index] for index in sample_indices_fn(metadata=metadata)]
        frames = {}
        for start, group in itertools.groupby(wanted, lambda time: keyframes[bisect.bisect(keyframes, time) - 1]):
            frames |= _decode_wanted(container, stream, start, set(group))
    if len(frames) < len(wanted):  # not every keyframe is whole by itself where pictures are refreshed in parts
        raise ValueError("it lacks frames that its packets announce")
    return np.stack([frames[time] for time in wanted]), metadata


def _times(container, stream) -> tuple[list[int], list[int]]:
    """When the frames are shown and which of these times are those of keyframes, in ascending order."""
    if container.format.name not in SEEKABLE:
        raise ValueError(f"its container is {container.format.name}, in which keyframes are not found by their times")
    packets = [_Header(p.pts, p.is_keyframe, p.is_discard, _holds_frame(p)) for p in container.demux(stream) if p.size]
    times = {packet.time for packet in packets if packet.holds_frame and packet.time is not None}
    if not len(times) == len(packets) == (stream.frames or len(packets)):
        raise ValueError("its packets are not one a frame")
    if not packets or not packets[0].is_keyframe or packets[0].time > min(times):  # what needs one before is left out
        raise ValueError("it does not begin with a keyframe")
    if stream.codec_context.has_b_frames and all(a.time < b.time for a, b in itertools.pairwise(packets)):
        raise ValueError("its frames have the times at which they are decoded")  # as those from AVI have
    shown = sorted(packet.time for packet in packets if not packet.is_discarded)
    return shown, sorted(packet.time for packet in packets if packet.is_keyframe)


class _Header(NamedTuple):
    """What is kept of a packet, whose bytes are not."""

    time: int | None  # at which its frame is shown
    is_keyframe: bool
    is_discarded: bool  # by an edit list: its frame is decoded but not shown
    holds_frame: bool


def _holds_frame(packet) -> bool:
    """Whether a frame is shown for a packet, without a doubt."""
    codec = packet.stream.codec_context.name
    if codec == "vp8":
        return bool(memoryview(packet)[0] & 0x10)  # the bit for that; frames without it are only predicted from
    return codec != "mpeg4" or packet.size > 7  # a header, which may say that the last frame stays


def _decode_wanted(container, stream, start: int, wanted: set[int]) -> dict[int, np.ndarray]:
    """Frames by their times, decoded from the keyframe at `start` on."""
    container.seek(start, stream=stream)
    decoder, to_rgb = decoder_of(stream), FrameConverter(stream)
    frames = {}
    ahead = set(wanted)
    for packet in container.demux(stream):
        decoder.skip_frame = "DEFAULT" if packet.pts in wanted else UNDECODED.get(decoder.name, "DEFAULT")
        _keep_wanted(decoder.decode(packet), start, wanted, frames, to_rgb)
        ahead.discard(packet.pts)
        if not ahead:
            break
    _keep_wanted(decoder.decode(None), start, wanted, frames, to_rgb)
    return frames


def _keep_wanted(decoded: Iterable, start: int, wanted: set[int], frames: dict[int, np.ndarray], to_rgb: Callable):
    for frame in decoded:
        if frame.is_corrupt:  # what is made up for lost parts of it depends on the frames before
            raise ValueError("a frame of it is damaged")
        if frame.pts == start and not frame.key_frame:
            raise ValueError("its container takes other frames for keyframes")
        if frame.pts in wanted:
            frames[frame.pts] = to_rgb(frame)


def read_with_pyav(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode from the beginning, whatever FFmpeg knows."""
    # Not the reader of transformers.video_utils: that one takes containers without a frame count (Matroska, WebM,
    # MPEG-TS) for empty and leaves videos of turned cameras lying on their side.
    with open_with_pyav(path) as container:
        stream = _stream_in_threads(container)
        # Of AVI, all of which is read here, decoding twice would take long. Its header counts dropped frames, too.
        is_avi = container.format.name == "avi"
        metadata = _metadata(stream, _count_packets(container, stream) if is_avi else _count_frames(path))
    indices = sample_indices_fn(metadata=metadata)
    frames = _frames_at(path, indices)
    if len(frames) < len(indices):  # the end of AVI may be cut off in the middle of a frame
        metadata.total_num_frames = _count_frames(path)
        frames = _frames_at(path, sample_indices_fn(metadata=metadata))
    return np.stack(frames), metadata


def video_stream(container):
    """The first one that is no cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & COVER:
            return stream
    raise ValueError("it has no video stream")


def _stream_in_threads(container):
    """The video stream, to be decoded in as many threads as PyTorch takes: one in a data loader's worker."""
    stream = video_stream(container)
    decoder = stream.codec_context
    decoder.thread_count, decoder.thread_type = min(torch.get_num_threads(), MOST_THREADS), "AUTO"
    return stream


def _metadata(stream, total_num_frames: int) -> VideoMetadata:
    fps = float(stream.average_rate) if stream.average_rate else None
    return VideoMetadata(total_num_frames=total_num_frames, fps=fps, video_backend="pyav")


def _frames_at(path: str, indices: list[int]) -> list[np.ndarray]:
    frames = []
    with open_with_pyav(path) as container:
        stream = _stream_in_threads(container)
        decoder, to_rgb = decoder_of(stream), FrameConverter(stream)
        decoded = itertools.chain.from_iterable(map(decoder.decode, container.demux(stream)))
        for frame in itertools.compress(decoded, np.isin(range(indices[-1] + 1), indices)):
            frames.append(to_rgb(frame))
    return frames


def _count_packets(container, stream) -> int:
    return sum(1 for packet in container.demux(stream) if packet.size and _holds_frame(packet))


def _count_frames(path: str) -> int:
    # By decoding: headers count what is cut off or hidden by an edit list, and packets may hold no frame of their own.
    with open_with_pyav(path) as container:
        num_frames = sum(1 for _ in container.decode(_stream_in_threads(container)))
    if num_frames == 0:
        raise ValueError("it has no frames")
    return num_frames
