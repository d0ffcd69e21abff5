"""Takes the sound of a video file over to another video."""

import contextlib
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import av

from ..image_processing.decoding.animated_images import is_animation
from ..image_processing.decoding.frame_folders import consists_of_images
from ..image_processing.decoding.frame_index import SEEKABLE
from ..image_processing.decoding.pyav_decoding import decoded_frames, open_packets, open_with_pyav
from ..image_processing.decoding.video_decoding import warn_of
from ..image_processing.decoding.video_packets import AVI


ENCODERS = {"webm": "libopus", "avi": "libmp3lame"}  # of containers that do not hold AAC, or not reliably
USUAL_ENCODER = "aac"
UNPLAYED_IN_MP4 = ("pcm", "vorbis", "truehd")  # FFmpeg writes them, but browsers and phones do not play them
USUAL_RATE = 48000  # samples per second


class Sound:
    """The sound of a video file. It is written packet by packet, between the packets of the pictures.

    Args:
        source: The container of the video, opened by PyAV.
        stream: Its audio stream.
        origin: Seconds in the file at which the first picture is shown. It becomes 0.
    """

    def __init__(self, source, stream, origin: float):
        self._source, self._stream, self._origin = source, stream, origin
        self._timed = None
        self._output = None

    def add_to(self, container):
        """Add a stream to a container that is written. Packets are copied if the container allows it."""
        if _can_copy(self._stream, container.format.name):
            self._output = container.add_stream_from_template(self._stream)
            packets = self._copied()
        else:
            self._output = _add_encoder(container, self._stream)
            packets = self._encoded()
        self._timed = _LookAhead(packets)

    def packets_until(self, time: float) -> Iterator:
        """Yield the packets for the muxer that begin at or before a time in seconds and were not yielded earlier."""
        return self._timed.until(time)

    def _read(self) -> Iterator:
        """The packets of the file. A file that cannot be read to its end stops there, as in players."""
        packets = self._source.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return
            if packet.size:
                yield packet

    def _copied(self) -> Iterator[tuple[float, object]]:
        last = -1
        for packet in self._read():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            stamp -= round(self._origin / packet.time_base)
            if stamp <= last:  # before the first picture, or a repeated time, which muxers refuse
                continue
            packet.pts = packet.dts = last = stamp
            time = float(stamp * packet.time_base)
            packet.stream = self._output
            yield time, packet

    def _encoded(self) -> Iterator[tuple[float, object]]:
        end = 0
        for packet in self._read():
            for frame in _decoded(packet):
                if frame.pts is None:
                    continue
                stamp = frame.pts - round(self._origin / frame.time_base)
                if stamp < end:
                    continue
                frame.pts, end = stamp, stamp + 1
                yield from self._timed_packets(frame)
        yield from self._timed_packets(None)

    def _timed_packets(self, frame) -> Iterator[tuple[float, object]]:
        for packet in self._output.encode(frame):
            yield float(packet.pts * packet.time_base), packet


class _LookAhead:
    """Splits timed items at times. Reads at most one item ahead."""

    def __init__(self, items: Iterator[tuple[float, object]]):
        self._items = items
        self._next = None

    def until(self, time: float) -> Iterator:
        for start, item in self._all():
            if start > time:
                self._next = start, item
                return
            yield item

    def _all(self) -> Iterator[tuple[float, object]]:
        ahead, self._next = [] if self._next is None else [self._next], None
        return itertools.chain(ahead, self._items)


@contextlib.contextmanager
def open_sound(
    video: str | os.PathLike | object, stream_number: int | None = None, start: float = 0.0
) -> Iterator[Sound | None]:
    """Open the sound of a video, within a `with` block. None if the video has no sound that can be read.

    Args:
        video: Path of a video file. Folders, images and arrays have no sound.
        stream_number: Number of the video stream, as for `open_packets`.
        start: The sound is read from this second of the video on. This moment becomes 0.
    """
    with contextlib.ExitStack() as stack:
        yield _open(Path(video), stream_number, start, stack) if isinstance(video, (str, os.PathLike)) else None


def _open(path: Path, stream_number: int | None, start: float, stack: contextlib.ExitStack) -> Sound | None:
    if is_animation(path) or consists_of_images(path):
        return None
    try:
        source = stack.enter_context(open_with_pyav(str(path)))
        stream = source.streams.best("audio")
        if stream is None:
            return None
        if stream.codec_context is None:
            warn_of(str(path), "has sound that cannot be decoded. The annotated video is silent.")
            return None
        origin = _origin(path, stream_number) + start
        if start > 0 and source.format.name in SEEKABLE:  # earlier packets are left out in any case
            source.seek(int(origin * av.time_base))
        return Sound(source, stream, origin)
    except (av.FFmpegError, ValueError):  # another decoder may be able to read the pictures
        return None


def _origin(path: Path, stream_number: int | None) -> float:
    """Seconds at which the first picture of a video file is shown."""
    with open_packets(str(path), stream_number=stream_number) as packets:
        stream, frame = packets.stream, next(decoded_frames(packets))
        # FFmpeg guesses the times of AVI. There, the first picture is shown when it is decoded.
        stamp = stream.start_time if stream.container.format.name == AVI else frame.pts
        return float((stamp or 0) * stream.time_base)


def _can_copy(stream, container: str) -> bool:
    """Whether a container, by FFmpeg's name, holds the packets of an audio stream, so that players play them."""
    if container == "mp4" and stream.codec_context.name.startswith(UNPLAYED_IN_MP4):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            if stream.codec_context.name not in trial.supported_codecs:
                return False
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _add_encoder(container, stream):
    """Add a stream that encodes sound with the channels and the sampling rate of `stream`, as far as possible."""
    name = ENCODERS.get(container.format.name, USUAL_ENCODER)
    rates = av.Codec(name, "w").audio_rates or [stream.rate]
    encoder = container.add_stream(name, rate=stream.rate if stream.rate in rates else USUAL_RATE)
    encoder.layout = "mono" if stream.channels == 1 else "stereo"
    return encoder


def _decoded(packet) -> list:
    """The frames of a packet. A damaged packet has none, as in players."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []
