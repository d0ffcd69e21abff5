"""The frames of a video file that its headers list, for decoding from a keyframe."""

import bisect
import itertools
from typing import NamedTuple

from .video_packets import FLV, MATROSKA, MOV, VideoPackets, count_frames


SEEKABLE = (MOV, MATROSKA, FLV)
"""FFmpeg finds keyframes of these containers by their display time."""


class _Header(NamedTuple):
    """The header of a packet, without its content."""

    pts: int | None  # the time at which its frame is shown
    is_keyframe: bool
    is_hidden: bool  # by an edit list: its frame is decoded but not shown
    num_frames: int
    duration: int | None


class FrameIndex(NamedTuple):
    """The frames of a file, from the headers of its packets.

    Attributes:
        stamps (`list[int]`): Timestamps of the frames that are shown, in ascending order.
        keyframes (`list[int]`): Timestamps of keyframes, in ascending order.
        last: The header of the frame that is shown last.
    """

    stamps: list[int]
    keyframes: list[int]
    last: _Header

    def keyframe_before(self, stamp: int) -> int:
        """The timestamp of the last keyframe at or before a timestamp. Decoding of that frame begins there."""
        return self.keyframes[bisect.bisect(self.keyframes, stamp) - 1]


def index_frames(packets: VideoPackets) -> FrameIndex:
    """Read the headers of all packets. Nothing is decoded.

    Raises:
        ValueError: If frames cannot be found by their timestamps.
    """
    stream = packets.stream
    if stream.container.format.name not in SEEKABLE:
        raise ValueError(f"keyframes cannot be found by their times in the container {stream.container.format.name}")
    codec = stream.codec_context.name
    headers = [
        _Header(p.pts, p.is_keyframe, p.is_discard, count_frames(p, codec), p.duration) for p in packets.complete()
    ]
    stamps = {header.pts for header in headers if header.num_frames == 1} - {None}
    if not len(stamps) == len(headers) == (stream.frames or len(headers)):
        raise ValueError("its packets do not hold exactly one frame each")
    # Frames before the first keyframe would be missing.
    if not headers or not headers[0].is_keyframe or headers[0].pts > min(stamps):
        raise ValueError("it does not begin with a keyframe")
    is_ascending = all(first.pts < second.pts for first, second in itertools.pairwise(headers))
    if stream.codec_context.has_b_frames and is_ascending:
        raise ValueError("its frames have the times at which they are decoded")  # such as files that were AVI before
    if not stream.codec_context.has_b_frames and not is_ascending:
        raise ValueError("its frames are not in the order of their times")
    packets.in_decoding_order, packets.last_stamp = is_ascending, headers[-1].pts
    shown = sorted(header for header in headers if not header.is_hidden)
    return FrameIndex(
        [header.pts for header in shown], sorted(header.pts for header in headers if header.is_keyframe), shown[-1]
    )
