"""Reading the frames of a video file that are needed with PyAV.

Functions that read are called in the manner of `transformers.video_utils`: with a path and `sample_indices_fn`, which
gets the metadata and returns distinct indices in ascending order. They return the frames, uint8 RGB (frames,
height, width, 3), and the metadata, and raise whatever is wrong.
"""

import bisect
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers.video_utils import VideoMetadata

from .frame_pixels import FrameConverter, decoder_of, display_matrix
from .video_packets import VideoPackets, count_frames


MOST_THREADS = 16  # that FFmpeg recommends
COVER = 1024  # FFmpeg's flag of a stream that is a picture, "attached_pic"

# Containers by the names of FFmpeg: those that find a keyframe by the time at which it is shown.
SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")

# Frames that each codec may skip without decoding. HEVC is missing: its frames that are marked as no reference may
# be a reference to frames of a higher temporal layer.
UNDECODED = {"h264": "NONREF"}


@dataclass
class NotedMetadata(VideoMetadata):
    """Metadata of a video file.

    Attributes:
        notes (`list[str]`): What a user should know of the file: predicates of sentences, whose subject is the file.
    """

    notes: list[str] = field(default_factory=list)


def open_with_pyav(path: str):
    """PyAV's container of a video file, for a `with` block."""
    try:
        import av  # not before it is needed: it brings a second copy of the FFmpeg libraries that decord brings
    except ImportError as error:
        raise ImportError("PyAV is not installed; install it with: pip install av") from error
    # FFmpeg takes a relative path such as "pipe:0" or "a:b.mp4" for a protocol. An absolute path is always a file.
    return av.open(os.path.abspath(path))


class SameSize:
    """Pixels of the frames of a video, all in the size of its first frame.

    A display matrix counts until another one comes. Some encoders write it at key frames only.

    Args:
        stream: The video stream of PyAV. None of its frames may be decoded before this.

    Attributes:
        note (`str`, *optional*): What to report if frames changed their size: the predicate of a sentence.
    """

    def __init__(self, stream):
        self.note = None
        self._first = None
        self._matrix = None
        self._to_rgb = FrameConverter(stream)

    def see(self, frame) -> Callable[[], np.ndarray]:
        """Call this for each frame in order, whether its pixels are needed or not.

        Returns:
            A function that converts the frame to pixels, uint8 RGB (height, width, 3).
        """
        own = display_matrix(frame)
        self._matrix = own or self._matrix
        size = self._to_rgb.size(frame, self._matrix)
        stored = _frame_size(frame)
        if self._first is None:
            self._first = size, stored
        elif self.note is None and self._first != (size, stored):
            first, second = self._first[1], stored
            if first == stored:  # the picture was turned
                first, second = (f"{width} x {height}" for height, width in (self._first[0], size))
            self.note = f"has frames of {first} and of {second} pixels. All are scaled to the size of the first one."
        return functools.partial(self._pixels, frame, {} if own == self._matrix else {"matrix": self._matrix})

    def _pixels(self, frame, orientation: dict) -> np.ndarray:
        pixels = self._to_rgb(frame, **orientation)
        height, width = self._first[0]
        if pixels.shape[:2] == (height, width):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _frame_size(frame) -> str:
    return f"{frame.width} x {frame.height}"


def decoded_frames(packets: VideoPackets) -> Iterator:
    """The frames of a file in the order in which they are shown. Damaged packets are left out, as players do.

    Raises:
        ValueError: If there is no frame.
    """
    decoder = decoder_of(packets.stream)
    count, problem = 0, "it has no frames"
    for packet in itertools.chain(packets, [None]):  # None asks the decoder for what it still has
        try:
            frames = decoder.decode(packet)
        except Exception as error:  # PyAV has an exception for every error number of FFmpeg
            frames, problem = [], str(error)
            packets.leave_out_one()
        count += len(frames)
        yield from frames
    if count == 0:
        raise ValueError(problem)


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
        packets = VideoPackets(container, stream)
        times, keyframes = _times(container, stream, packets)
        metadata = _metadata(stream, len(times), [packets.missing_end()])
        wanted = [times[index] for index in sample_indices_fn(metadata=metadata)]
        frames, pictures = {}, _UnchangedPictures(stream)
        for start, group in itertools.groupby(wanted, lambda time: keyframes[bisect.bisect(keyframes, time) - 1]):
            frames |= _decode_wanted(container, stream, start, set(group), pictures)
    if len(frames) < len(wanted):  # not every keyframe is whole by itself where pictures are refreshed in parts
        raise ValueError("it lacks frames that its packets announce")
    return np.stack([frames[time] for time in wanted]), metadata


def _times(container, stream, packets: VideoPackets) -> tuple[list[int], list[int]]:
    """When the frames are shown and which of these times are those of keyframes, in ascending order."""
    if container.format.name not in SEEKABLE:
        raise ValueError(f"its container is {container.format.name}, in which keyframes are not found by their times")
    codec = stream.codec_context.name
    packets = [_Header(p.pts, p.is_keyframe, p.is_discard, count_frames(p, codec) == 1) for p in packets.whole()]
    times = {packet.time for packet in packets if packet.holds_frame and packet.time is not None}
    if not len(times) == len(packets) == (stream.frames or len(packets)):
        raise ValueError("its packets are not one a frame")
    if not packets or not packets[0].is_keyframe or packets[0].time > min(times):  # what needs one before is left out
        raise ValueError("it does not begin with a keyframe")
    ascending = all(a.time < b.time for a, b in itertools.pairwise(packets))
    if stream.codec_context.has_b_frames and ascending:
        raise ValueError("its frames have the times at which they are decoded")  # as those from AVI have
    if not stream.codec_context.has_b_frames and not ascending:
        raise ValueError("its frames are not in the order of their times")
    shown = sorted(packet.time for packet in packets if not packet.is_discarded)
    return shown, sorted(packet.time for packet in packets if packet.is_keyframe)


