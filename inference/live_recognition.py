"""Recognises expressions in frames that arrive in real time, and drops windows if the model is too slow."""

import statistics
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from .live_frames import LiveFrames
from .pipeline import DEFAULT_BATCH_SIZE, FacialExpressionPipeline
from .windows import Clip


MAX_WAITING = 2  # windows of a person
MAX_DELAYS = 10_000  # for the median
SECONDS_TO_END = 2.0  # for the thread that makes windows; it is a daemon


class LiveRecognition:
    """Yields the entries of the timeline while frames arrive. Iterate over it only once.

    One thread finds faces and makes windows. The thread that iterates runs the model. At most `MAX_WAITING` windows of
    each person wait for the model. If it is slower than the frames, the oldest window of the person is dropped.
    If faces are found too slowly, frames are skipped as `LiveFrames` describes.

    Args:
        recognise: The pipeline.
        frames: The frames. Another thread adds them.
        batch_size: Most clips in a batch of the model. A batch never waits for later clips.
        settings: Settings of a call of the pipeline, such as `crop_faces` and `window`.

    Attributes:
        num_entries (`int`): Number of entries so far.
        num_dropped (`int`): Number of windows that were dropped.
    """

    def __init__(
        self, recognise: FacialExpressionPipeline, frames: LiveFrames, batch_size: int | None = None, **settings
    ):
        self.num_entries = self.num_dropped = 0
        self._recognise, self._frames = recognise, frames
        _, self._preprocess, self._postprocess = recognise.settings(settings)
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._waiting = []
        self._changed = threading.Condition()
        self._is_complete = self._is_closed = False
        self._error = None
        self._worst_delay, self._delays = 0.0, deque(maxlen=MAX_DELAYS)

    @property
    def delays(self) -> tuple[float, float] | None:
        """Median and worst seconds from the arrival of the frame at the end of a window to its entry. None at first.

        The median is that of the latest `MAX_DELAYS` entries.
        """
        return (statistics.median(list(self._delays)), self._worst_delay) if self._delays else None

    def __iter__(self) -> Iterator[dict]:
        """
        Raises:
            TimeoutError: If no frame arrives for too long.
            Exception: The error that ended the frames, and all errors of the pipeline.
        """
        thread = threading.Thread(target=self._make_clips, daemon=True)
        thread.start()
        try:
            for entry in self._recognise.entries(self._batches(), **self._postprocess):
                delay = self._frames.age(entry["end"])
                self._delays.append(delay)
                self._worst_delay = max(self._worst_delay, delay)
                self.num_entries += 1
                yield entry
        finally:
            self._close()
            thread.join(SECONDS_TO_END)
        if self._error is not None:
            raise self._error

    def _close(self):
        self._frames.close()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _batches(self) -> Iterator[list[Clip]]:
        while True:
            with self._changed:
                while not (self._waiting or self._is_complete):
                    self._changed.wait(0.5)  # on Windows, Ctrl-C does not end a wait without a limit
                batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
                self._changed.notify_all()
            if not batch:
                return
            yield batch

    def _make_clips(self):
        """Add the clips of all sections. People of a new section get new numbers."""
        try:
            num_people = 0
            for start, frames in self._frames.sections():
                first_person = num_people
                for clip in self._recognise.preprocess(frames, **self._preprocess):
                    clip = _moved(clip, start, first_person)
                    num_people = max(num_people, clip.person + 1)
                    self._add(clip)
        except Exception as error:  # the iterating thread raises it
            self._error = error
        finally:
            with self._changed:
                self._is_complete = True
                self._changed.notify_all()

    def _add(self, clip: Clip):
        """Let a clip wait for the model. If too many wait, drop the oldest one, unless the clip came early."""
        with self._changed:
            while not self._is_closed and len(others := self._waiting_of(clip.person)) >= MAX_WAITING:
                if (early := self._frames.earliness(clip.end)) > 0:
                    self._changed.wait(early)
                else:
                    del self._waiting[others[0]]
                    self.num_dropped += 1
            self._waiting.append(clip)
            self._changed.notify_all()

    def _waiting_of(self, person: int) -> list[int]:
        return [index for index, clip in enumerate(self._waiting) if clip.person == person]


def _moved(clip: Clip, seconds: float, people: int) -> Clip:
    """A clip at a later time, with a higher number of its person."""
    frames = [replace(frame, time=frame.time + seconds, person=frame.person + people) for frame in clip.frames]
    return replace(clip, frames=frames, start=clip.start + seconds, end=clip.end + seconds)
