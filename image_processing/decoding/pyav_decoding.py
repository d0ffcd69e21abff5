"""Reading of video files with PyAV.

`read_by_packets` and `read_from_beginning` have the interface of `transformers.video_utils`: they take a path and
`sample_indices_fn`, which gets the metadata and returns distinct indices in ascending order. They return the frames,
uint8 RGB (frames, height, width, 3), and the metadata. They raise an error if they cannot read the file exactly.
"""

import collections
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

from .frame_clock import B_FRAME, FrameClock
from .frame_index import FrameIndex, index_frames
from .frame_pixels import FrameConverter, check_frame_size, decoder_of, display_matrix, resized
from .media_limits import UNSAFE_FORMATS
from .video_packets import AVI, VideoPackets
from .video_streams import streams_note, video_stream


MAX_THREADS = 16  # recommended by FFmpeg

MAX_B_FRAMES = 16  # between two frames of other types; encoders allow no more

LACKS_FRAMES = "it lacks frames that its packets announce"

SKIPPABLE = {"h264": "NONREF"}
"""Frames that each codec may skip without decoding. HEVC is missing: frames of a higher temporal layer may refer to
its frames that are marked as non-reference."""


@dataclass
class NotedMetadata(VideoMetadata):
    """Metadata of a video file.

    Attributes:
        notes (`list[str]`): What a user should know of the file. Each note is a predicate whose subject is the file.
        frame_times (`np.ndarray`, *optional*): float64 (frames of the video + 1,). Seconds from the first frame at
            which each frame is shown, and the end of the last one. None unless they were asked for.
        read_times (`Callable`, *optional*): Returns `frame_times`. Readers set it until the frames are chosen.
    """

    notes: list[str] = field(default_factory=list)
    frame_times: np.ndarray | None = None
    read_times: Callable[[], np.ndarray] | None = None


def open_with_pyav(path: str):
    """PyAV's container of a video file, for a `with` block."""
    try:
        import av  # only when needed: its FFmpeg libraries are a second copy beside those of decord
    except ImportError as error:
        raise ImportError("PyAV is not installed; install it with: pip install av") from error
    # FFmpeg may give a format several names: "mov,mp4,m4a,3gp,3g2,mj2".
    formats = sorted(name for name in av.formats_available if UNSAFE_FORMATS.isdisjoint(name.split(",")))
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(formats)}
    # FFmpeg takes a relative path such as "pipe:0" or "a:b.mp4" for a protocol. An absolute path is always a file.
    return av.open(os.path.abspath(path), options=options)


@contextlib.contextmanager
def open_packets(
    path: str, num_threads: int | None = None, stream_number: int | None = None
) -> Iterator[VideoPackets]:
    """Open a video file within a `with` block. 0 threads mean one for each core.

    The default is the number of threads of PyTorch, which is 1 in a worker of a data loader. The number of the stream
    is that of `video_stream`.
    """
    with open_with_pyav(path) as container:
        stream = video_stream(container, stream_number)
        check_frame_size(stream)
        if num_threads is None:
            num_threads = _default_threads()
        # With several threads for a frame, the decoder fills lost parts of a damaged frame differently each time.
        stream.codec_context.thread_count, stream.codec_context.thread_type = num_threads, "FRAME"
        if num_threads != 1:  # every damage is an error, also such that the decoder does not mark in its frames
            stream.codec_context.options = {**stream.codec_context.options, "err_detect": "explode"}
        yield VideoPackets(stream)


def _default_threads() -> int:
    return min(torch.get_num_threads(), MAX_THREADS)


class DamageError(ValueError):
    """A frame is damaged. Several threads may decode it, and those that refer to it, differently each time."""


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
        if packet is None and decoder.thread_count != 1 and count < packets.num_frames:
            packets.skip_last()  # several threads hide the errors of the last frames
        yield from frames
    if count == 0:
        raise ValueError(problem)


