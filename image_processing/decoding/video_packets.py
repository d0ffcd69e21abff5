"""The packets of a video file in the order in which they are decoded, and whether the end of the file is missing."""

import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path


# Containers, by the names of FFmpeg.
AVI = "avi"
FLV = "flv"
MATROSKA = "matroska,webm"
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MPEG_TS = "mpegts"

MOST_MISCOUNTED = 2  # frames; headers of complete AVI files may count one or two too many
MOST_MISMEASURED = 0.5  # seconds; headers of complete FLV files may announce a little too much

# A packet of MPEG-4 that is not larger holds no frame. It says that the last frame stays, or stands for a frame that
# was packed into the packet before.
PLACEHOLDER_SIZE = 7  # bytes
START_OF_FRAME = b"\x00\x00\x01\xb6"  # of MPEG-4


BOX_HEADER = 8  # bytes of the length and the name of a part of MP4 or MOV


class VideoPackets:
    """The packets of the pictures of a file. They can be iterated over once.

    Args:
        container: A container that PyAV has opened.
        stream: Its video stream.

    Attributes:
        in_decoding_order (`bool`): Whether the timestamps of the packets so far ascend. Then they may be the times at
            which frames are decoded, not the times at which frames are shown. AVI has no other ones.
        num_frames (`int`): Frames that the packets so far hold.
        stamps (`deque`): While `in_decoding_order`: the timestamps of packets, in units of the stream's time base, or
            None. One is added for each packet that stands for a frame. Whoever decodes takes one out for each frame.
        last_stamp (`int`, *optional*): The timestamp of the last packet.
        damage (`str`, *optional*): What is damaged in the file: the predicate of a sentence.
    """

    def __init__(self, container, stream):
        self.stream = stream
        self.in_decoding_order = True
        self.num_frames = 0
        self.stamps = deque()
        self.last_stamp = None
        self.damage = None
        self._container = container
        self._is_avi = container.format.name == AVI
        self._count = 0
        self._ahead = 0  # frames that were in packets before those that stand for them
        self._end = 0.0  # seconds; of all streams that are read
        self._last_step = 0.0  # seconds; FLV does not store how long its last frame is shown
        self._is_truncated = False

    def __iter__(self) -> Iterator:
        for packet in self.whole():
            self._take_frames(packet)
            yield packet

    def leave_out_one(self):
        """Take notice of a packet that the decoder refused."""
        self.damage = "is damaged. Frames that cannot be decoded are left out. Copy the file again."
        if self.stamps:
            self.stamps.pop()

    def whole(self) -> Iterator:
        """The packets as they lie in the file. A last one that is cut off is left out."""
        doubtful = None
        for packet in self._read():
            if doubtful is not None:
                yield self._counted(doubtful)
            doubtful = packet if packet.is_corrupt else None
            if doubtful is None:
                yield self._counted(packet)
        self._is_truncated = doubtful is not None and self._container.format.name != MPEG_TS

    def missing_end(self) -> str | None:
        """What is missing at the end of the file: the predicate of a sentence. None if nothing is known to be missing.

        To be asked for after the last packet. MPEG-PS, MPEG-TS, WMV, Ogg and GIF do not announce where they end.
        """
        shortage = self._shortage()
        if shortage is None and not self._is_truncated:
            return None
        return f"is cut off: {shortage or 'its last frame is incomplete'}. What is there is used. Copy the file again."

    def _read(self) -> Iterator:
        """The packets of the pictures. Other streams are read along where their ends tell whether the file's is there.

        A file that cannot be read on ends there, as players handle it.
        """
        streams = [] if self._container.format.name in (MATROSKA, FLV) else [self.stream]
        packets = self._container.demux(*streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except Exception as error:  # PyAV has an exception for every error number of FFmpeg
                self.damage = f"cannot be read to its end ({error}). What is there is used. Copy the file again."
                return
            if not packet.size:  # PyAV ends each stream with an empty packet
                continue
            if packet.stream.index == self.stream.index:
                yield packet
            else:
                self._measure(packet)

    def _counted(self, packet):
        self._count += 1
        self._measure(packet)
        return packet

    def _measure(self, packet):
        stamp = self._stamp(packet)
        if stamp is not None:
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            if end > self._end:
                self._last_step, self._end = end - self._end, end

    def _stamp(self, packet) -> int | None:
        # FFmpeg guesses presentation times of AVI, often wrongly.
        return packet.dts if self._is_avi or packet.pts is None else packet.pts

    def _take_frames(self, packet):
        """Count the frames of a packet, and take its timestamp if it stands for one.

        DivX and XviD pack two frames into a packet of AVI. A placeholder behind it stands for the second one.
        """
        num_frames = count_frames(packet, self.stream.codec_context.name)
        self.num_frames += num_frames
        self._ahead += num_frames
        if self._ahead:
            self._ahead -= 1
            self._take_stamp(packet)

    def _take_stamp(self, packet):
        stamp = self._stamp(packet)
        if not self._is_avi and None not in (stamp, self.last_stamp) and stamp < self.last_stamp:
            self.in_decoding_order = False
            self.stamps.clear()
        if self.in_decoding_order:
            self.stamps.append(stamp)
        self.last_stamp = stamp

    def _shortage(self) -> str | None:
        """What the headers announce and what there is, if that is less."""
        format_name = self._container.format.name
        if format_name == MOV:
            entries = getattr(self.stream, "index_entries", ())  # PyAV has them from version 17 on
            if len(entries) and entries[-1].pos + entries[-1].size > self._container.size:
                return f"its header lists {len(entries)} frames, but only {self._count} are there"
            if is_in_fragments_that_end_early(self._container.name):
                return "its last fragment is incomplete"
        if format_name == AVI:
            found = round(self._end / self.stream.time_base)
            if self.stream.frames - found > MOST_MISCOUNTED:
                return f"its header announces {self.stream.frames} frames, but only {found} are there"
        if format_name == MATROSKA and (end := segment_end(self._container.name)) > self._container.size:
            return self._too_short(f"{end} bytes, but it has {self._container.size}")
        # FFmpeg estimates where the header does not say, and writes this into the stream, too.
        missing = self._seconds() - self._end
        if format_name == FLV and self.stream.duration is None and missing > MOST_MISMEASURED + self._last_step:
            return self._too_short("a longer file")
        return None

    def _seconds(self) -> float:
        return (self._container.duration or 0) * 1e-6

    def _too_short(self, otherwise: str) -> str:
        announced, found = f"{self._seconds():.1f}", f"{self._end:.1f}"
        if announced in ("0.0", found):  # only the index at the end is missing, or the header does not tell seconds
            return f"its header announces {otherwise}"
        return f"its header announces {announced} seconds, but it ends after {found} seconds"


def count_frames(packet, codec: str) -> int:
    """Number of frames in a packet. It is exact for what encoders write, but a decoder may know better.

    Args:
        packet: A packet of PyAV.
        codec: Name of the decoder.
    """
    if codec == "vp8":
        return memoryview(packet)[0] >> 4 & 1  # the bit for a frame that is shown; others are only predicted from
    if codec == "mpeg4":
        return bytes(packet).count(START_OF_FRAME) if packet.size > PLACEHOLDER_SIZE else 0
    return 1


def is_in_fragments_that_end_early(path: str) -> bool:
    """Whether an MP4 or MOV file consists of fragments, and its last box is longer than the file."""
    size, start, has_fragments = os.path.getsize(path), 0, False
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
    """Where the segment of a Matroska or WebM file ends, in bytes; 0 if its header does not say.

    A segment is everything behind the first element of a file.
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
    """An integer of Matroska and where it ends. The first set bit tells its length. None stands for unknown."""
    if start >= len(data) or data[start] == 0:
        return None, start
    length = 9 - data[start].bit_length()
    value = int.from_bytes(data[start : start + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), start + length
