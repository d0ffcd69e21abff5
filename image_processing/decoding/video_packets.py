"""The packets of a video file in the order in which they are decoded, and whether the end of the file is missing."""

import itertools
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path


# FFmpeg's names of containers.
AVI = "avi"
FLV = "flv"
MATROSKA = "matroska,webm"
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MPEG_TS = "mpegts"

AVI_TOLERANCE = 2  # frames; headers of complete AVI files may announce one or two too many
FLV_TOLERANCE = 0.5  # seconds; headers of complete FLV files may announce a little too much

# A packet of MPEG-4 of at most this size holds no frame. It repeats the last frame, or it stands for a frame that the
# packet before holds.
PLACEHOLDER_SIZE = 7  # bytes
START_OF_FRAME = b"\x00\x00\x01\xb6"  # in MPEG-4

BOX_HEADER = 8  # bytes; the length and the name of a part of an MP4 or MOV file


class VideoPackets:
    """The packets of a video stream. Iterate over them only once.

    Args:
        stream: A video stream of a container that PyAV has opened.

    Attributes:
        in_decoding_order (`bool`): Whether the timestamps of the packets so far ascend. Then they may be decoding
            times instead of presentation times. AVI stores only decoding times.
        num_frames (`int`): Number of frames in the packets so far.
        stamps (`deque`): Timestamps in units of the stream's time base, or None. While `in_decoding_order`, each
            packet that stands for a frame adds one. The code that decodes removes one for each frame.
        last_stamp (`int`, *optional*): The timestamp of the last packet.
        damage (`str`, *optional*): Reports damaged packets. It is a predicate whose subject is the file.
        error (`Exception`, *optional*): The error after which no packet could be read.
    """

    def __init__(self, stream):
        self.stream = stream
        self.in_decoding_order = True
        self.num_frames = 0
        self.stamps = deque()
        self.last_stamp = None
        self.damage = self.error = None
        self._container = stream.container
        self._format = stream.container.format.name
        self._num_packets = 0
        self._surplus = 0  # frames so far minus packets that stand for them
        self._end = 0.0  # seconds; the largest of all streams that are read
        self._last_step = 0.0  # seconds; FLV does not store the duration of its last frame
        self._is_last_incomplete = False

    def __iter__(self) -> Iterator:
        for packet in self.complete():
            self._count_frames(packet)
            yield packet

    def complete(self) -> Iterator:
        """The packets in the order of the file, without an incomplete last one."""
        for packet, following in itertools.pairwise(itertools.chain(self._demux(), [None])):
            if following is None and packet.is_corrupt:
                self._is_last_incomplete = self._format != MPEG_TS
                return
            self._num_packets += 1
            self._measure(packet)
            yield packet

    def skip_last(self):
        """Report that the decoder refused the last packet."""
        self.damage = self.damage or "is damaged. Frames that cannot be decoded are left out. Copy the file again."
        if self.stamps:
            self.stamps.pop()

    def missing_end(self) -> str | None:
        """What is missing at the end of the file: a predicate whose subject is the file. None if nothing is known.

        Call this after the last packet. MPEG-PS, MPEG-TS, WMV, Ogg and GIF do not announce where they end.
        """
        shortage = self._shortage() or ("its last frame is incomplete" if self._is_last_incomplete else None)
        return shortage and f"is cut off: {shortage}. The frames that are left are used. Copy the file again."

    def _demux(self) -> Iterator:
        """The packets of the stream, up to the first error.

        In Matroska and FLV, the other streams are read, too, because headers announce the end of the longest stream.
        """
        streams = [] if self._format in (MATROSKA, FLV) else [self.stream]
        try:
            for packet in self._container.demux(*streams):
                if not packet.size:  # PyAV ends each stream with an empty packet
                    continue
                if packet.stream.index == self.stream.index:
                    yield packet
                else:
                    self._measure(packet)
        except Exception as error:  # PyAV has an exception for every error number of FFmpeg
            self.error = error
            self.damage = f"cannot be read to its end ({error}). The part before is used. Copy the file again."

    def _measure(self, packet):
        stamp = self._stamp(packet)
        if stamp is not None:
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            if end > self._end:
                self._last_step, self._end = end - self._end, end

    def _stamp(self, packet) -> int | None:
        # FFmpeg guesses presentation times of AVI, often wrongly.
        return packet.dts if self._format == AVI or packet.pts is None else packet.pts

    def _count_frames(self, packet):
        """Count the frames of a packet, and use its timestamp if it stands for a frame.

        DivX and XviD pack two frames into one packet of AVI. A later placeholder stands for the second one.
        """
        num_frames = count_frames(packet, self.stream.codec_context.name)
        self.num_frames += num_frames
        self._surplus += num_frames
        if not self._surplus:
            return
        self._surplus -= 1
        stamp = self._stamp(packet)
        if self._format != AVI and None not in (stamp, self.last_stamp) and stamp < self.last_stamp:
            self.in_decoding_order = False
            self.stamps.clear()
        if self.in_decoding_order:
            self.stamps.append(stamp)
        self.last_stamp = stamp

    def _shortage(self) -> str | None:
        """How much less there is than the headers announce. None if nothing is missing."""
        seconds = (self._container.duration or 0) * 1e-6
        if self._format == MOV:
            entries = getattr(self.stream, "index_entries", ())  # new in PyAV 17
            if len(entries) and entries[-1].pos + entries[-1].size > self._container.size:
                return f"its header lists {len(entries)} frames, but only {self._num_packets} are there"
            if has_incomplete_fragment(self._container.name):
                return "its last fragment is incomplete"
        if self._format == AVI:
            found = round(self._end / self.stream.time_base)
            if self.stream.frames - found > AVI_TOLERANCE:
                return f"its header announces {self.stream.frames} frames, but only {found} are there"
        if self._format == MATROSKA and (end := segment_end(self._container.name)) > self._container.size:
            return self._too_short(seconds, f"{end} bytes, but it has {self._container.size}")
        # If the header has no duration, FFmpeg estimates it and also sets the duration of the stream.
        has_duration = self._format == FLV and self.stream.duration is None
        if has_duration and seconds - self._end > FLV_TOLERANCE + self._last_step:
            return self._too_short(seconds, "a longer file")
        return None

    def _too_short(self, seconds: float, otherwise: str) -> str:
        announced, found = f"{seconds:.1f}", f"{self._end:.1f}"
        if announced in ("0.0", found):  # only the index at the end is missing, or the header has no duration
            return f"its header announces {otherwise}"
        return f"its header announces {announced} seconds, but it ends after {found} seconds"


