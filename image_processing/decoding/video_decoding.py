"""Reading single frames of a video: of a video file, a folder or archive of frames, an image or a URL.

Readers are opened for each call and closed after it. They do not survive a fork, so each worker process of a data
loader must open its own.
"""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from transformers.utils import logging
from transformers.video_utils import VideoMetadata

from .animated_images import Animation, is_animation
from .decoder_backends import check_backend_name, frame_readers
from .frame_folders import check_frame_order, consists_of_images, frame_names
from .image_decoding import read_image
from .pyav_decoding import NotedMetadata
from .video_sources import VideoReadError, local_path, without_passwords


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

    Returns:
        Frames, uint8 RGB (*shape of the indices, height, width, 3), and the metadata with `frames_indices`, `height`
        and `width`.

    Raises:
        VideoReadError: If the file or folder is missing, empty or damaged, no decoder can read it, the frames of a
            folder or archive differ in size, or a URL cannot be downloaded.
        ValueError: If a setting is impossible, the backend is not installed, or `sample_indices_fn` returns no
            indices, or indices of frames that do not exist. Errors of `sample_indices_fn` are not changed.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    source = os.fspath(source)
    sampler = _Sampler(source, sample_indices_fn)
    try:
        with local_path(source) as path:
            if is_animation(path):
                frames, metadata = _read_animation(path, sampler)
            elif consists_of_images(path):
                frames, metadata = _read_images(path, sampler, frame_order)
            else:
                frames, metadata = _read_video_file(path, sampler, backend)
    except _SamplingError as error:
        raise error.__cause__ from None
    except OSError as error:
        raise VideoReadError(f"{source!r} cannot be read: {error}. Check that it exists and is readable.") from error
    for note in getattr(metadata, "notes", []):
        warn_of(source, note)
    metadata.update({"frames_indices": sampler.indices, "height": frames.shape[1], "width": frames.shape[2]})
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

    Attributes:
        indices (`np.ndarray`): What `sample_indices_fn` returned last.
        positions (`np.ndarray`): For each of `indices`, its position among the distinct ones. The shape is the same.
    """

    def __init__(self, source: str, sample_indices_fn: Callable):
        self.indices = self.positions = None
        self._source = source
        self._sample_indices_fn = sample_indices_fn

    def __call__(self, metadata: VideoMetadata, **kwargs) -> list[int]:
        """The distinct indices in ascending order."""
        try:
            self.indices = np.asarray(self._sample_indices_fn(metadata=metadata))
            self._check(metadata.total_num_frames)
        except Exception as error:
            raise _SamplingError from error
        distinct, positions = np.unique(self.indices, return_inverse=True)
        self.positions = positions.reshape(self.indices.shape)
        return distinct.tolist()

    def _check(self, total_num_frames: int):
        indices, source = self.indices, self._source
        if indices.size == 0:
            raise ValueError(f"sample_indices_fn returns no indices for {source!r}. Return at least one.")
        if indices.dtype.kind not in "iu":
            raise ValueError(f"sample_indices_fn returns {indices.dtype} for {source!r}. Return whole numbers.")
        if indices.min() < 0 or indices.max() >= total_num_frames:
            raise ValueError(
                f"sample_indices_fn returns indices from {indices.min()} to {indices.max()} for {source!r}, which has "
                f"the frames 0 to {total_num_frames - 1}."
            )


# Readers return frames, uint8 RGB (distinct indices, height, width, 3), and metadata.


def _read_animation(path: Path, sampler: _Sampler) -> tuple[np.ndarray, VideoMetadata]:
    animation = Animation(path)
    metadata = NotedMetadata(animation.num_frames, video_backend="pillow", notes=animation.notes)
    indices = sampler(metadata)
    pictures = itertools.islice(animation, indices[-1] + 1)
    return np.stack([pixels for index, (_, pixels) in enumerate(pictures) if index in indices]), metadata


def _read_images(path: Path, sampler: _Sampler, frame_order: str) -> tuple[np.ndarray, VideoMetadata]:
    # Names are faster than paths of all frames, because most frames are not sampled.
    folder, names = frame_names(path, frame_order)
    metadata = VideoMetadata(total_num_frames=len(names), video_backend="pillow")
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


def _read_video_file(path: Path, sampler: _Sampler, backend: str | None) -> tuple[np.ndarray, VideoMetadata]:
    name, readers = frame_readers(backend, path)
    for read in readers:
        try:
            # Decoders take a relative path such as "pipe:0" or "a:b.mp4" for a protocol.
            return read(os.path.abspath(path), sampler)
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
