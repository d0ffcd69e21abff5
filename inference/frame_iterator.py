"""Frames that a caller gives one by one: their times and pixels are checked, and they become a `FrameStream`."""

import contextlib
import math
import numbers
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import partial

import numpy as np
import torch
from PIL import Image

from ..image_processing.decoding.frame_pixels import FrameConverter, display_matrix
from ..image_processing.decoding.frame_stream import FrameStream, TimedFrame
from ..image_processing.decoding.local_videos import has_content
from ..image_processing.decoding.section import FRAME_RATE, SAME_TIME
from ..image_processing.decoding.video_inputs import is_decoder, split_into_videos


CHANNEL_ORDERS = ("rgb", "bgr")
MAX_PAUSE = 10.0  # seconds between two frames; longer steps are a pause, or times in another unit
NO_TIME = object()


def is_frame_by_frame(video, times=None, channel_order: str = "rgb") -> bool:
    """Whether an input of `FacialExpressionPipeline.stream` gives its frames one by one.

    Iterators and other iterables of frames do. A list does if its frames have times, and a list or an array if `times`
    or `channel_order` are given with it. Other lists and arrays are videos.

    Raises:
        ValueError: If `times` or `channel_order` are given with a video that has its own, or `channel_order` is
            unknown.
    """
    if channel_order not in CHANNEL_ORDERS:
        raise ValueError(f"channel_order={channel_order!r} must be 'rgb' or 'bgr'.")
    if isinstance(video, (list, tuple)):
        first = video[0] if video else None
        has_own_times = is_pyav_frame(first) or (isinstance(first, tuple) and len(first) == 2)
        return has_own_times or times is not None or channel_order != "rgb"
    if isinstance(video, (np.ndarray, torch.Tensor)):
        is_given = times is not None or channel_order != "rgb"
        if is_given and video.ndim != 4:
            raise ValueError(f"Frames of a video must be an array of 4 dimensions, but this one has {video.ndim}.")
        return is_given
    is_video = isinstance(video, (str, os.PathLike, Image.Image)) or has_content(video) or is_decoder(video)
    if is_video and (times is not None or channel_order != "rgb"):
        raise ValueError("times and channel_order are for frames. A file has its own: leave them out.")
    return not is_video and isinstance(video, Iterable)


@contextlib.contextmanager
def open_iterator(
    frames: Iterable,
    times: Iterable[float] | None = None,
    channel_order: str = "rgb",
    frame_rate: float | None = None,
    default_frame_rate: float | None = None,
) -> Iterator[FrameStream]:
    """The stream of frames that are given one by one, within a `with` block. It closes the iterators at the end.

    Args:
        frames: Frames, or pairs of a frame and its time. A frame is a PIL image, a frame of PyAV, or an array or
            tensor of uint8: (height, width, channels) or (channels, height, width) with 1, 3 or 4 channels, or grey
            (height, width).
        times: Seconds of each frame.
        channel_order: `"rgb"`, or `"bgr"` for arrays of OpenCV.
        frame_rate: Frames per second, instead of times.
        default_frame_rate: The same, for frames without a time.

    Raises:
        ValueError: If there are two kinds of times. Iteration raises it for a frame of another type or of another
            size than the first one, and for a frame without a time. Also for a time that is not finite, goes back, or
            follows after more than `MAX_PAUSE` seconds.
    """
    if times is not None and frame_rate is not None:
        raise ValueError("times and frame_rate were given. Leave one of them out.")
    iterator, clock = iter(frames), _Clock(times, frame_rate, default_frame_rate)
    try:
        yield FrameStream(_timed(iterator, clock, _Pixels(channel_order)), frame_rate or FRAME_RATE, None)
    finally:
        for source in (iterator, clock.times):
            if callable(getattr(source, "close", None)):
                source.close()


def _timed(frames: Iterator, clock: "_Clock", pixels: "_Pixels") -> Iterator[TimedFrame]:
    for index, item in enumerate(frames):
        frame, time = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, NO_TIME)
        read = pixels.reader(index, frame)
        timed = TimedFrame(index, clock.seconds(index, frame, time), read)
        timed.duration = clock.duration(frame)
        yield timed
    clock.end()


def is_pyav_frame(frame) -> bool:
    """Whether a frame is one of PyAV. PyAV need not be installed."""
    av = sys.modules.get("av")  # it made the frame
    return av is not None and isinstance(frame, av.VideoFrame)