def count_frames(packet, codec: str) -> int:
    """Number of frames in a packet of PyAV. `codec` is the name of the decoder, which may see other numbers."""
    if codec == "vp8":
        return memoryview(packet)[0] >> 4 & 1  # the bit of a frame that is shown; others are only references
    if codec == "mpeg4":
        return bytes(packet).count(START_OF_FRAME) if packet.size > PLACEHOLDER_SIZE else 0
    return 1


def has_incomplete_fragment(path: str) -> bool:
    """Whether an MP4 or MOV file consists of fragments and its last box is longer than the file."""
    size, start, has_fragments = Path(path).stat().st_size, 0, False
    with Path(path).open("rb") as file:
        while start + BOX_HEADER <= size:
            file.seek(start)
            length, kind, long_length = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
            has_fragments |= kind == b"moof"
            length = {0: size - start, 1: long_length}.get(length, length)
            if length < BOX_HEADER:
                return False
            start += length
    return has_fragments and start != size


def segment_end(path: str) -> int:
    """End of the segment of a Matroska or WebM file in bytes. 0 if its header does not announce it.

    The segment follows the first element and holds the rest of the file.
    """
    with Path(path).open("rb") as file:
        head = file.read(1024)
    header_size, start = _variable_int(head, 4)
    start += header_size or 0
    if head[start : start + 4] != b"\x18\x53\x80\x67":
        return 0
    size, start = _variable_int(head, start + 4)
    return 0 if size is None else start + size


def _variable_int(data: bytes, start: int) -> tuple[int | None, int]:
    """An integer of Matroska (None if it means "unknown") and where it ends. Its first set bit gives its length."""
    if start >= len(data) or data[start] == 0:
        return None, start
    length = 9 - data[start].bit_length()
    value = int.from_bytes(data[start : start + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), start + length