def intact_frames(packets: VideoPackets, frames: Iterator) -> Iterator:
    """The frames of a file up to the first damage.

    A B-frame waits for the next frame of another type, because it may refer to that frame.

    Args:
        packets: The packets of the file.
        frames: Its `decoded_frames`.

    Raises:
        DamageError: If a packet or a frame is damaged, or there is no frame.
    """
    waiting = collections.deque()
    try:
        for frame in frames:
            if packets.damage or frame.is_corrupt:
                raise DamageError("a frame of it is damaged")
            waiting.append(frame)
            is_complete = frame.pict_type != B_FRAME
            while waiting and (is_complete or len(waiting) > MAX_B_FRAMES):
                yield waiting.popleft()
    except ValueError as error:
        raise DamageError(str(error)) from error
    if packets.damage:
        raise DamageError(packets.damage)
    yield from waiting


# Only the needed frames


def read_by_packets(
    path: str, sample_indices_fn: Callable, stream_number: int | None = None
) -> tuple[np.ndarray, VideoMetadata]:
    """Decode only the needed frames of a file and their reference frames.

    About half of the frames of a usual H.264 file are not reference frames. The decoder reads only their headers. If a
    keyframe lies between two needed frames, decoding continues there.

    Raises:
        ValueError: If the result might differ from that of `read_from_beginning`.
    """
    with open_packets(path, stream_number=stream_number) as packets:
        index = index_frames(packets)
        metadata = _metadata(packets.stream, len(index.stamps), [packets.missing_end()], stream_number)
        metadata.read_times = functools.partial(_index_times, packets, index, metadata.notes)
        wanted = [index.stamps[number] for number in sample_indices_fn(metadata=metadata)]
        to_rgb, pixels, exact = FrameConverter(packets.stream), {}, _Exactness(packets.stream)
        for keyframe, group in itertools.groupby(wanted, index.keyframe_before):
            group = set(group)
            for frame in _decoded_between(packets.stream, keyframe, group):
                exact.check(frame, keyframe)
                if frame.pts in group:
                    pixels[frame.pts] = to_rgb(frame)
    if len(pixels) < len(wanted):  # a keyframe is not complete by itself if pictures are refreshed in parts
        raise ValueError(LACKS_FRAMES)
    return np.stack([pixels[stamp] for stamp in wanted]), metadata


def decoded_from_keyframe(
    packets: VideoPackets, index: FrameIndex, numbers: np.ndarray
) -> Iterator[tuple[int, object]]:
    """Decode a section of a file from the last keyframe before it.

    Args:
        packets: The packets of `index`.
        index: The frames of the file.
        numbers: Numbers of successive frames in the file, in ascending order.

    Returns:
        Each number, and its frame of PyAV.

    Raises:
        ValueError: If the next frame might differ from that of `decoded_frames`.
    """
    waiting = collections.deque((int(number), index.stamps[number]) for number in numbers)
    keyframe, exact = index.keyframe_before(waiting[0][1]), _Exactness(packets.stream)
    for frame in _decoded_between(packets.stream, keyframe, {stamp for _, stamp in waiting}):
        exact.check(frame, keyframe)
        if waiting and frame.pts >= waiting[0][1]:
            number, stamp = waiting.popleft()
            if frame.pts != stamp:
                raise ValueError(LACKS_FRAMES)
            yield number, frame
    if waiting:
        raise ValueError(LACKS_FRAMES)


class _Exactness:
    """Checks that frames from a keyframe on are those of `decoded_frames`.

    Args:
        stream: The video stream of PyAV. Create this object before any frame is decoded.
    """

    def __init__(self, stream):
        self._size = stream.codec_context.width, stream.codec_context.height
        self._matrices = set()

    def check(self, frame, keyframe: int):
        """Check each decoded frame in order, also those that are not needed. `keyframe` is the first one's timestamp.

        Raises:
            ValueError: If the frame may be another one.
        """
        self._matrices.add(display_matrix(frame))
        if (frame.width, frame.height) != self._size or len(self._matrices) > 1:
            raise ValueError("its frames change their size or orientation")
        if frame.is_corrupt:  # the decoder fills its lost parts from the frames before
            raise ValueError("a frame of it is damaged")
        if frame.pts == keyframe and not frame.key_frame:
            raise ValueError("its container marks other frames as keyframes")


