"""Which package decodes video files: PyAV, decord or TorchCodec.

PyAV is the default because it is exact. decord and TorchCodec serve where they are asked for, and where PyAV is not
installed. They leave out what `FrameConverter` does: they know neither mirrored nor non-square pixels, nor interlaced
frames, transparency and high dynamic range. decord also returns other frames than those it was asked for in files
whose frame times it does not understand, such as AVI, MPEG-TS and WMV.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from transformers.utils import is_av_available, is_decord_available, is_torchcodec_available, logging
from transformers.video_utils import VIDEO_DECODERS, VideoMetadata

from .pyav_decoding import read_by_packets, read_with_pyav


BACKENDS = ("pyav", "decord", "torchcodec")
"""The words that `transformers.video_utils` uses."""

# Without PyAV, decord reads only these containers. It mostly finds the frame that it is asked for there. In others it
# may return a frame that is dozens of frames off (measured: decord 0.6.0).
DECORD_SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv")

PACKAGES = {"pyav": "av", "decord": "decord", "torchcodec": "torchcodec"}

logger = logging.get_logger(__name__)


def check_backend_name(backend: str | None):
    """
    Raises:
        ValueError: If it is neither None nor one of `BACKENDS`.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} must be {', '.join(map(repr, BACKENDS[:-1]))} or {BACKENDS[-1]!r}.")


def chosen_backend(backend: str | None, path: Path | None = None) -> str:
    """The backend that reads a video file: the given one, or PyAV, or what is installed instead of PyAV.

    Args:
        backend: One of `BACKENDS`, or None for the default.
        path: The file. It matters only where PyAV is not installed.

    Raises:
        ValueError: If the backend is unknown, or its package is not installed or cannot be loaded.
    """
    check_backend_name(backend)
    if backend is None:
        return _default_backend(path)
    package = PACKAGES[backend]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise _unloadable(package, error) from error
        raise ValueError(
            f"The backend {backend!r} is not installed. Install it with `pip install {package}`, or leave the "
            "backend out to read with PyAV."
        ) from error
    except Exception as error:  # TorchCodec raises RuntimeError without the libraries of FFmpeg
        raise _unloadable(package, error) from error
    return backend


def _unloadable(package: str, error: Exception) -> ValueError:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    return ValueError(
        f"The package {package!r} is installed, but cannot be loaded ({reason}). Install what it needs (TorchCodec "
        "needs the libraries of FFmpeg), or leave the backend out to read with PyAV."
    )


def _default_backend(path: Path | None) -> str:
    if is_av_available():
        return "pyav"
    decord_is_right = path is not None and path.suffix.lower() in DECORD_SUFFIXES and is_decord_available()
    for backend, is_right in (("decord", decord_is_right), ("torchcodec", is_torchcodec_available())):
        if is_right:
            logger.warning_once(
                f"PyAV is not installed, so {backend} reads videos. It may return other frames, and it does not turn "
                "every picture upright. Install PyAV with: pip install av"
            )
            return backend
    return "pyav"  # whose reader says how to install it


# Single frames


def frame_readers(backend: str | None, path: Path) -> list[tuple[str, Callable]]:
    """Names and functions that read single frames of a file, in the manner of `transformers.video_utils`.

    A function is to be tried when those before it have failed.

    Raises:
        ValueError: As `chosen_backend`.
    """
    backend = chosen_backend(backend, path)
    if backend == "pyav":
        return [("PyAV", read_by_packets), ("PyAV", read_with_pyav)]
    return [(backend, VIDEO_DECODERS["decord"] if backend == "decord" else _read_with_torchcodec)]


def _read_with_torchcodec(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    frames, metadata = VIDEO_DECODERS["torchcodec"](path, sample_indices_fn)
    return frames.permute(0, 2, 3, 1).numpy(), metadata


# All frames, one after another


class OpenVideo(NamedTuple):
    """A video file that decord or TorchCodec has opened.

    Attributes:
        frames: The seconds at which each frame is shown, and a function that returns its pixels, uint8 RGB (height,
            width, 3).
        frame_rate: Frames per second, on average.
        num_frames: How many frames there are.
    """

    frames: Iterator[tuple[float, Callable[[], np.ndarray]]]
    frame_rate: float
    num_frames: int


def open_with_backend(backend: str, path: Path, num_threads: int = 0) -> OpenVideo:
    """Open a file with `"decord"` or `"torchcodec"`; both raise whatever is wrong with it."""
    return _open_with_decord(path, num_threads) if backend == "decord" else _open_with_torchcodec(path, num_threads)


def _open_with_decord(path: Path, num_threads: int) -> OpenVideo:
    decord = importlib.import_module("decord")
    reader = decord.VideoReader(os.path.abspath(path), ctx=decord.cpu(0), num_threads=num_threads)
    times = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    frames = (
        (float(time - times[0]), lambda index=index: reader[index].asnumpy()) for index, time in enumerate(times)
    )
    return OpenVideo(frames, float(reader.get_avg_fps()), len(reader))


def _open_with_torchcodec(path: Path, num_threads: int) -> OpenVideo:
    decoders = importlib.import_module("torchcodec.decoders")
    decoder = decoders.VideoDecoder(os.path.abspath(path), seek_mode="exact", num_ffmpeg_threads=num_threads)
    count = decoder.metadata.num_frames
    begin = decoder.get_frame_at(0).pts_seconds

    def frames():
        for index in range(count):
            frame = decoder.get_frame_at(index)
            yield frame.pts_seconds - begin, lambda data=frame.data: data.permute(1, 2, 0).numpy()

    return OpenVideo(frames(), float(decoder.metadata.average_fps), count)
