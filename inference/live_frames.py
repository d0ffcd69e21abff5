"""Frames that arrive in real time, between the thread that reads them and the thread that uses them."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

from ..image_processing.decoding.frame_stream import FrameStream, TimedFrame
from ..image_processing.decoding.section import FRAME_RATE


MAX_WAITING_SECONDS = 5.0  # enough for a window, and for the time until its boxes are final
MAX_WAITING_FRAMES = 300  # bounds the memory of a camera with many frames per second


class NoMoreFramesError(Exception):
    """Nobody uses the frames any more."""


class LiveFrames:
    """A queue of frames. If they are used too slowly, all frames that wait are skipped, and a new section begins.

    So no window has a gap. Frames that arrive faster than in real time, such as those of a file, wait instead.

    Args:
        timeout: The frames end with a `TimeoutError` if none arrives for so many seconds.

    Attributes:
        skipped (`float`): Seconds of the video that were skipped.
        seconds (`float`): Seconds of the video so far.
    """

    def __init__(self, timeout: float):
        self.skipped = 0.0
        self.seconds = 0.0
        self._timeout = timeout
        self._waiting = deque()  # pairs of a section and a frame
        self._section = 0
        self._arrivals = deque(maxlen=10 * MAX_WAITING_FRAMES)  # pairs of the time of a frame and its arrival
        self._changed = threading.Condition()
        self._began = None  # when the video began, in seconds of `time.monotonic`
        self._error = None
        self._is_ended = self._is_closed = False

    def put(self, frame: TimedFrame):
        """Add a frame.

        Raises:
            NoMoreFramesError: If the queue is closed.
        """
        with self._changed:
            if self._began is None:
                self._began = time.monotonic() - frame.time
            while self._is_full(frame) and not self._is_closed and (early := self.earliness(frame.time)) > 0:
                self._changed.wait(early)
            if self._is_closed:
                raise NoMoreFramesError
            if self._is_full(frame):
                self.skipped += frame.time - self._waiting[0][1].time
                self._waiting.clear()
                self._section += 1
            self._waiting.append((self._section, frame))
            self._arrivals.append((frame.time, time.monotonic()))
            self.seconds = frame.time + (frame.duration or 1 / FRAME_RATE)
            self._changed.notify_all()

    def feed(self, frames: Iterator[TimedFrame]):
        """Add all frames of a source, and end. This is the work of a thread. It closes the iterator."""
        try:
            with contextlib.closing(frames):
                for frame in frames:
                    self.put(frame)
        except NoMoreFramesError:
            return
        except Exception as error:  # `sections` raises it in another thread
            self.end(error)
        else:
            self.end()

    def end(self, error: Exception | None = None):
        """End the frames. `sections` raises the error after the last frame."""
        with self._changed:
            self._is_ended, self._error = True, error
            self._changed.notify_all()

    def close(self):
        """End the frames at once. Frames that wait are discarded."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def sections(self) -> Iterator[tuple[float, FrameStream]]:
        """Yield the start of each section in seconds, and its frames. Their times count from the start.

        Use all frames of a section before the next one.

        Raises:
            Exception: The error that ended the frames. A `TimeoutError` if no frame arrived for too long.
        """
        while (head := self._head()) is not None:
            section, first = head
            yield first.time, FrameStream(self._frames_of(section, first.time), FRAME_RATE, None)
        if self._error is not None:
            raise self._error

    def earliness(self, seconds: float) -> float:
        """Seconds until real time reaches a time of the video. Negative if it has passed."""
        return self._began + seconds - time.monotonic()

    def age(self, seconds: float) -> float:
        """Seconds since the arrival of the frame at a time of the video, or of the first one after it."""
        with self._changed:
            arrivals = list(self._arrivals)
        arrived = next((arrived for shown, arrived in arrivals if shown >= seconds), arrivals[-1][1])
        return time.monotonic() - arrived

    def _is_full(self, frame: TimedFrame) -> bool:
        if not self._waiting:
            return False
        seconds = frame.time - self._waiting[0][1].time
        return seconds > MAX_WAITING_SECONDS or len(self._waiting) >= MAX_WAITING_FRAMES

    def _frames_of(self, section: int, start: float) -> Iterator[TimedFrame]:
        while (head := self._head()) is not None and head[0] == section:
            with self._changed:
                if not self._waiting or self._waiting[0][0] != section:
                    return  # the reader has just skipped the frames
                _, frame = self._waiting.popleft()
                self._changed.notify_all()
            moved = frame.at(frame.time - start)
            moved.duration = frame.duration
            yield moved

    def _head(self) -> tuple[int, TimedFrame] | None:
        """The section and the frame that is the next one. Waits for it. None after the last one."""
        with self._changed:
            is_ready = self._changed.wait_for(
                lambda: self._waiting or self._is_ended or self._is_closed, timeout=self._timeout
            )
            if not is_ready:
                self._is_ended = True
                self._error = TimeoutError(f"no frame arrived for {self._timeout:g} seconds")
            return None if self._is_closed or not self._waiting else self._waiting[0]
