"""The frames of a video one after another, with their times: forward only. Each is decoded once and not stored.

`read_video` is for the few frames that a clip needs. This is for whole videos, however long.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from .animated_images import Animation, is_animation
from .decoder_backends import OpenVideo, check_backend_name, chosen_backend, open_with_backend
from .frame_clock import SAME_TIME, FrameClock
from .frame_folders import check_frame_order, consists_of_images, frame_files
from .pyav_decoding import SameSize, decoded_frames, open_with_pyav, video_stream
from .video_decoding import damaged_animation, read_image, warn_of
from .video_inputs import split_into_videos
from .video_packets import VideoPackets
from .video_sources import VideoReadError, local_path


FRAME_RATE = 25.0
"""Frames per second of what has no frame rate of its own, as the videos of the training corpora have."""


class TimedFrame:
    """A frame of a video.

    Args:
        index: Its number in the video, from 0.
        time: Seconds from the video's first frame to this one.
        read: Returns its pixels, uint8 RGB (height, width, 3). Called when they are first asked for, since
            converting them takes time and memory that most frames of a video need not cost.

    Attributes:
        duration (`float`, *optional*): Seconds for which it is shown if it is the video's last frame. By default one
            interval of the video's frame rate. The times of other frames tell how long they are shown.
    """

    def __init__(self, index: int, time: float, read: Callable[[], np.ndarray]):
        self.index = index
        self.time = time
        self.duration = None
        self._read = read

    @cached_property
    def image(self) -> np.ndarray:
        """Pixels, uint8 RGB (height, width, 3)."""
        return self._read()

    def at(self, time: float) -> "TimedFrame":
        """The same picture, as it is still shown at another time."""
        return TimedFrame(self.index, time, lambda: self.image)


class FrameStream:
    """A video that can be gone through once, by iterating: its frames in the order in which they are shown.

    Args:
        frames: The frames.
        frame_rate: Frames per second, on average.
        num_frames: How many frames there are, if that is known beforehand. Files may announce more than they hold.

    Attributes:
        passed (`float`): Seconds from the beginning of the first frame to the end of the frame that came last. After
            the last frame this is the duration of the video.
        notes (`list[str]`): Sentences on what is missing or unusual in the video. Complete after the last frame.
    """

    def __init__(self, frames: Iterable[TimedFrame], frame_rate: float, num_frames: int | None):
        self._frames = frames
        self.frame_rate = frame_rate
        self.num_frames = num_frames
        self.passed = 0.0
        self.notes = []

    @property
    def duration(self) -> float | None:
        """Seconds that the video is announced to take, to show progress. `passed` is exact."""
        return None if self.num_frames is None else self.num_frames / self.frame_rate

    def __iter__(self) -> Iterator[TimedFrame]:
        for frame in self._frames:
            self.passed = frame.time + (frame.duration or 1 / self.frame_rate)
            yield frame


@contextlib.contextmanager
def open_frames(
    video: str | os.PathLike | np.ndarray | torch.Tensor | list,
    frame_rate: float | None = None,
    num_threads: int = 0,
    *,
    backend: str | None = None,
    frame_order: str = "natural",
) -> Iterator[FrameStream]:
    """Open a video to go through it once, within a `with` block.

    Args:
        video: A video file, folder or archive of frames, image or URL, as `read_video` takes them; or its frames as an
            array (frames, height, width, channels) or (frames, channels, height, width) of pixels from 0 to 255 or a
            list of PIL images or arrays. What is more than one video is refused.
        frame_rate: Frames per second of a folder or an array, 25 by default. Video files use their own timestamps.
        num_threads: Threads to decode a video file with; 0 for as many as there are cores. How many makes no
            difference to a whole file, but to what is shown for the lost parts of a damaged one.
        backend, frame_order: As for `read_video`.

    Raises:
        VideoReadError: If the video cannot be read; in the middle of it only if a frame of a folder cannot. Broken
            packets of a video file are left out, as players do.
        ValueError: If `video` is none of the above, a setting is impossible, or the backend is not installed.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    if frame_rate is not None and not 0 < frame_rate < math.inf:
        raise ValueError(f"frame_rate={frame_rate!r} must be a positive number of frames per second.")
    videos = split_into_videos(video)
    if len(videos) > 1:
        raise ValueError(f"One video is gone through at a time, but {len(videos)} were given.")
    with contextlib.ExitStack() as stack:
        try:
            stream = _open(videos[0], frame_rate or FRAME_RATE, num_threads, stack, backend, frame_order)
        except OSError as error:
            raise VideoReadError(
                f"{videos[0]!r} cannot be read: {error}. Check that it exists and is readable."
            ) from error
        yield stream


def _open(
    video: str | torch.Tensor,
    frame_rate: float,
    num_threads: int,
    stack: contextlib.ExitStack,
    backend: str | None,
    frame_order: str,
) -> FrameStream:
    if isinstance(video, torch.Tensor):
        return _array_frames(video, frame_rate)
    path = stack.enter_context(local_path(video))
    if is_animation(path):
        return _animation_frames(path, video)
    if consists_of_images(path):
        return _numbered(frame_files(path, frame_order), read_image, frame_rate)
    backend = chosen_backend(backend, path)
    if backend != "pyav":
        return _frames_of_backend(backend, path, num_threads)
    return _video_frames(path, video, num_threads, stack)


