"""Times of the frames of a video file, whatever its timestamps are."""

from .video_packets import AVI, MOV, VideoPackets


SAME_TIME = 1e-3  # seconds; containers round timestamps
LONGEST_PAUSE = 60.0  # seconds between two frames; more is a mistake in a file's timestamps
LONGEST_DURATION = 3600.0  # seconds; the same where a container stores how long each frame is shown

OWN_DURATIONS = (MOV, AVI, "gif", "apng", "webp")  # containers that store this

B_FRAME = 3  # FFmpeg's number of frames that are shown before others that are decoded earlier


class FrameClock:
    """Seconds since the first frame, from timestamps that may start anywhere, be missing, repeat or jump.

    Times ascend strictly. A pause that is too long to be meant counts as the usual interval, and so does a step back,
    as at the seam of two recordings. After a repeated timestamp the clock is behind for a moment, but not for long.

    Args:
        packets: The packets that are decoded.
        interval: Seconds from a frame to the next where timestamps do not tell.

    Attributes:
        note (`str`, *optional*): What is to be said of a pause that was too long: the predicate of a sentence.
    """

    def __init__(self, packets: VideoPackets, interval: float):
        self.note = None
        self._packets = packets
        self._usual = interval
        self._time_base = float(packets.stream.time_base)
        self._has_durations = packets.stream.container.format.name in OWN_DURATIONS
        self._are_decoding_times = packets.stream.container.format.name == AVI
        self._longest = LONGEST_DURATION if self._has_durations else LONGEST_PAUSE
        self._now = None
        self._stamp = None
        self._origin = 0.0
        self._last_interval = interval

    def time(self, frame) -> float:
        """When a frame is shown. To be called for each frame of PyAV, in order."""
        stamp = self._stamp_of(frame)
        before = self._now
        self._now = self._next(stamp)
        if stamp is not None:
            self._stamp = stamp
        if before is not None:
            self._last_interval = self._now - before
        return self._now

    def duration(self, frame) -> float:
        """Seconds for which the frame is shown whose time was asked for last, if it is the video's last one.

        Its own duration if the container stores it. Otherwise as long as the frame before.
        """
        own = float((frame.duration or 0) * self._time_base)
        # With frames in another order, MP4 stores the steps from one decoding time to the next.
        is_own = self._packets.in_decoding_order or frame.pts == self._packets.last_stamp
        if self._has_durations and is_own and 0 < own <= self._longest:
            return own
        is_usual = abs(self._last_interval - self._usual) < 2 * SAME_TIME
        return self._usual if is_usual else self._last_interval

    def _stamp_of(self, frame) -> float | None:
        """The timestamp of a frame in seconds."""
        own = frame.pts
        if self._packets.in_decoding_order:
            # The decoder has seen the frames that a B-frame is predicted from. If one of these is shown later, but its
            # timestamp is not larger, timestamps are those of decoding. Shown frames then have them in their order.
            first = self._packets.stamps.popleft() if self._packets.stamps else None
            self._are_decoding_times |= frame.pict_type == B_FRAME
            own = first if self._are_decoding_times else own
        return None if own is None else own * self._time_base

    def _next(self, stamp: float | None) -> float:
        if self._now is None:
            self._origin = stamp or 0.0
            return 0.0
        usual = self._now + self._usual
        if stamp is None:
            return usual
        if self._stamp is None:  # the first of all timestamps is not the first frame's
            self._origin = stamp - usual
            return usual
        step, shown = stamp - self._stamp, stamp - self._origin
        if step < -self._usual or shown - self._now > self._longest:
            if step > 0:
                self.note = f"has a pause of {step:.0f} seconds in its timestamps. The pause is left out."
            resumed = self._now + min(self._usual, self._last_interval)  # the usual one may include the pause
            self._origin = stamp - resumed
            return resumed
        if shown > self._now:
            return shown
        # The timestamp is repeated. Otherwise the clock is behind after such a one, or two frames changed places.
        return usual if step == 0 else self._now + self._usual / 2
