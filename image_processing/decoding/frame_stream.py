"""All frames of a video in order, with their times. Each frame is decoded once and not stored.

Use this for whole videos of any length, and `read_video` for the few frames of a clip.
"""

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from .animated_images import Animation, is_animation
from .decoder_backends import check_backend_name, chosen_backend, open_with_backend
from .frame_clock import SAME_TIME, FrameClock
from .frame_folders import check_frame_order, consists_of_images, frame_files
from .image_decoding import read_image
from .local_videos import has_content, local_video, video_name
from .pyav_decoding import SameSize, decoded_frames, open_packets, small_reader
from .video_decoding import undecodable, warn_of
from .video_inputs import decoded_frames_at, is_decoder, split_into_videos
from .video_sources import VideoReadError, local_path


FRAME_RATE = 25.0
"""Frames per second of folders and arrays. The videos of the training corpora have this rate."""

THUMBNAIL = (18, 32)
"""Height and width of a thumbnail."""


class TimedFrame:
    """A frame of a video.

    Args:
        index: Its number in the video, from 0.
        time: Seconds from the first frame of the video to this one.
        read: Returns its pixels, uint8 RGB (height, width, 3). It is called only when the pixels are needed.

    Attributes:
        read_small (`Callable`, *optional*): Returns the pixels in a given height and width, at less cost than `read`.
        shot (`int`): Number of its shot in the video, from 0. It stays 0 without `find_cuts`.
        duration (`float`, *optional*): Seconds for which it is shown if it is the last frame of the video. The default
            is 1 / frame rate.
    """

    def __init__(self, index: int, time: float, read: Callable[[], np.ndarray]):
        self.index = index
        self.time = time
        self.duration = None
        self.shot = 0
        self._read = read
        self.read_small = None

    @cached_property
    def image(self) -> np.ndarray:
        """Pixels, uint8 RGB (height, width, 3)."""
        return self._read()

    @cached_property
    def thumbnail(self) -> np.ndarray:
        """The whole picture in a small size, to compare frames: float32 RGB (18, 32, 3), from 0 to 255.

        It may lie on its side, and its colours may be those that the file stores.
        """
        height, width = THUMBNAIL
        small = self._small(2 * height, 2 * width).astype(np.float32)
        return small.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))

    def _small(self, height: int, width: int) -> np.ndarray:
        if self.read_small is not None:
            return self.read_small(height, width)
        rows, columns = (np.arange(n) * size // n for n, size in zip((height, width), self.image.shape, strict=False))
        return self.image[rows[:, None], columns]

    def at(self, time: float) -> "TimedFrame":
        """The same picture at another time."""
        same = TimedFrame(self.index, time, lambda: self.image)
        same.read_small, same.shot = self._small, self.shot
        return same


class FrameStream:
    """The frames of a video in the order of display. Iterate over it only once.

    Args:
        frames: The frames.
        frame_rate: Frames per second, on average.
        num_frames: Number of frames if it is known. Files may announce more frames than they hold.
        notes: Sentences about missing or unusual parts of the video. The list is complete after the last frame.

    Attributes:
        passed (`float`): Seconds from the start of the first frame to the end of the latest frame. After the last
            frame, this is the duration of the video.
        cuts (`list[float]`): Times at which a new shot begins, in seconds, up to the latest frame. Only `find_cuts`
            fills it.
    """

    def __init__(
        self, frames: Iterable[TimedFrame], frame_rate: float, num_frames: int | None, notes: list[str] | None = None
    ):
        self.frames = frames
        self.frame_rate = frame_rate
        self.num_frames = num_frames
        self.notes = [] if notes is None else notes
        self.passed = 0.0
        self.cuts = []

    @property
    def duration(self) -> float | None:
        """Announced seconds of the video, for progress bars. `passed` is exact."""
        return None if self.num_frames is None else self.num_frames / self.frame_rate

    def __iter__(self) -> Iterator[TimedFrame]:
        for frame in self.frames:
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
    """Open a video within a `with` block, to iterate once over all its frames.

    Args:
        video: One video. It is a path or URL as in `read_video`, another video of `local_video` (bytes, an open file,
            a dictionary of `datasets`), a `torchcodec.decoders.VideoDecoder`, an array of pixels from 0 to 255
            (frames, height, width, channels) or (frames, channels, height, width), or a list of PIL images or arrays.
        frame_rate: Frames per second of a folder or an array. The default is 25. Video files use their timestamps.
        num_threads: Threads that decode a video file. 0 means one for each core. The number changes only the pixels of
            damaged frames.
        backend, frame_order: As in `read_video`.

    Raises:
        VideoReadError: If the video cannot be read. Iteration raises it for a damaged frame of a folder, but skips
            damaged packets of a video file.
        ValueError: If `video` is not one of these types, a setting is impossible, or the backend is not installed.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    if frame_rate is not None and not 0 < frame_rate < math.inf:
        raise ValueError(f"frame_rate={frame_rate!r} must be a positive number of frames per second.")
    frame_rate = frame_rate or FRAME_RATE
    video, *others = split_into_videos(video)
    if others:
        raise ValueError(f"One video can be opened at a time, but {1 + len(others)} were given.")
    with contextlib.ExitStack() as stack:
        try:
            stream = _stream_of(video, frame_rate, num_threads, backend, frame_order, stack)
        except OSError as error:
            raise VideoReadError(
                f"{video!r} cannot be read: {error}. Check that it exists and is readable."
            ) from error
        yield stream


def _stream_of(
    video, frame_rate: float, num_threads: int, backend: str | None, frame_order: str, stack: contextlib.ExitStack
) -> FrameStream:
    """The frames of an entry of `split_into_videos`. `stack` closes its files."""
    if isinstance(video, torch.Tensor):
        return _array_frames(video, frame_rate)
    if has_content(video):
        path, name = Path(stack.enter_context(local_video(video))), video_name(video)
    elif is_decoder(video):
        return _decoder_frames(video, frame_rate)
    else:
        path, name = stack.enter_context(local_path(video)), video
    if is_animation(path):
        return _animation_frames(path, name)
    if consists_of_images(path):
        return _numbered(frame_files(path, frame_order), read_image, frame_rate)
    backend = chosen_backend(backend, path)
    if backend == "pyav":
        return _video_frames(path, name, num_threads, stack)
    return _backend_frames(backend, path, num_threads)


def sample_in_time(stream: FrameStream, step: float) -> Iterator[TimedFrame]:
    """The frames that are shown at 0, `step`, 2 `step`, ... seconds, until the end of the video.

    Frames of a slow video repeat, and frames of a fast video are skipped. The frame rate may vary.
    """
    shown, count = None, 0
    for frame in itertools.chain(stream, [None]):
        end = stream.passed if frame is None else frame.time
        while shown is not None and count * step < end - SAME_TIME:
            yield shown.at(count * step)
            count += 1
        shown = frame


def _array_frames(video: torch.Tensor, frame_rate: float) -> FrameStream:
    """Frames of a tensor (frames, channels, height, width)."""
    if video.is_floating_point() and 0 < video.max() <= 1:  # a black video has maximum 0 in both conventions
        raise ValueError("The pixels of a float video are at most 1, but must be 0 to 255: multiply them by 255.")

    def read(index: int) -> np.ndarray:
        frame = video[index].round().clamp(0, 255).to("cpu", torch.uint8)[:3]
        return np.ascontiguousarray(frame.expand(3, -1, -1).permute(1, 2, 0).numpy())

    return _numbered(range(len(video)), read, frame_rate)


def _decoder_frames(decoder, frame_rate: float) -> FrameStream:
    """Frames of a `VideoDecoder`, with its average frame rate if it has one."""

    def read(index: int) -> np.ndarray:
        return decoded_frames_at(decoder, np.array(index)).permute(1, 2, 0).cpu().numpy()

    return _numbered(range(len(decoder)), read, getattr(decoder.metadata, "average_fps", None) or frame_rate)


def _numbered(items: Iterable, read: Callable, frame_rate: float) -> FrameStream:
    frames = (TimedFrame(i, i / frame_rate, lambda item=item: read(item)) for i, item in enumerate(items))
    return FrameStream(frames, frame_rate, len(items))


def _animation_frames(path: Path, name: str) -> FrameStream:
    """Pictures of an animated image. Notes call it `name`."""
    animation = Animation(path)
    durations = [seconds for seconds, _ in animation]

    def timed() -> Iterator[TimedFrame]:
        time = 0.0
        for index, (duration, pixels) in enumerate(animation):
            frame = TimedFrame(index, time, lambda pixels=pixels: pixels)
            frame.duration = duration
            yield frame
            time += duration

    notes = [warn_of(name, note) for note in animation.notes]
    return FrameStream(timed(), len(durations) / sum(durations), len(durations), notes)


@contextlib.contextmanager
def _refusing_damage(path: Path, decoder: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # every decoder has its own exceptions
        raise undecodable(path, decoder, str(error)) from error


def _backend_frames(backend: str, path: Path, num_threads: int) -> FrameStream:
    """Frames of a video file that decord or TorchCodec decodes."""

    def timed() -> Iterator[TimedFrame]:
        with _refusing_damage(path, backend):
            for index, (time, pixels) in enumerate(decoded):
                yield TimedFrame(index, time, lambda pixels=pixels: pixels)

    with _refusing_damage(path, backend):
        frame_rate, num_frames, decoded = open_with_backend(backend, path, num_threads)
    return FrameStream(timed(), frame_rate, num_frames)


def _video_frames(path: Path, name: str, num_threads: int, stack: contextlib.ExitStack) -> FrameStream:
    """Frames of a video file that PyAV decodes. `stack` closes the file. Notes call it `name`."""
    with _refusing_damage(path, "PyAV"):
        packets = stack.enter_context(open_packets(str(path), num_threads))
    stream = packets.stream
    frame_rate = float(stream.average_rate or stream.guessed_rate or FRAME_RATE)
    clock, same_size, notes = FrameClock(packets, 1 / frame_rate), SameSize(stream), []

    def timed() -> Iterator[TimedFrame]:
        with _refusing_damage(path, "PyAV"):
            for index, frame in enumerate(decoded_frames(packets)):
                timed_frame = TimedFrame(index, clock.time(frame), same_size.see(frame))
                timed_frame.read_small, timed_frame.duration = small_reader(frame), clock.duration(frame)
                yield timed_frame
        for note in filter(None, (packets.missing_end() or packets.damage, same_size.note, clock.note)):
            notes.append(warn_of(name, note))

    return FrameStream(timed(), frame_rate, _announced_frames(stream, frame_rate), notes)


def _announced_frames(stream, frame_rate: float) -> int | None:
    """Number of frames in the headers. Matroska and MPEG-TS announce only the duration."""
    seconds = (stream.container.duration or 0) * 1e-6
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
    return stream.frames or round(seconds * frame_rate) or None
