"""Reading of video files with PyAV.

`read_by_packets` and `read_from_beginning` have the interface of `transformers.video_utils`: they take a path and
`sample_indices_fn`, which gets the metadata and returns distinct indices in ascending order. They return the frames,
uint8 RGB (frames, height, width, 3), and the metadata. They raise an error if they cannot read the file exactly.
"""

import bisect
import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from .frame_pixels import FrameConverter, decoder_of, display_matrix, resized
from .video_packets import AVI, FLV, MATROSKA, MOV, VideoPackets, count_frames


MAX_THREADS = 16  # recommended by FFmpeg
ATTACHED_PICTURE = 1024  # FFmpeg's flag of a stream that is a cover picture

SEEKABLE = (MOV, MATROSKA, FLV)
"""FFmpeg finds keyframes of these containers by their display time."""

SKIPPABLE = {"h264": "NONREF"}
"""Frames that each codec may skip without decoding. HEVC is missing: frames of a higher temporal layer may refer to
its frames that are marked as non-reference."""


@dataclass
class NotedMetadata(VideoMetadata):
    """Metadata of a video file.

    Attributes:
        notes (`list[str]`): What a user should know of the file. Each note is a predicate whose subject is the file.
    """

    notes: list[str] = field(default_factory=list)


def open_with_pyav(path: str):
    """PyAV's container of a video file, for a `with` block."""
    try:
        import av  # only when needed: its FFmpeg libraries are a second copy beside those of decord
    except ImportError as error:
        raise ImportError("PyAV is not installed; install it with: pip install av") from error
    # FFmpeg takes a relative path such as "pipe:0" or "a:b.mp4" for a protocol. An absolute path is always a file.
    return av.open(os.path.abspath(path))


def video_stream(container):
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        # PyAV 17.0 has a `Flag` here, which does not combine with a number.
        if not getattr(stream.disposition, "value", stream.disposition) & ATTACHED_PICTURE:
            return stream
    raise ValueError("it has no video stream")


@contextlib.contextmanager
def open_packets(path: str, num_threads: int | None = None) -> Iterator[VideoPackets]:
    """Open a video file within a `with` block. 0 threads mean one for each core.

    The default is the number of threads of PyTorch, which is 1 in a worker of a data loader.
    """
    with open_with_pyav(path) as container:
        stream = video_stream(container)
        if num_threads is None:
            num_threads = min(torch.get_num_threads(), MAX_THREADS)
        stream.codec_context.thread_count, stream.codec_context.thread_type = num_threads, "AUTO"
        yield VideoPackets(stream)


class SameSize:
    """Pixels of the frames of a video, all in the size of its first frame.

    A display matrix is valid until the next one. Some encoders write it only at keyframes.

    Args:
        stream: The video stream of PyAV. Create this object before any frame is decoded.

    Attributes:
        note (`str`, *optional*): Reports that frames change their size. It is a predicate whose subject is the file.
    """

    def __init__(self, stream):
        self.note = None
        self._size = None
        self._matrix = None
        self._to_rgb = FrameConverter(stream)

    def see(self, frame) -> Callable[[], np.ndarray]:
        """A function that returns the pixels of a frame, uint8 RGB (height, width, 3).

        Call `see` for each frame in order, even if you do not need its pixels.
        """
        self._matrix = display_matrix(frame) or self._matrix
        size = self._to_rgb.size(frame, self._matrix)
        self._size = self._size or size
        if self.note is None and size != self._size:
            first, second = (f"{width} x {height}" for height, width in (self._size, size))
            self.note = f"has frames of {first} and of {second} pixels. All are scaled to the size of the first one."
        return functools.partial(self._pixels, frame, self._matrix)

    def _pixels(self, frame, matrix: bytes | None) -> np.ndarray:
        return resized(self._to_rgb(frame, matrix), *self._size)


def small_reader(frame) -> Callable[[int, int], np.ndarray]:
    """A function that returns a frame in a given height and width, uint8 RGB: as stored, quickly, with aliasing."""

    def read(height: int, width: int) -> np.ndarray:
        return frame.to_ndarray(height=height, width=width, format="rgb24", interpolation="FAST_BILINEAR", threads=1)

    return read


def decoded_frames(packets: VideoPackets) -> Iterator:
    """The frames of a file in display order. Damaged packets are skipped, as in players.

    Raises:
        ValueError: If there is no frame.
    """
    decoder = decoder_of(packets.stream)
    count, problem = 0, "it has no frames"
    for packet in itertools.chain(packets, [None]):  # None makes the decoder return its last frames
        try:
            frames = decoder.decode(packet)
        except Exception as error:  # PyAV has an exception for every error number of FFmpeg
            frames, problem = [], str(error)
            packets.skip_last()
        count += len(frames)
        yield from frames
    if count == 0:
        raise ValueError(problem)


# Only the needed frames