class _Header(NamedTuple):
    """The header of a packet, without its content."""

    time: int | None  # at which its frame is shown
    is_keyframe: bool
    is_discarded: bool  # by an edit list: its frame is decoded but not shown
    holds_frame: bool


class _UnchangedPictures:
    """Pixels of frames whose size and orientation must not change.

    Args:
        stream: The video stream of PyAV. None of its frames may be decoded before this.
    """

    def __init__(self, stream):
        self._size = stream.codec_context.width, stream.codec_context.height
        self._matrices = set()
        self._to_rgb = FrameConverter(stream)

    def see(self, frame):
        """Call this for each decoded frame.

        Raises:
            ValueError: If the frame is not like those before it.
        """
        self._matrices.add(display_matrix(frame))
        if (frame.width, frame.height) != self._size or len(self._matrices) > 1:
            raise ValueError("its frames change their size or orientation")

    def pixels(self, frame) -> np.ndarray:
        """uint8 RGB (height, width, 3)."""
        return self._to_rgb(frame)


def _decode_wanted(
    container, stream, start: int, wanted: set[int], pictures: _UnchangedPictures
) -> dict[int, np.ndarray]:
    """Frames by their times, decoded from the keyframe at `start` on."""
    container.seek(start, stream=stream)
    decoder = decoder_of(stream)
    frames = {}
    ahead = set(wanted)
    for packet in container.demux(stream):
        decoder.skip_frame = "DEFAULT" if packet.pts in wanted else UNDECODED.get(decoder.name, "DEFAULT")
        _keep_wanted(decoder.decode(packet), start, wanted, frames, pictures)
        ahead.discard(packet.pts)
        if not ahead:
            break
    _keep_wanted(decoder.decode(None), start, wanted, frames, pictures)
    return frames


def _keep_wanted(
    decoded: Iterable,
    start: int,
    wanted: set[int],
    frames: dict[int, np.ndarray],
    pictures: _UnchangedPictures,
):
    for frame in decoded:
        pictures.see(frame)
        if frame.is_corrupt:  # what is made up for lost parts of it depends on the frames before
            raise ValueError("a frame of it is damaged")
        if frame.pts == start and not frame.key_frame:
            raise ValueError("its container takes other frames for keyframes")
        if frame.pts in wanted:
            frames[frame.pts] = pictures.pixels(frame)


def read_with_pyav(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode from the beginning, whatever FFmpeg knows."""
    # Not the reader of transformers.video_utils: that one takes containers without a frame count (Matroska, WebM,
    # MPEG-TS) for empty and leaves videos of turned cameras lying on their side.
    with open_with_pyav(path) as container:
        packets = VideoPackets(container, _stream_in_threads(container))
        # All of AVI is read here. Decoding it twice would take long. Its header counts dropped frames, too.
        count = _count_packets if container.format.name == "avi" else _count_frames
        metadata = _metadata(packets.stream, count(packets), [packets.missing_end()])
    indices = sample_indices_fn(metadata=metadata)
    frames, notes = _frames_at(path, indices)
    if len(frames) < len(indices):  # not every packet of AVI has become a frame
        with open_with_pyav(path) as container:
            metadata.total_num_frames = _count_frames(VideoPackets(container, _stream_in_threads(container)))
        frames, notes = _frames_at(path, sample_indices_fn(metadata=metadata))
    metadata.notes += notes
    return np.stack(frames), metadata


def video_stream(container):
    """The first one that is no cover picture."""
    for stream in container.streams.video:
        # PyAV 17.0 has a `Flag` here, which does not combine with a number.
        if not getattr(stream.disposition, "value", stream.disposition) & COVER:
            return stream
    raise ValueError("it has no video stream")


def _stream_in_threads(container):
    """The video stream, to be decoded in as many threads as PyTorch takes: one in a data loader's worker."""
    stream = video_stream(container)
    decoder = stream.codec_context
    decoder.thread_count, decoder.thread_type = min(torch.get_num_threads(), MOST_THREADS), "AUTO"
    return stream


def _metadata(stream, total_num_frames: int, notes: list[str | None]) -> NotedMetadata:
    fps = float(stream.average_rate) if stream.average_rate else None
    return NotedMetadata(total_num_frames, fps, video_backend="pyav", notes=_present(notes))


def _present(notes: list[str | None]) -> list[str]:
    return [note for note in notes if note is not None]


def _frames_at(path: str, indices: list[int]) -> tuple[list[np.ndarray], list[str]]:
    """The frames, and what is to be said of them."""
    frames = []
    wanted = set(indices)
    with open_with_pyav(path) as container:
        packets = VideoPackets(container, _stream_in_threads(container))
        same_size = SameSize(packets.stream)
        for index, frame in zip(range(indices[-1] + 1), decoded_frames(packets), strict=False):
            pixels = same_size.see(frame)
            if index in wanted:
                frames.append(pixels())
    return frames, _present([packets.damage, same_size.note])


def _count_packets(packets: VideoPackets) -> int:
    for _ in packets:
        pass
    if packets.num_frames == 0:
        raise ValueError("it has no frames")
    return packets.num_frames


def _count_frames(packets: VideoPackets) -> int:
    # By decoding: headers count what is cut off or hidden by an edit list, and packets may hold no frame of their own.
    return sum(1 for _ in decoded_frames(packets))