def sample_in_time(stream: FrameStream, step: float) -> Iterator[TimedFrame]:
    """The frame that is shown at 0, `step`, 2 `step`, ... seconds, as long as the video lasts.

    Frames of a slow video come repeatedly, those of a fast one are left out. So a video's own frame rate, and whether
    it is constant, makes no difference.
    """
    shown, count = None, 0
    for frame in stream:
        while shown is not None and count * step < frame.time - SAME_TIME:
            yield shown.at(count * step)
            count += 1
        shown = frame
    while shown is not None and count * step < stream.passed - SAME_TIME:
        yield shown.at(count * step)
        count += 1


def _array_frames(video: torch.Tensor, frame_rate: float) -> FrameStream:
    """Frames of a tensor (frames, channels, height, width)."""
    if video.is_floating_point() and 0 < video.max() <= 1:  # black throughout is 0 by either convention
        raise ValueError("The pixels of a video of floats are at most 1, but must be 0 to 255: multiply them by 255.")

    def read(index: int) -> np.ndarray:
        frame = video[index].round().clamp(0, 255).to("cpu", torch.uint8)[:3]
        return np.ascontiguousarray(frame.expand(3, -1, -1).permute(1, 2, 0).numpy())

    return _numbered(range(len(video)), read, frame_rate)


def _numbered(items: Iterable, read: Callable, frame_rate: float) -> FrameStream:
    frames = (TimedFrame(i, i / frame_rate, lambda item=item: read(item)) for i, item in enumerate(items))
    return FrameStream(frames, frame_rate, len(items))


def _animation_frames(path: Path, name: str) -> FrameStream:
    """Pictures of an animated image. `name` is what notes call it."""
    try:
        animation = Animation(path)
        durations = animation.durations()
    except Exception as error:  # Pillow raises OSError, SyntaxError and more, depending on where a file is damaged
        raise damaged_animation(path, error) from error

    def timed() -> Iterator[TimedFrame]:
        time = 0.0
        for index, (duration, pixels) in enumerate(animation):
            frame = TimedFrame(index, time, lambda pixels=pixels: pixels)
            frame.duration = duration
            yield frame
            time += duration

    stream = FrameStream(timed(), len(durations) / sum(durations), len(durations))
    stream.notes = [warn_of(name, note) for note in animation.notes]
    return stream


def _frames_of_backend(backend: str, path: Path, num_threads: int) -> FrameStream:
    @contextlib.contextmanager
    def refusing():
        try:
            yield
        except Exception as error:  # every package has its own exceptions
            raise _undecodable(path, str(error), backend) from error

    def timed(video: OpenVideo) -> Iterator[TimedFrame]:
        with refusing():
            for index, (time, read) in enumerate(video.frames):
                yield TimedFrame(index, time, refusing()(read))

    with refusing():
        video = open_with_backend(backend, path, num_threads)
    return FrameStream(timed(video), video.frame_rate, video.num_frames)


def _video_frames(path: Path, name: str, num_threads: int, stack: contextlib.ExitStack) -> FrameStream:
    """Frames of a video file, which stays open as long as `stack`. `name` is what notes call it."""
    try:
        container = stack.enter_context(open_with_pyav(str(path)))
        stream = video_stream(container)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", num_threads
    except Exception as error:  # PyAV has an exception for every error number of FFmpeg
        raise _undecodable(path, str(error)) from error
    frame_rate = float(stream.average_rate or stream.guessed_rate or FRAME_RATE)
    notes = []
    frames = _decoded(VideoPackets(container, stream), frame_rate, path, name, notes)
    opened = FrameStream(frames, frame_rate, _announced(stream, frame_rate))
    opened.notes = notes
    return opened


def _announced(stream, frame_rate: float) -> int | None:
    """How many frames the headers announce. Matroska and MPEG-TS tell the duration only."""
    if stream.frames:
        return stream.frames
    if stream.duration:
        return round(float(stream.duration * stream.time_base) * frame_rate)
    duration = stream.container.duration
    return round(duration * 1e-6 * frame_rate) if duration else None


def _decoded(
    packets: VideoPackets, frame_rate: float, path: Path, name: str, notes: list[str]
) -> Iterator[TimedFrame]:
    """The frames; adds what is to be said of the video to `notes` when they are over."""
    clock = FrameClock(packets, 1 / frame_rate)
    same_size = SameSize(packets.stream)
    try:
        for index, frame in enumerate(decoded_frames(packets)):
            timed = TimedFrame(index, clock.time(frame), same_size.see(frame))
            timed.duration = clock.duration(frame)
            yield timed
    except ValueError as error:
        raise _undecodable(path, str(error)) from error
    for note in (packets.missing_end() or packets.damage, same_size.note, clock.note):
        if note is not None:
            notes.append(warn_of(name, note))


def _undecodable(path: Path, reason: str, backend: str = "PyAV") -> VideoReadError:
    return VideoReadError(
        f"'{path}' cannot be decoded as a video by {backend} ({reason}): it is damaged, incomplete or not a video. "
        "Check that it plays, else copy, download or encode it again."
    )