def read_by_packets(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode only the needed frames of a file and their reference frames.

    About half of the frames of a usual H.264 file are not reference frames. The decoder reads only their headers. If a
    keyframe lies between two needed frames, decoding continues there.

    Raises:
        ValueError: If the result might differ from that of `read_from_beginning`.
    """
    with open_packets(path) as packets:
        stream = packets.stream
        times, keyframes = _frame_times(packets)
        metadata = _metadata(stream, len(times), [packets.missing_end()])
        wanted = [times[index] for index in sample_indices_fn(metadata=metadata)]
        to_rgb, pixels, matrices = FrameConverter(stream), {}, set()
        size = stream.codec_context.width, stream.codec_context.height
        for start, group in itertools.groupby(wanted, lambda time: keyframes[bisect.bisect(keyframes, time) - 1]):
            group = set(group)
            for frame in _decoded_between(stream, start, group):
                matrices.add(display_matrix(frame))
                if (frame.width, frame.height) != size or len(matrices) > 1:
                    raise ValueError("its frames change their size or orientation")
                if frame.is_corrupt:  # the decoder fills its lost parts from the frames before
                    raise ValueError("a frame of it is damaged")
                if frame.pts == start and not frame.key_frame:
                    raise ValueError("its container marks other frames as keyframes")
                if frame.pts in group:
                    pixels[frame.pts] = to_rgb(frame)
    if len(pixels) < len(wanted):  # a keyframe is not complete by itself if pictures are refreshed in parts
        raise ValueError("it lacks frames that its packets announce")
    return np.stack([pixels[time] for time in wanted]), metadata


class _Header(NamedTuple):
    """The header of a packet, without its content."""

    time: int | None  # at which its frame is shown
    is_keyframe: bool
    is_hidden: bool  # by an edit list: its frame is decoded but not shown
    num_frames: int


def _frame_times(packets: VideoPackets) -> tuple[list[int], list[int]]:
    """The times at which frames are shown, and the times of keyframes, both in ascending order."""
    stream = packets.stream
    if stream.container.format.name not in SEEKABLE:
        raise ValueError(f"keyframes cannot be found by their times in the container {stream.container.format.name}")
    codec = stream.codec_context.name
    headers = [_Header(p.pts, p.is_keyframe, p.is_discard, count_frames(p, codec)) for p in packets.complete()]
    times = {header.time for header in headers if header.num_frames == 1} - {None}
    if not len(times) == len(headers) == (stream.frames or len(headers)):
        raise ValueError("its packets do not hold exactly one frame each")
    # Frames before the first keyframe would be missing.
    if not headers or not headers[0].is_keyframe or headers[0].time > min(times):
        raise ValueError("it does not begin with a keyframe")
    is_ascending = headers == sorted(headers)
    if stream.codec_context.has_b_frames and is_ascending:
        raise ValueError("its frames have the times at which they are decoded")  # such as files that were AVI before
    if not stream.codec_context.has_b_frames and not is_ascending:
        raise ValueError("its frames are not in the order of their times")
    shown = sorted(header.time for header in headers if not header.is_hidden)
    return shown, sorted(header.time for header in headers if header.is_keyframe)


def _decoded_between(stream, start: int, wanted: set[int]) -> Iterator:
    """Frames from the keyframe at `start` to the last one of `wanted`. Others may be skipped."""
    stream.container.seek(start, stream=stream)
    decoder = decoder_of(stream)
    ahead = set(wanted)
    for packet in stream.container.demux(stream):
        decoder.skip_frame = "DEFAULT" if packet.pts in wanted else SKIPPABLE.get(decoder.name, "DEFAULT")
        yield from decoder.decode(packet)
        ahead.discard(packet.pts)
        if not ahead:
            break
    yield from decoder.decode(None)


# All frames up to the last needed one


def read_from_beginning(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode a file from its beginning. This reads every file that FFmpeg can decode."""
    # Not with the reader of transformers.video_utils: it refuses containers without a frame count (Matroska, WebM,
    # MPEG-TS) and does not turn videos of turned cameras.
    with open_packets(path) as packets:
        # Counting the packets of AVI is faster than decoding. The number in its header includes dropped frames.
        is_avi = packets.stream.container.format.name == AVI
        count = _count_packets(packets) if is_avi else _count_decoded(packets)
        metadata = _metadata(packets.stream, count, [packets.missing_end()])
    indices = sample_indices_fn(metadata=metadata)
    frames, notes = _frames_at(path, indices)
    if len(frames) < len(indices):  # a packet of AVI was not decoded to a frame
        with open_packets(path) as packets:
            metadata.total_num_frames = _count_decoded(packets)
        frames, notes = _frames_at(path, sample_indices_fn(metadata=metadata))
    metadata.notes += notes
    return np.stack(frames), metadata


def _metadata(stream, total_num_frames: int, notes: list[str | None]) -> NotedMetadata:
    fps = float(stream.average_rate) if stream.average_rate else None
    return NotedMetadata(total_num_frames, fps, video_backend="pyav", notes=list(filter(None, notes)))


def _count_packets(packets: VideoPackets) -> int:
    for _ in packets:
        pass
    if packets.num_frames == 0:
        raise ValueError("it has no frames")
    return packets.num_frames


def _count_decoded(packets: VideoPackets) -> int:
    # Headers also count frames that are cut off or hidden by an edit list. Packets may not hold exactly one frame.
    return sum(1 for _ in decoded_frames(packets))


def _frames_at(path: str, indices: list[int]) -> tuple[list[np.ndarray], list[str]]:
    """The frames, and notes about them."""
    frames = []
    wanted = set(indices)
    with open_packets(path) as packets:
        same_size = SameSize(packets.stream)
        for index, frame in zip(range(indices[-1] + 1), decoded_frames(packets), strict=False):
            pixels = same_size.see(frame)
            if index in wanted:
                frames.append(pixels())
    return frames, list(filter(None, [packets.damage, same_size.note]))
