"""All frames of a video file, or those of a section, with their times. PyAV decodes them."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .frame_clock import FrameClock
from .frame_index import index_frames
from .pyav_decoding import (
    DamageError,
    SameSize,
    decoded_frames,
    decoded_from_keyframe,
    intact_frames,
    small_reader,
)
from .section import Sampling, Section
from .video_packets import VideoPackets
from .video_sources import VideoReadError
from .video_streams import streams_note


class ShownFrame(NamedTuple):
    """A frame of a video file.

    Attributes:
        index (`int`): Its number in the video, from 0.
        time (`float`): Seconds from the first frame of the video to this one.
        read (`Callable`): Returns its pixels, uint8 RGB (height, width, 3).
        read_small (`Callable`): Returns its pixels in a given height and width, at less cost than `read`.
        duration (`float`): Seconds for which it is shown, at least if it is the last frame.
    """

    index: int
    time: float
    read: Callable[[], np.ndarray]
    read_small: Callable[[int, int], np.ndarray]
    duration: float


class VideoFrames:
    """The frames of a video file. Iterate over them only once.

    If the section starts later than the video, decoding begins at the last keyframe before it. This needs timestamps
    that are right. Without them, or if a frame is damaged, the file is decoded from its beginning. The frames before
    the section are then among the frames, unless some frames of the section were read already.

    Args:
        open_file: Opens the file, as `open_packets`. `open_file(1)` uses one thread. It may be called three times.
        section: The part to read. Frames after it may follow.
        name: The file, as the subject of a message.

    Raises:
        ValueError, OSError: If the file cannot be opened. Iteration raises an error if it has no frame.
    """

    def __init__(self, open_file: Callable[..., VideoPackets], section: Section, name: str):
        self._open_file = open_file
        self._section = section
        self._name = name
        self._packets = open_file()
        self._problems: Callable[[], list] = list
        self.stream = self._packets.stream

    def __iter__(self) -> Iterator[ShownFrame]:
        latest = -math.inf
        if self._section.start > 0:
            try:
                for frame in self._from_keyframe():
                    latest = frame.time
                    yield frame
                return
            except VideoReadError:
                raise
            except Exception:  # every decoder has its own exceptions
                self._packets = self._open_file()
        for frame in self._from_beginning():
            if frame.time > latest:
                yield frame

    def notes(self, is_default: bool) -> list[str]:
        """What a user should know of the frames so far. Each note is a predicate whose subject is the file.

        Args:
            is_default: Whether the user did not choose the stream.
        """
        of_streams = streams_note(self.stream) if is_default else None
        return [*filter(None, [of_streams, *self._problems()])]

    def _from_keyframe(self) -> Iterator[ShownFrame]:
        """The frames of the section. Raises an error before a frame that may differ from that of `_from_beginning`."""
        packets = self._packets
        index, clock = index_frames(packets), FrameClock(packets)
        times = clock.times(index.stamps, index.last)
        numbers = Sampling(self._section).indices(times, self._name)
        same_size = SameSize(packets.stream)
        self._problems = lambda: [packets.missing_end() or packets.damage, clock.note]
        for number, frame in decoded_from_keyframe(packets, index, numbers):
            time, following = float(times[number]), float(times[number + 1])
            yield ShownFrame(number, time, same_size.see(frame), small_reader(frame), following - time)

    def _from_beginning(self) -> Iterator[ShownFrame]:
        """All frames. From the first damaged one on, a single thread decodes, so that they are the same each time."""
        count = 0
        if self.stream.codec_context.thread_count != 1:
            try:
                for frame in self._decoded(only_intact=True):
                    count += 1
                    yield frame
                return
            except DamageError:
                self._packets = self._open_file(1)
        yield from itertools.islice(self._decoded(only_intact=False), count, None)

    def _decoded(self, only_intact: bool) -> Iterator[ShownFrame]:
        packets = self._packets
        frames = decoded_frames(packets)
        clock, same_size = FrameClock(packets), SameSize(packets.stream)
        self._problems = lambda: [packets.damage, same_size.note, clock.note]
        for index, frame in enumerate(intact_frames(packets, frames) if only_intact else frames):
            time = clock.time(frame)
            yield ShownFrame(index, time, same_size.see(frame), small_reader(frame), clock.duration(frame))
        self._problems = lambda: [packets.missing_end() or packets.damage, same_size.note, clock.note]
