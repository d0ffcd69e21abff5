"""Finds the hard cuts of a video while its frames are read, and numbers the shots between them.

Successive frames are compared by their thumbnails. Each block of one is searched in a neighbourhood of the other, so
that a moving camera is not a cut. Video encoders estimate motion in this way. The blocks that changed least decide, so
that a person who passes before the camera is not a cut. Their difference must be large, and much larger than that
of the frames around it, as in the `AdaptiveDetector` of PySceneDetect. A flash or a change of the light is not a cut.
"""

import itertools
import statistics
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .frame_stream import THUMBNAIL, FrameStream, TimedFrame


BLOCK = (6, 8)  # height and width of a block, in pixels of a small picture
REACH = (3, 4)  # a block may move by this many pixels: a sixth of the height, an eighth of the width
CALM_BLOCKS = 6  # blocks that changed least, of 12
STILL = 2.0  # grey levels; pictures with a smaller difference need no search
MIN_DIFFERENCE = 10.0  # of the pictures before and after a cut, in grey levels
MIN_RATIO = 2.0  # of the difference at a cut to the median difference of the frames around it
SAME_LAYOUT = 0.85  # correlation of pictures that differ only in their light
SAME_LAYOUT_AFTER_BLANK = 0.6  # correlation of the pictures before and after a blank one, in one shot
MAX_BLANK_CONTRAST, MAX_FAINT_CONTRAST = 5.0, 20.0  # standard deviations of pictures, in grey levels
MIN_SECONDS = 0.25  # of a shot; a shorter one is a flash or a damaged picture, and is no cut
MIN_AHEAD = 2  # frames to compare after a cut, for videos of few frames per second
NUM_RECENT = 8  # frames to compare before a cut


