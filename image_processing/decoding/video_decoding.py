"""Reading single frames of a video: of a video file, a folder or archive of frames, an image or a URL.

Readers are opened for each call and closed after it. They do not survive a fork, so each worker process of a data
loader must open its own.
"""

import functools
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from transformers.utils import logging
from transformers.video_utils import VideoMetadata

from .animated_images import Animation, is_animation
from .decoder_backends import check_backend_name, frame_readers, times_by_backend
from .frame_folders import check_frame_order, consists_of_images, frame_names
from .image_decoding import read_image
from .media_limits import refuse_playlist
from .pyav_decoding import NotedMetadata
from .section import FRAME_RATE, Sampling, Section, check_frame_rate, regular_times
from .video_sources import VideoReadError, local_path, without_passwords
from .video_streams import check_stream_number, refuse_stream


logger = logging.get_logger(__name__)

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv", ".avi"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".ogv", ".gif"),
)
"""Suffixes of the video files in folders. A file that is given by its path may have any suffix."""


def read_video(
    source: str | os.PathLike,
    sample_indices_fn: Callable[[VideoMetadata], np.ndarray],
    *,
    backend: str | None = None,
    frame_order: str = "natural",
    start: float | str | None = None,
    end: float | str | None = None,
    stream: int | None = None,
    frame_rate: float | None = None,
    sampling_frame_rate: float | None = None,
    frame_times: bool = False,
) -> tuple[np.ndarray, VideoMetadata]:
    """Read the frames of a video that `sample_indices_fn` selects. Each distinct frame is decoded once.

    Args:
        source: A video file, an animated image (GIF, PNG, WebP), a folder of frames (`*.jpg`, `*.png`, `*.webp`,
            `*.bmp`, `*.tif`), a zip archive of it, a single image of one of these types, or the `file:`, `http:` or
            `https:` address of a file. `http:` and `https:` addresses are downloaded first.
        sample_indices_fn: Called as `sample_indices_fn(metadata=...)` before decoding. The metadata hold frames per
            second only for video files. It returns frame indices from 0 to `metadata.total_num_frames - 1` in an
            array of any shape and order. Indices may repeat.
        backend: Decoder of video files: `"pyav"`, `"decord"` or `"torchcodec"`. The default is PyAV, which is exact.
            Pillow always reads images.
        frame_order: Order of the frames of a folder or archive: `"natural"` (2.png before 10.png) or `"name"`
            (10.png before 2.png). The published code sorts by name.
        start, end: The section, as in `open_frames`. `sample_indices_fn` then sees only its frames: their number is
            `total_num_frames`, and its indices count from the first of them.
        stream: Number of the video stream in a file with several, as FFmpeg counts: from 0, with the streams of sound.
            The default is the first one that is not a cover picture.
        frame_rate: Frames per second of a folder, archive or image. The default is 25.
        sampling_frame_rate: `sample_indices_fn` sees the frames that are shown so many times a second, at regular
            times, instead of all frames. The same moments of a video are read for every frame rate of the file.
        frame_times: Whether the metadata get `frame_times`, float64 (frames of the video + 1,): seconds from the first
            frame at which each frame is shown, and the end of the last one.

    Returns:
        Frames, uint8 RGB (*shape of the indices, height, width, 3), and the metadata with `frames_indices`, `height`
        and `width`. The indices and the number of frames in the metadata are those of the whole video.

    Raises:
        VideoReadError: If the file or folder is missing, empty or damaged, no decoder can read it, the frames of a
            folder or archive differ in size, a URL cannot be downloaded, the video ends before the section starts, or
            it has no such stream.
        ValueError: If a setting is impossible, the backend is not installed, or `sample_indices_fn` returns no
            indices, or indices of frames that do not exist. Errors of `sample_indices_fn` are not changed.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    check_frame_rate("frame_rate", frame_rate)
    check_frame_rate("sampling_frame_rate", sampling_frame_rate)
    check_stream_number(stream)
    source = os.fspath(source)
    sampling = Sampling(Section.of(start, end), sampling_frame_rate)
    sampler = _Sampler(source, sample_indices_fn, sampling, frame_times)
    try:
        with local_path(source) as path:
            if is_animation(path):
                refuse_stream(stream, f"'{source}'", "it is an animated image")
                frames, metadata = _read_animation(path, sampler)
            elif consists_of_images(path):
                refuse_stream(stream, f"'{source}'", "it is not a video file")
                frames, metadata = _read_images(path, sampler, frame_order, frame_rate or FRAME_RATE)
            else:
                frames, metadata = _read_video_file(path, sampler, backend, stream)
    except _SamplingError as error:
        raise error.__cause__ from None
    except OSError as error:
        raise VideoReadError(f"{source!r} cannot be read: {error}. Check that it exists and is readable.") from error
    if not isinstance(metadata, NotedMetadata):
        metadata = NotedMetadata(**metadata)
    for note in metadata.notes:
        warn_of(source, note)
    metadata.update({"frames_indices": sampler.indices, "height": frames.shape[1], "width": frames.shape[2]})
    metadata.frame_times, metadata.read_times = sampler.frame_times, None
    return frames[sampler.positions], metadata


def warn_of(video: str, note: str) -> str:
    """Log a warning once per process, and return it. `note` is a predicate whose subject is the video."""
    sentence = f"'{without_passwords(video)}' {note}"
    logger.warning_once(sentence)
    return sentence


class _SamplingError(BaseException):
    """`sample_indices_fn` failed. The cause is its error.

    It is not an `Exception`, because readers report every `Exception` as damage of the file.
    """


class _Sampler:
    """Gives readers the distinct indices of `sample_indices_fn`.

    Args:
        source: The video, for messages.
        sample_indices_fn: As for `read_video`.
        sampling: The frames that it sees.
        wants_times: Whether the times of all frames are wanted in any case.

    Attributes:
        indices (`np.ndarray`): What `sample_indices_fn` returned last, as indices of frames of the whole video.
        positions (`np.ndarray`): For each of `indices`, its position among the distinct ones. The shape is the same.
        frame_times (`np.ndarray`, *optional*): As in `NotedMetadata`.
        read_times (`Callable`, *optional*): Returns `frame_times` of videos whose metadata have no `read_times`.
    """

    def __init__(self, source: str, sample_indices_fn: Callable, sampling: Sampling, wants_times: bool):
        self.indices = self.positions = self.frame_times = self.read_times = None
        self._source = source
        self._sample_indices_fn = sample_indices_fn
        self._sampling = sampling
        self._needs_times = wants_times or sampling.needs_times

    def __call__(self, metadata: VideoMetadata, **kwargs) -> list[int]:
        """The distinct indices in ascending order."""
        try:
            if self._needs_times:
                self.frame_times = (getattr(metadata, "read_times", None) or self.read_times)()
            self.indices = sampled_indices(
                self._checked_indices, metadata, self._sampling, self.frame_times, f"'{self._source}'"
            )
        except Exception as error:
            raise _SamplingError from error
        distinct, positions = np.unique(self.indices, return_inverse=True)
        self.positions = positions.reshape(self.indices.shape)
        return distinct.tolist()

    def _checked_indices(self, metadata: VideoMetadata) -> np.ndarray:
        indices, source = np.asarray(self._sample_indices_fn(metadata=metadata)), self._source
        if indices.size == 0:
            raise ValueError(f"sample_indices_fn returns no indices for {source!r}. Return at least one.")
        if indices.dtype.kind not in "iu":
            raise ValueError(f"sample_indices_fn returns {indices.dtype} for {source!r}. Return whole numbers.")
        if indices.min() < 0 or indices.max() >= metadata.total_num_frames:
            raise ValueError(
                f"sample_indices_fn returns indices from {indices.min()} to {indices.max()} for {source!r}, which has "
                f"the frames 0 to {metadata.total_num_frames - 1}."
            )
        return indices


def sampled_indices(
    sample_indices_fn: Callable,
    metadata: VideoMetadata,
    sampling: Sampling,
    frame_times: np.ndarray | None,
    name: str,
) -> np.ndarray:
    """Indices of frames of a video that `sample_indices_fn` selects from those of `sampling`.

    Args:
        sample_indices_fn, sampling: As for `read_video`.
        metadata: Those of the whole video.
        frame_times: As in `NotedMetadata`. They may be None if `sampling` does not need them.
        name: The video, as the subject of a message.

    Raises:
        VideoReadError: If the video ends before the section starts.
    """
    if not sampling.needs_times:
        return np.asarray(sample_indices_fn(metadata=metadata))
    available = sampling.indices(frame_times, name)
    seen = replace(metadata, total_num_frames=len(available), fps=sampling.frame_rate or metadata.fps)
    return available[sample_indices_fn(metadata=seen)]


# Readers return frames, uint8 RGB (distinct indices, height, width, 3), and metadata.


def _read_animation(path: Path, sampler: _Sampler) -> tuple[np.ndarray, VideoMetadata]:
    animation = Animation(path)
    metadata = NotedMetadata(
        animation.num_frames,
        video_backend="pillow",
        notes=animation.notes,
        read_times=lambda: np.cumsum([0.0, *(seconds for seconds, _ in animation)]),
    )
    indices = sampler(metadata)
    pictures = itertools.islice(animation, indices[-1] + 1)
    return np.stack([pixels for index, (_, pixels) in enumerate(pictures) if index in indices]), metadata


def _read_images(
    path: Path, sampler: _Sampler, frame_order: str, frame_rate: float
) -> tuple[np.ndarray, VideoMetadata]:
    # Names are faster than paths of all frames, because most frames are not sampled.
    folder, names = frame_names(path, frame_order)
    metadata = NotedMetadata(
        len(names), video_backend="pillow", read_times=functools.partial(regular_times, len(names), frame_rate)
    )
    files = [folder / names[index] for index in sampler(metadata)]
    images = [read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            first, second = (f"{height} x {width}" for height, width, _ in (images[0].shape, image.shape))
            raise VideoReadError(
                f"The frames '{files[0]}' and '{file}' differ in size: {first} and {second} pixels. "
                "All frames of a video must have the same size."
            )
    return np.stack(images), metadata


def _read_video_file(
    path: Path, sampler: _Sampler, backend: str | None, stream: int | None
) -> tuple[np.ndarray, VideoMetadata]:
    refuse_playlist(path)
    name, readers = frame_readers(backend, path, stream)
    if name != "PyAV":
        sampler.read_times = functools.partial(times_by_backend, name, path)
    for read in readers:
        try:
            # Decoders take a relative path such as "pipe:0" or "a:b.mp4" for a protocol.
            return read(os.path.abspath(path), sampler)
        except VideoReadError:
            raise
        except Exception as error:  # every decoder has its own exceptions
            # Only the text is saved. The exception itself keeps a reader alive, and a forked process crashes when it
            # collects that reader.
            reason = str(error)
    raise undecodable(path, name, reason)


def undecodable(path: Path, decoder: str, reason: str) -> VideoReadError:
    """The error for a video file that a decoder cannot read."""
    return VideoReadError(
        f"'{path}' cannot be decoded as a video by {decoder} ({reason}): it is damaged, incomplete or not a video. "
        "Check that it plays, else copy, download or encode it again."
    )
