"""Reading the frames of a video that are needed: from a video file, a folder or archive of frames, an image or a URL.

Readers are opened when a video is read and never kept: they do not survive a fork, so a data loader's worker process
has to open its own.
"""

import functools
import itertools
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from transformers.utils import logging
from transformers.video_utils import VideoMetadata

from .animated_images import Animation, is_animation
from .decoder_backends import check_backend_name, frame_readers
from .frame_folders import check_frame_order, consists_of_images, frame_names
from .image_decoding import ImageContentError, decode_image
from .pyav_decoding import NotedMetadata
from .video_sources import VideoReadError, local_path, without_passwords


logger = logging.get_logger(__name__)

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv", ".avi"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".ogv", ".gif"),
)
"""By these suffixes video files are found in folders. A file that is given by its path may have any suffix."""


def read_video(
    source: str | os.PathLike,
    sample_indices_fn: Callable[[VideoMetadata], np.ndarray],
    *,
    backend: str | None = None,
    frame_order: str = "natural",
) -> tuple[np.ndarray, VideoMetadata]:
    """Read the frames of a video that `sample_indices_fn` asks for, each distinct one once.

    Args:
        source: A video file, an animated image (GIF, PNG, WebP), a folder of frames (`*.jpg`, `*.png`, `*.webp`,
            `*.bmp`, `*.tif`), a zip archive of them, a single image of one of these types, or the `file:`, `http:` or
            `https:` address of a file, which is downloaded first.
        sample_indices_fn: Called as `sample_indices_fn(metadata=...)` with what is known before decoding (frames per
            second only for video files). Returns frame indices from 0 to `metadata.total_num_frames - 1` in an
            array of any shape and order; they may repeat.
        backend: What decodes video files: `"pyav"`, `"decord"` or `"torchcodec"`; by default PyAV, which is exact.
            Images are always read with Pillow.
        frame_order: Order of the frames of a folder or archive: `"natural"` (2.png before 10.png) or `"name"`
            (10.png before 2.png, as the published code sorts).

    Returns:
        Frames, uint8 RGB (*shape of the indices, height, width, 3), and the metadata, completed by
        `frames_indices`, `height` and `width`.

    Raises:
        VideoReadError: If there is no such file or folder, it is empty or damaged, no decoder can read it, the
            frames of a folder or archive differ in size, or a URL cannot be downloaded.
        ValueError: If a setting is impossible, the backend is not installed, or `sample_indices_fn` returns no indices
            or others than those of frames. What `sample_indices_fn` raises is raised again.
    """
    check_backend_name(backend)
    check_frame_order(frame_order)
    source = os.fspath(source)
    sample_indices_fn = functools.partial(_checked_indices, source, sample_indices_fn)
    try:
        with local_path(source) as path:
            frames, metadata = _read_path(path, sample_indices_fn, backend, frame_order)
    except _SamplingError as error:
        raise error.__cause__ from None
    except OSError as error:
        raise VideoReadError(f"{source!r} cannot be read: {error}. Check that it exists and is readable.") from error
    for note in getattr(metadata, "notes", []):
        warn_of(source, note)
    return frames, metadata


class _SamplingError(Exception):
    """`sample_indices_fn` failed, and not the reader that called it. The cause is what it raised."""


def _checked_indices(source: str, sample_indices_fn: Callable, metadata: VideoMetadata) -> np.ndarray:
    try:
        indices = np.asarray(sample_indices_fn(metadata=metadata))
        total = metadata.total_num_frames
        if indices.size == 0:
            raise ValueError(f"sample_indices_fn returns no indices for {source!r}. At least one frame is read.")
        if indices.dtype.kind not in "iu":
            raise ValueError(f"sample_indices_fn returns {indices.dtype} for {source!r}. Indices are whole numbers.")
        if indices.min() < 0 or indices.max() >= total:
            raise ValueError(
                f"sample_indices_fn returns indices from {indices.min()} to {indices.max()} for {source!r}, which has "
                f"the frames 0 to {total - 1}."
            )
    except Exception as error:
        raise _SamplingError from error
    return indices


def _read_path(
    path: Path, sample_indices_fn: Callable, backend: str | None, frame_order: str
) -> tuple[np.ndarray, VideoMetadata]:
    if is_animation(path):
        return _read_animation(path, sample_indices_fn)
    if consists_of_images(path):
        return _read_images(path, sample_indices_fn, frame_order)
    return _read_video_file(path, sample_indices_fn, backend)