# Matrices that average the blocks, which is far faster than a mean over axes.
ROWS_OF_BLOCKS = (
    np.tile(np.kron(np.eye(THUMBNAIL[0] // BLOCK[0]), np.full((1, BLOCK[0]), 1 / BLOCK[0])), 3).astype(np.float32) / 3
)
COLUMNS_OF_BLOCKS = np.kron(np.eye(THUMBNAIL[1] // BLOCK[1]), np.full((BLOCK[1], 1), 1 / BLOCK[1])).astype(np.float32)


def find_cuts(stream: FrameStream):
    """Number the shots of a stream while it is read. Call it before the first frame is read.

    Each frame gets `shot`, the number of its shot from 0. `stream.cuts` gets the time of the first frame of each later
    shot, in seconds. A frame that may be the first of a shot waits for the frames of the next 0.25 seconds, and for
    two frames at least. Other frames do not wait. A shot lasts for at least 0.25 seconds.

    Raises:
        RuntimeError: If reading has begun.
    """
    if stream.is_read:
        raise RuntimeError("Cuts must be looked for before the first frame is read. Open the video again.")
    stream.frames = _Shots(stream.frames, stream.cuts).numbered()


class _Shots:
    """Numbers the shots.

    Args:
        frames: The frames of a video.
        cuts: Gets the time of each cut.
    """

    def __init__(self, frames: Iterable[TimedFrame], cuts: list[float]):
        self._frames = iter(frames)
        self._cuts = cuts
        self._ahead = deque()  # frames that were read to judge a cut
        self._last = None  # the latest frame that is not in a flash
        self._visible = None  # the thumbnail of the latest frame that is not blank
        self._recent = deque(maxlen=NUM_RECENT)  # differences of successive frames

    def numbered(self) -> Iterator[TimedFrame]:
        """Yield the frames with their shots."""
        flash = 0  # frames of a flash that are still to come
        while (frame := self._next()) is not None:
            is_compared = not flash and self._last is not None
            change = difference(self._last.thumbnail, frame.thumbnail) if is_compared else None
            if is_compared and not self._is_young(frame):
                begins = self._ends_fade(frame.thumbnail)
                if not begins and _is_other_scene(self._last.thumbnail, frame.thumbnail, change):
                    flash = self._flash_length(frame)
                    begins = not flash and self._is_peak(frame, change)
                if begins:
                    self._cuts.append(frame.time)
                    self._recent.clear()
            if flash:
                flash -= 1
            else:
                self._see(frame, change)
            frame.shot = len(self._cuts)
            yield frame

    def _next(self) -> TimedFrame | None:
        return self._ahead.popleft() if self._ahead else next(self._frames, None)

    def _see(self, frame: TimedFrame, change: float | None):
        """Compare later frames with this one. `change` is its difference from the frame before it, if there is one."""
        if change is not None:
            self._recent.append(change)
        self._last = frame
        if not _is_blank(frame.thumbnail):
            self._visible = frame.thumbnail

    def _is_young(self, frame: TimedFrame) -> bool:
        """Whether the shot has just begun. Two cuts around a single picture are one."""
        return bool(self._cuts) and frame.time - self._cuts[-1] < MIN_SECONDS

    def _ends_fade(self, picture: np.ndarray) -> bool:
        """Whether a picture comes out of a blank one, and differs from the one before the blank one."""
        if self._visible is None or not _is_blank(self._last.thumbnail) or _is_blank(picture):
            return False
        return correlation(self._visible, picture) < SAME_LAYOUT_AFTER_BLANK

    def _flash_length(self, frame: TimedFrame) -> int:
        """Number of frames until the picture before `frame` returns or the video ends. 0 if it does neither soon."""
        is_end = self._look_ahead(frame)
        for length, later in enumerate(self._ahead, 1):
            is_soon = later.time - frame.time <= MIN_SECONDS
            if is_soon and _is_same_scene(self._last.thumbnail, later.thumbnail):
                return length
        end = [frame, *self._ahead][-1].time + frame.time - self._last.time
        return len(self._ahead) + 1 if is_end and end - frame.time <= MIN_SECONDS else 0

    def _look_ahead(self, frame: TimedFrame) -> bool:
        """Read the frames of `MIN_SECONDS` after a frame, and `MIN_AHEAD` at least. Returns whether the video ends."""
        while len(self._ahead) < MIN_AHEAD or self._ahead[-1].time - frame.time <= MIN_SECONDS:
            if (later := next(self._frames, None)) is None:
                return True
            self._ahead.append(later)
        return False

    def _is_peak(self, frame: TimedFrame, change: float) -> bool:
        """Whether the difference at a frame, `change`, is far above the usual one. It is not in fast motion."""
        pictures = [frame.thumbnail, *(later.thumbnail for later in self._ahead)]
        around = [*self._recent, *itertools.starmap(difference, itertools.pairwise(pictures))]
        return change > MIN_RATIO * statistics.median(around or [0])


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """How much the calmest half of a picture changed, in grey levels.

    It is the mean difference of the blocks that changed least, each compared with the place in the first picture that
    is most like it.

    Args:
        first, second: Thumbnails, float32 (18, 32, 3).
    """
    whole = float(abs(first - second).mean())
    if whole < STILL:
        return whole
    up, left = REACH
    padded = np.pad(first, ((up, up), (left, left), (0, 0)), mode="edge")
    moved = sliding_window_view(padded, first.shape[:2], axis=(0, 1))  # rows, columns, colours, height, width
    distances = abs(moved - second.transpose(2, 0, 1)).reshape(-1, 3 * first.shape[0], first.shape[1])
    blocks = ROWS_OF_BLOCKS @ distances @ COLUMNS_OF_BLOCKS
    return float(np.sort(blocks.min(axis=0), axis=None)[:CALM_BLOCKS].mean())


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of the pixels of two pictures, from -1 to 1. 0 if one of them has one colour."""
    first, second = first - first.mean(), second - second.mean()
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first * second).sum() / norm) if norm else 0.0


def _is_other_scene(first: np.ndarray, second: np.ndarray, change: float) -> bool:
    """Whether two pictures are of different scenes. `change` is their difference."""
    return change > MIN_DIFFERENCE and correlation(first, second) < SAME_LAYOUT


def _is_same_scene(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the scene is the same. Two faint pictures differ little, so they must have the same layout."""
    if MAX_BLANK_CONTRAST < _contrast(first) < MAX_FAINT_CONTRAST:
        return correlation(first, second) >= SAME_LAYOUT_AFTER_BLANK
    return not _is_other_scene(first, second, difference(first, second))


def _is_blank(picture: np.ndarray) -> bool:
    return _contrast(picture) <= MAX_BLANK_CONTRAST


def _contrast(picture: np.ndarray) -> float:
    """The standard deviation of the colour that varies most, in grey levels."""
    return picture.std(axis=(0, 1)).max()