class _Clock:
    """Seconds since the first frame.

    Args:
        times, frame_rate, default_frame_rate: As for `open_iterator`.
    """

    def __init__(self, times: Iterable[float] | None, frame_rate: float | None, default_frame_rate: float | None):
        self.times = None if times is None else iter(times)
        self._num_times = len(times) if isinstance(times, Sized) else None
        self._rate, self._default_rate = frame_rate, default_frame_rate
        self._count = 0
        self._is_counted = None  # whether frames have no time, and are counted
        self._origin = self._now = None
        self._step = 1 / (frame_rate or default_frame_rate or FRAME_RATE)
        self._stored = None  # the duration in the latest frame of PyAV
        self._stored_is_right = True

    def seconds(self, index: int, frame, own) -> float:
        """The time of the next frame. `own` is the time that came with it, or `NO_TIME`."""
        time = self._time_of(index, frame, own)
        is_number = isinstance(time, numbers.Real) and not isinstance(time, bool)
        if not (is_number and math.isfinite(time)):
            raise ValueError(f"Frame {index} has the time {time!r}, which is not a finite number of seconds.")
        self._count += 1
        if self._now is None:
            self._origin, self._now = float(time), 0.0
            return self._now
        seconds = float(time) - self._origin
        step = seconds - self._now
        if step < 0:
            raise ValueError(
                f"Frame {index} has a time {-step:g} seconds before the frame before it. Give frames in the order of "
                "time, or begin a new stream."
            )
        if step > MAX_PAUSE:
            raise ValueError(
                f"Frame {index} follows {step:g} seconds after the frame before it, more than {MAX_PAUSE:g}. Give "
                "times in seconds, and begin a new stream after a pause."
            )
        if step > 0:
            self._stored_is_right = self._stored is not None and abs(self._stored - step) < SAME_TIME
            self._now, self._step = seconds, step
        return seconds

    def duration(self, frame) -> float:
        """Seconds for which the latest frame is shown if no other follows."""
        self._stored = None
        if self._rate is None and is_pyav_frame(frame) and frame.duration and frame.time_base:
            self._stored = float(frame.duration * frame.time_base)
        return self._stored if self._stored and self._stored_is_right else self._step

    def end(self):
        """Check the times after the last frame.

        Raises:
            ValueError: If there are more times than frames.
        """
        if self._num_times is not None and self._num_times > self._count:
            raise ValueError(f"times has {self._num_times} entries for {self._count} frames. Give one for each.")

    def _time_of(self, index: int, frame, own) -> float:
        """The time that was given for a frame, or its number divided by the frame rate."""
        if own is not NO_TIME and (self.times is not None or self._rate is not None):
            other = "frame_rate" if self.times is None else "times"
            raise ValueError(f"Frame {index} came with a time, and {other} is given. Leave one of them out.")
        if own is NO_TIME and self.times is not None:
            own = next(self.times, NO_TIME)
            if own is NO_TIME:
                raise ValueError(f"times has only {index} entries, but there are more frames.")
        if own is NO_TIME and self._rate is None and is_pyav_frame(frame) and frame.time is not None:
            own = frame.time
        rate = self._rate or self._default_rate
        if self._is_counted is None and rate is not None:
            self._is_counted = own is NO_TIME
        if own is NO_TIME and not self._is_counted:
            raise ValueError(
                f"Frame {index} has no time. Give pairs of a frame and its seconds, or times, or a frame_rate."
            )
        if own is not NO_TIME and self._is_counted:
            raise ValueError(f"Frame {index} has a time, but the frames before it had none. Give all frames a time.")
        return index / rate if own is NO_TIME else own


class _Pixels:
    """Pixels of frames, uint8 RGB (height, width, 3), all of one size.

    Args:
        channel_order: As for `open_iterator`.
    """

    def __init__(self, channel_order: str):
        self._is_bgr = channel_order == "bgr"
        self._size = None
        self._matrix = None  # the latest display matrix. Some encoders write it only at keyframes.
        self._to_rgb = FrameConverter()

    def reader(self, index: int, frame) -> Callable[[], np.ndarray]:
        """A function that returns the pixels of a frame. Arrays are copied, because cameras may reuse them."""
        if is_pyav_frame(frame):
            self._refuse_bgr("A frame of PyAV")
            self._matrix = display_matrix(frame) or self._matrix
            self._check_size(index, self._to_rgb.size(frame, self._matrix))
            return partial(self._to_rgb, frame, self._matrix)
        pixels = self._copy(index, frame)
        self._check_size(index, pixels.shape[:2])
        return lambda: pixels

    def _copy(self, index: int, frame) -> np.ndarray:
        if isinstance(frame, Image.Image):
            self._refuse_bgr("A PIL image")
        elif not isinstance(frame, (np.ndarray, torch.Tensor)):
            raise ValueError(
                f"Frame {index} is of type {type(frame).__name__}. Give an array, a tensor, a PIL image or a frame of "
                "PyAV, and end the iterator if there are no more."
            )
        elif str(frame.dtype).removeprefix("torch.") != "uint8":
            raise ValueError(
                f"Frame {index} has numbers of type {frame.dtype}. Give whole numbers from 0 to 255 as uint8."
            )
        elif frame.ndim == 2:
            frame = frame[..., None]
        elif frame.ndim != 3:
            raise ValueError(f"Frame {index} has {frame.ndim} dimensions. Give one picture at a time.")
        try:
            pixels = split_into_videos(frame)[0][0].expand(3, -1, -1).cpu()  # channels first
        except ValueError as error:
            raise ValueError(f"Frame {index} cannot be read. {error}") from error
        return np.ascontiguousarray((pixels.flip(0) if self._is_bgr else pixels).movedim(0, -1).numpy())

    def _refuse_bgr(self, kind: str):
        if self._is_bgr:
            raise ValueError(f"{kind} states the order of its channels: leave out channel_order.")

    def _check_size(self, index: int, size: tuple[int, int]):
        self._size = self._size or tuple(size)
        if tuple(size) != self._size:
            (height, width), (first_height, first_width) = size, self._size
            raise ValueError(
                f"Frame {index} has {width} x {height} pixels, the frames before it {first_width} x {first_height}. "
                "Resize it, or begin a new stream."
            )