def warn_of(video: str, note: str) -> str:
    """Log a warning about a video, once per process.

    Args:
        video: The video, as it was given.
        note: What is to be said of it: the predicate of a sentence.

    Returns:
        The sentence.
    """
    sentence = f"'{without_passwords(video)}' {note}"
    logger.warning_once(sentence)
    return sentence


def _read_images(path: Path, sample_indices_fn: Callable, frame_order: str) -> tuple[np.ndarray, VideoMetadata]:
    # Names, because making and sorting paths of all frames, most of which are not sampled, takes its time.
    folder, names = frame_names(path, frame_order)
    metadata = VideoMetadata(total_num_frames=len(names), video_backend="pillow")
    indices = np.asarray(sample_indices_fn(metadata=metadata))
    distinct, positions = _distinct(indices)
    files = [folder / names[index] for index in distinct]
    images = [read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise VideoReadError(
                f"The frames '{files[0]}' and '{file}' differ in size: {_size(images[0])} and {_size(image)} "
                "pixels. All frames of a video must have the same size."
            )
    metadata.update({"frames_indices": indices, "height": images[0].shape[0], "width": images[0].shape[1]})
    frames = np.stack([images[position] for position in positions.flat])
    return frames.reshape(*indices.shape, *images[0].shape), metadata


def read_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels of an image file, uint8 RGB (height, width, 3).

    Raises:
        VideoReadError: If it is damaged, not an image, or an image that is no frame.
    """
    if not file.is_file():
        raise VideoReadError(f"'{file}' is not a file but a folder, a pipe or a device. Replace or remove it.")
    try:
        return decode_image(file)
    except ImageContentError as error:
        raise VideoReadError(f"'{file}' cannot be read as a frame: {error}") from error
    except Exception as error:  # Pillow raises OSError, SyntaxError and more, depending on where a file is damaged
        raise VideoReadError(
            f"'{file}' cannot be decoded as an image: it is damaged or not an image. Replace or remove it."
        ) from error


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"


def _distinct(indices: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The distinct indices in ascending order, and where in that list each of `indices` is, in their shape."""
    distinct, positions = np.unique(indices, return_inverse=True)
    return distinct.tolist(), positions.reshape(indices.shape)


def _read_animation(path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    try:
        return _decode(_decode_animation, path, sample_indices_fn)
    except _SamplingError:
        raise
    except Exception as error:  # as for a single image
        raise damaged_animation(path, error) from error


def _decode_animation(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    animation = Animation(Path(path))
    metadata = NotedMetadata(animation.num_frames, video_backend="pillow", notes=animation.notes)
    indices = sample_indices_fn(metadata=metadata)
    pictures = itertools.islice(animation, indices[-1] + 1)
    return np.stack([pixels for index, (_, pixels) in enumerate(pictures) if index in indices]), metadata


def damaged_animation(path: Path, error: Exception) -> VideoReadError:
    """What to raise when the pictures of an animated image cannot be decoded."""
    return VideoReadError(
        f"'{path}' cannot be decoded as an animated image ({error}): it is damaged or incomplete. Check that it "
        "plays, else copy or download it again."
    )


def _read_video_file(path: Path, sample_indices_fn: Callable, backend: str | None) -> tuple[np.ndarray, VideoMetadata]:
    tried = []
    for name, read in frame_readers(backend, path):
        tried.append(name)
        try:
            return _decode(read, path, sample_indices_fn)
        except _SamplingError:
            raise
        except Exception as error:  # every decoder has its own exceptions; the next may be able to read the file
            # Not the exception itself: its traceback keeps a reader alive, and a process forked meanwhile crashes when
            # it collects that.
            reason = str(error)
    raise VideoReadError(
        f"'{path}' cannot be decoded as a video by {', '.join(dict.fromkeys(tried))} ({reason}): it is damaged, "
        "incomplete or not a video. Check that it plays, else copy, download or encode it again."
    )


def _decode(read: Callable, path: Path, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Call a reader in the manner of `transformers.video_utils`, asking for every frame once."""
    indices = positions = None

    def distinct_indices(metadata: VideoMetadata, **kwargs) -> list[int]:
        nonlocal indices, positions
        indices = np.asarray(sample_indices_fn(metadata=metadata))
        distinct, positions = _distinct(indices)
        return distinct

    # Decoders take a relative path such as "pipe:0" or "a:b.mp4" for a protocol.
    frames, metadata = read(os.path.abspath(path), distinct_indices)
    metadata.update({"frames_indices": indices, "height": frames.shape[1], "width": frames.shape[2]})
    return frames[positions], metadata
