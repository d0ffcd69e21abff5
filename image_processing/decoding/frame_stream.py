"""All frames of a video in order, with their times. Each frame is decoded once and not stored.

Use this for whole videos of any length, and `read_video` for the few frames of a clip.
"""

import contextlib
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .animated_images import Animation, is_animation
from .decoder_backends import check_backend_name, chosen_backend, open_with_backend
from .frame_clock import usual_interval
from .frame_folders import check_frame_order, consists_of_images, frame_files
from .image_decoding import read_image
from .local_videos import has_content, local_video, video_name
from .media_limits import refuse_playlist
from .pyav_decoding import open_packets
from .section import FRAME_RATE, SAME_TIME, WHOLE, Section, check_frame_rate
from .video_decoding import undecodable, warn_of
from .video_frames import VideoFrames
from .video_inputs import decoded_frames_at, is_decoder, split_into_videos
from .video_packets import VideoPackets
from .video_sources import VideoReadError, local_path
from .video_streams import check_stream_number, refuse_stream


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
    """The frames of a video, or of a section of it, in the order of display. Iterate over it only once.

    Args:
        frames: The frames of the video, or at least those of the section and earlier ones.
        frame_rate: Frames per second, on average.
        num_frames: Number of frames of the whole video if it is known. Files may announce more frames than they hold.
        notes: Sentences about missing or unusual parts of the video.
        section: The part of the video that is read.
        name: The video, as the subject of a message.
        last_notes: Returns more notes after the last frame.

    Attributes:
        start, end (`float`): Seconds from the start of the video at which the section starts and ends. The end may be
            infinite.
        passed (`float`): Seconds from the start of the video to the end of the latest frame, but at most `end`. After
            the last frame of a whole video, this is its duration.
        cuts (`list[float]`): Times at which a new shot begins, in seconds, up to the latest frame. Only `find_cuts`
            fills it.
        is_read (`bool`): Whether reading has begun.
    """

    def __init__(
        self,
        frames: Iterable[TimedFrame],
        frame_rate: float,
        num_frames: int | None,
        notes: list[str] | None = None,
        *,
        section: Section = WHOLE,
        name: str = "The video",
        last_notes: Callable[[], list[str]] | None = None,
    ):
        self.frames = self._selected(frames)
        self.frame_rate = frame_rate
        self.num_frames = num_frames
        self.notes = [] if notes is None else notes
        self.start, self.end = section
        self.passed = self.start
        self.cuts = []
        self.is_read = False
        self._section = section
        self._name = name
        self._last_notes = last_notes
        self._is_left_early = False  # frames after the section were not read

    @property
    def times(self) -> dict[str, float | list[float]]:
        """Seconds for results, after the last frame: `duration`, of a section also its `start` and `end`, `cuts`."""
        times = {"duration": round(self.passed - self.start, 3)}
        if not self._section.is_whole:
            times |= {"start": round(self.start, 3), "end": round(self.passed, 3)}
        return times | {"cuts": [round(cut, 3) for cut in self.cuts]}

    @property
    def duration(self) -> float | None:
        """Announced seconds of the section, for progress bars. `passed` is exact."""
        announced = math.inf if self.num_frames is None else self.num_frames / self.frame_rate
        seconds = min(announced, self.end) - self.start
        return max(seconds, 0.0) if math.isfinite(seconds) else None

    def __iter__(self) -> Iterator[TimedFrame]:
        self.is_read = True
        for frame in self.frames:
            self.passed = min(frame.time + self._duration_of(frame), self.end)
            yield frame
        if self._is_left_early:
            self.passed = self.end
        if self._last_notes is not None:
            self.notes += self._last_notes()

    def _selected(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """The frames of the section. No frame after the first later one is read."""
        first = None  # the latest frame that may be the one at `start`
        for frame in frames:
            if 0 < self.start >= frame.time - SAME_TIME:
                first = frame
                continue
            if first is not None:
                yield first
                first = None
            if frame.time >= self.end - SAME_TIME:
                self._is_left_early = True
                return
            yield frame
        if first is not None:
            self._section.check(first.time + self._duration_of(first), self._name)
            yield first

    def _duration_of(self, frame: TimedFrame) -> float:
        return frame.duration or 1 / self.frame_rate


@contextlib.contextmanager
def open_frames(
    video: str | os.PathLike | np.ndarray | torch.Tensor | list,
    frame_rate: float | None = None,
    num_threads: int = 0,
    *,
    backend: str | None = None,
    frame_order: str = "natural",
    start: float | str | None = None,
    end: float | str | None = None,
    stream: int | None = None,
) -> Iterator[FrameStream]:
    """Open a video within a `with` block, to iterate once over all its frames, or over those of a section.

    Args:
        video: One video. It is a path or URL as in `read_video`, another video of `local_video` (bytes, an open file,
            a dictionary of `datasets`), a `torchcodec.decoders.VideoDecoder`, an array of pixels from 0 to 255
            (frames, height, width, channels) or (frames, channels, height, width), or a list of PIL images or arrays.
        frame_rate: Frames per second of a folder or an array. The default is 25. Video files use their timestamps.
        num_threads: Threads that decode a video file. 0 means one for each core. A damaged file is decoded by one
            thread from the first damaged frame on.
        backend, frame_order, stream: As in `read_video`.
        start, end: The section: seconds from the first frame, or "1:30" (mm:ss) or "1:02:03.5" (hh:mm:ss). The
            default is the whole video. The frames are those that are shown from `start` until before `end`, also the
            one that is shown at `start`. Times of frames stay times in the video. A video file is decoded from the
            last keyframe before the section to its end, or else from the beginning if its timestamps are wrong.

    Raises:
        VideoReadError: If the video cannot be read, or has no such stream. Iteration raises it for a damaged frame of
            a folder, and if the video ends before the section starts. It skips damaged packets of a video file.
        ValueError: If `video` is not one of these types, a setting is impossible, or the backend is not installed.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    check_frame_rate("frame_rate", frame_rate)
    check_stream_number(stream)
    opening = _Opening(frame_rate or FRAME_RATE, num_threads, backend, frame_order, Section.of(start, end), stream)
    video, *others = split_into_videos(video)
    if others:
        raise ValueError(f"One video can be opened at a time, but {1 + len(others)} were given.")
    with contextlib.ExitStack() as stack:
        try:
            frames = _stream_of(video, opening, stack)
        except OSError as error:
            raise VideoReadError(
                f"{video!r} cannot be read: {error}. Check that it exists and is readable."
            ) from error
        yield frames


class _Opening(NamedTuple):
    """The settings of `open_frames`."""

    frame_rate: float
    num_threads: int
    backend: str | None
    frame_order: str
    section: Section
    stream: int | None


def _stream_of(video, opening: _Opening, stack: contextlib.ExitStack) -> FrameStream:
    """The frames of an entry of `split_into_videos`. `stack` closes its files."""
    if isinstance(video, torch.Tensor):
        return _array_frames(video, opening)
    if has_content(video):
        path, name = Path(stack.enter_context(local_video(video))), video_name(video)
    elif is_decoder(video):
        return _decoder_frames(video, opening)
    else:
        path, name = stack.enter_context(local_path(video)), video
    if is_animation(path):
        return _animation_frames(path, name, opening)
    if consists_of_images(path):
        return _numbered(frame_files(path, opening.frame_order), read_image, opening, f"'{name}'")
    refuse_playlist(path)
    backend = chosen_backend(opening.backend, path)
    if backend == "pyav":
        return _video_frames(path, name, opening, stack)
    return _backend_frames(backend, path, name, opening)


def sample_in_time(stream: FrameStream, step: float) -> Iterator[TimedFrame]:
    """The frames that are shown at 0, `step`, 2 `step`, ... seconds after the start of the video, until its end.

    In a section, the moments are counted from its start. Frames of a slow video repeat, and frames of a fast video are
    skipped. The frame rate may vary.
    """
    shown, count = None, 0
    for frame in itertools.chain(stream, [None]):
        end = stream.passed if frame is None else frame.time
        while shown is not None and stream.start + count * step < end - SAME_TIME:
            yield shown.at(stream.start + count * step)
            count += 1
        shown = frame


def _array_frames(video: torch.Tensor, opening: _Opening) -> FrameStream:
    """Frames of a tensor (frames, channels, height, width)."""
    if video.is_floating_point() and 0 < video.max() <= 1:  # a black video has maximum 0 in both conventions
        raise ValueError("The pixels of a float video are at most 1, but must be 0 to 255: multiply them by 255.")

    def read(index: int) -> np.ndarray:
        frame = video[index].round().clamp(0, 255).to("cpu", torch.uint8)[:3]
        return np.ascontiguousarray(frame.expand(3, -1, -1).permute(1, 2, 0).numpy())

    return _numbered(range(len(video)), read, opening)


def _decoder_frames(decoder, opening: _Opening) -> FrameStream:
    """Frames of a `VideoDecoder`, with its average frame rate if it has one."""

    def read(index: int) -> np.ndarray:
        return decoded_frames_at(decoder, np.array(index)).permute(1, 2, 0).cpu().numpy()

    frame_rate = getattr(decoder.metadata, "average_fps", None) or opening.frame_rate
    return _numbered(range(len(decoder)), read, opening._replace(frame_rate=frame_rate))


def _numbered(items: Sequence, read: Callable, opening: _Opening, name: str = "The video") -> FrameStream:
    refuse_stream(opening.stream, name, "it is not a video file")
    rate = opening.frame_rate
    frames = (TimedFrame(i, i / rate, functools.partial(read, item)) for i, item in enumerate(items))
    return FrameStream(frames, rate, len(items), section=opening.section, name=name)


def _animation_frames(path: Path, name: str, opening: _Opening) -> FrameStream:
    """Pictures of an animated image. Notes call it `name`."""
    refuse_stream(opening.stream, f"'{name}'", "it is an animated image")
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
    rate = len(durations) / sum(durations)
    return FrameStream(timed(), rate, len(durations), notes, section=opening.section, name=f"'{name}'")


@contextlib.contextmanager
def _refusing_damage(path: Path, decoder: str) -> Iterator[None]:
    try:
        yield
    except VideoReadError:
        raise
    except Exception as error:  # every decoder has its own exceptions
        raise undecodable(path, decoder, str(error)) from error


def _backend_frames(backend: str, path: Path, name: str, opening: _Opening) -> FrameStream:
    """Frames of a video file that decord or TorchCodec decodes."""
    refuse_stream(opening.stream, f"'{name}'", f"{backend} reads it. Only PyAV reads another stream")

    def timed() -> Iterator[TimedFrame]:
        with _refusing_damage(path, backend):
            for index, (time, pixels) in enumerate(decoded):
                yield TimedFrame(index, time, lambda pixels=pixels: pixels)

    with _refusing_damage(path, backend):
        frame_rate, num_frames, decoded = open_with_backend(backend, path, opening.num_threads)
    return FrameStream(timed(), frame_rate, num_frames, section=opening.section, name=f"'{name}'")


def _video_frames(path: Path, name: str, opening: _Opening, stack: contextlib.ExitStack) -> FrameStream:
    """Frames of a video file that PyAV decodes. `stack` closes the file. Notes call it `name`."""

    def open_file(num_threads: int = opening.num_threads) -> VideoPackets:
        return stack.enter_context(open_packets(str(path), num_threads, opening.stream))

    def timed() -> Iterator[TimedFrame]:
        with _refusing_damage(path, "PyAV"):
            for index, time, read, read_small, duration in frames:
                frame = TimedFrame(index, time, read)
                frame.read_small, frame.duration = read_small, duration
                yield frame

    def last_notes() -> list[str]:
        return [warn_of(name, note) for note in frames.notes(opening.stream is None)]

    with _refusing_damage(path, "PyAV"):
        frames = VideoFrames(open_file, opening.section, f"'{name}'")
    frame_rate = 1 / usual_interval(frames.stream)
    num_frames = _announced_frames(frames.stream, frame_rate)
    settings = {"section": opening.section, "name": f"'{name}'", "last_notes": last_notes}
    return FrameStream(timed(), frame_rate, num_frames, **settings)


def _announced_frames(stream, frame_rate: float) -> int | None:
    """Number of frames in the headers. Matroska and MPEG-TS announce only the duration."""
    seconds = (stream.container.duration or 0) * 1e-6
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
    return stream.frames or round(seconds * frame_rate) or None