def _index_times(packets: VideoPackets, index: FrameIndex, notes: list[str]) -> np.ndarray:
    """The `frame_times` of metadata. A note is added to `notes` if a pause is left out."""
    clock = FrameClock(packets)
    times = clock.times(index.stamps, index.last)
    notes += filter(None, [clock.note])
    return times


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


def read_from_beginning(
    path: str, sample_indices_fn: Callable, stream_number: int | None = None
) -> tuple[np.ndarray, VideoMetadata]:
    """Decode a file from its beginning. This reads every file that FFmpeg can decode.

    A damaged file is decoded with one thread, so that it has the same frames each time.
    """
    # Not with the reader of transformers.video_utils: it refuses containers without a frame count (Matroska, WebM,
    # MPEG-TS) and does not turn videos of turned cameras.
    if _default_threads() > 1:
        with contextlib.suppress(DamageError):
            return _Decoding(path, stream_number, _default_threads()).read(sample_indices_fn)
    return _Decoding(path, stream_number, 1).read(sample_indices_fn)


class _Decoding(NamedTuple):
    """A file that is decoded from its beginning. With several threads, damage raises a `DamageError`."""

    path: str
    stream_number: int | None
    num_threads: int

    def read(self, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
        """The frames and the metadata, as `read_from_beginning` returns them."""
        with self._open() as packets:
            # Counting the packets of AVI is faster than decoding. The number in its header includes dropped frames.
            is_avi = packets.stream.container.format.name == AVI
            times = None if is_avi else self._times_in(packets)
            count = _count_packets(packets) if times is None else len(times) - 1
            metadata = _metadata(packets.stream, count, [packets.missing_end()], self.stream_number)
        metadata.read_times = self._times if times is None else lambda: times
        indices = sample_indices_fn(metadata=metadata)
        frames, notes = self._frames_at(indices)
        # In AVI, a packet may not be decoded to a frame.
        if times is None and (notes or len(frames) < len(indices)):
            metadata.total_num_frames = len(self._times()) - 1
            frames, notes = self._frames_at(sample_indices_fn(metadata=metadata))
        metadata.notes += notes
        return np.stack(frames), metadata

    def _open(self) -> contextlib.AbstractContextManager[VideoPackets]:
        return open_packets(self.path, self.num_threads, self.stream_number)

    def _decoded(self, packets: VideoPackets) -> Iterator:
        frames = decoded_frames(packets)
        return frames if self.num_threads == 1 else intact_frames(packets, frames)

    def _times(self) -> np.ndarray:
        with self._open() as packets:
            return self._times_in(packets)

    def _times_in(self, packets: VideoPackets) -> np.ndarray:
        """The `frame_times` of metadata, by decoding a file.

        Headers also count frames that are cut off or hidden by an edit list. Packets may not hold exactly one frame.
        """
        clock, times = FrameClock(packets), []
        for frame in self._decoded(packets):
            times.append(clock.time(frame))
        return np.array([*times, times[-1] + clock.duration(frame)])

    def _frames_at(self, indices: list[int]) -> tuple[list[np.ndarray], list[str]]:
        """The frames, and notes about them."""
        frames = []
        wanted = set(indices)
        with self._open() as packets:
            same_size = SameSize(packets.stream)
            for index, frame in zip(range(indices[-1] + 1), self._decoded(packets), strict=False):
                pixels = same_size.see(frame)
                if index in wanted:
                    frames.append(pixels())
        return frames, list(filter(None, [packets.damage, same_size.note]))


def _metadata(stream, total_num_frames: int, notes: list[str | None], stream_number: int | None) -> NotedMetadata:
    fps = float(stream.average_rate) if stream.average_rate else None
    if stream_number is None:
        notes = [streams_note(stream), *notes]
    return NotedMetadata(total_num_frames, fps, video_backend="pyav", notes=list(filter(None, notes)))


def _count_packets(packets: VideoPackets) -> int:
    for _ in packets:
        pass
    if packets.num_frames == 0:
        raise ValueError("it has no frames")
    return packets.num_frames
