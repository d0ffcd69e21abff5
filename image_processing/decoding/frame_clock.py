"""Times of the frames of a video file, also where its timestamps are wrong."""

from collections.abc import Iterable

import numpy as np

from .section import FRAME_RATE, SAME_TIME
from .video_packets import AVI, MOV, VideoPackets


MAX_PAUSE = 60.0  # seconds between two frames; a longer pause is an error in the timestamps
MAX_DURATION = 3600.0  # seconds; the limit in `HAVE_DURATIONS` instead

HAVE_DURATIONS = (MOV, AVI, "gif", "apng", "webp")  # containers that store how long each frame is shown

B_FRAME = 3  # FFmpeg's number of frames that are decoded after frames that are shown later


def usual_interval(stream) -> float:
    """Usual seconds from one frame of a stream to the next."""
    return 1 / float(stream.average_rate or stream.guessed_rate or FRAME_RATE)


class FrameClock:
    """Seconds since the first frame, from timestamps that may start anywhere, be missing, repeat or jump.

    Times ascend strictly. The usual interval replaces a pause that is too long, and a step back, which occurs where
    two recordings are joined. After a repeated timestamp, times are late for a few frames.

    Args:
        packets: The packets that are decoded.

    Attributes:
        note (`str`, *optional*): Reports a pause that is too long. It is a predicate whose subject is the file.
    """

    def __init__(self, packets: VideoPackets):
        self.note = None
        self._packets = packets
        self._usual = self._last_interval = usual_interval(packets.stream)
        self._time_base = float(packets.stream.time_base)
        container = packets.stream.container.format.name
        self._has_durations = container in HAVE_DURATIONS
        self._are_decoding_times = container == AVI
        self._max_step = MAX_DURATION if self._has_durations else MAX_PAUSE
        self._now = None
        self._stamp = None
        self._origin = 0.0

    def time(self, frame) -> float:
        """The time at which a frame is shown. Call this for each frame of PyAV, in order."""
        return self._advance(self._stamp_of(frame))

    def times(self, stamps: Iterable[int | None], last) -> np.ndarray:
        """The times of all frames of a file, from their timestamps alone.

        Args:
            stamps: Timestamps in the order of display, in units of the stream's time base.
            last: The packet or frame that is shown last.

        Returns:
            float64 (frames + 1,). The last number is the end of the last frame.
        """
        times = [self._advance(None if stamp is None else stamp * self._time_base) for stamp in stamps]
        return np.array([*times, times[-1] + self.duration(last)])

    def _advance(self, stamp: float | None) -> float:
        """The time of the next frame, which has a timestamp in seconds."""
        before, self._now = self._now, self._next(stamp)
        if stamp is not None:
            self._stamp = stamp
        if before is not None:
            self._last_interval = self._now - before
        return self._now

    def duration(self, frame) -> float:
        """Seconds for which a frame is shown if it is the video's last one. Call this after `time` of this frame.

        This is the duration in the container. Without it, it is the duration of the frame before.
        """
        stored = float((frame.duration or 0) * self._time_base)
        # If frames are reordered, MP4 stores the steps between decoding times.
        is_valid = self._packets.in_decoding_order or frame.pts == self._packets.last_stamp
        if self._has_durations and is_valid and 0 < stored <= self._max_step:
            return stored
        is_usual = abs(self._last_interval - self._usual) < 2 * SAME_TIME
        return self._usual if is_usual else self._last_interval

    def _stamp_of(self, frame) -> float | None:
        """The timestamp of a frame in seconds."""
        stamp = frame.pts
        if self._packets.in_decoding_order:
            # A B-frame refers to a frame that is shown later but decoded before. If timestamps ascend in decoding
            # order all the same, they are decoding times. They then belong to the frames in the order of display.
            first = self._packets.stamps.popleft() if self._packets.stamps else None
            self._are_decoding_times |= frame.pict_type == B_FRAME
            stamp = first if self._are_decoding_times else stamp
        return None if stamp is None else stamp * self._time_base

    def _next(self, stamp: float | None) -> float:
        if self._now is None:
            self._origin = stamp or 0.0
            return 0.0
        usual = self._now + self._usual
        if stamp is None:
            return usual
        if self._stamp is None:  # this is the first timestamp, but not the first frame
            self._origin = stamp - usual
            return usual
        step, shown = stamp - self._stamp, stamp - self._origin
        if step < -self._usual or shown - self._now > self._max_step:
            if step > 0:
                self.note = f"has a pause of {step:.0f} seconds in its timestamps. The pause is left out."
            resumed = self._now + min(self._usual, self._last_interval)  # the usual interval may include the pause
            self._origin = stamp - resumed
            return resumed
        if shown > self._now:
            return shown
        # The timestamp repeats, or times are late after a repeated one, or two frames are exchanged.
        return usual if step == 0 else self._now + self._usual / 2
