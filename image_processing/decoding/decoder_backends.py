"""The package that decodes video files: PyAV, decord or TorchCodec.

PyAV is the default because it is exact. decord and TorchCodec are used on request, and where PyAV is not installed.
They do less than `FrameConverter`: they ignore mirrored and non-square pixels, interlacing, transparency and high
dynamic range. decord also returns wrong frames of files whose frame times it misreads, such as AVI, MPEG-TS and WMV.
"""

import functools
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from transformers.utils import is_av_available, is_decord_available, is_torchcodec_available, logging
from transformers.video_utils import VIDEO_DECODERS, VideoMetadata

from .pyav_decoding import read_by_packets, read_from_beginning
from .video_streams import refuse_stream


BACKENDS = ("pyav", "decord", "torchcodec")
"""The names that `transformers.video_utils` uses."""

# Without PyAV, decord reads only these containers. In others it may return a frame that is dozens of frames off
# (measured with decord 0.6.0).
DECORD_SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".flv")

logger = logging.get_logger(__name__)


def check_backend_name(backend: str | None):
    """
    Raises:
        ValueError: If it is neither None nor one of `BACKENDS`.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} must be {', '.join(map(repr, BACKENDS[:-1]))} or {BACKENDS[-1]!r}.")


def chosen_backend(backend: str | None, path: Path | None = None) -> str:
    """The backend that reads a video file: the given one, by default PyAV, or a substitute if PyAV is not installed.

    Args:
        backend: One of `BACKENDS`, or None for the default.
        path: The file. It matters only if PyAV is not installed.

    Raises:
        ValueError: If the backend is unknown, or its package is not installed or cannot be loaded.
    """
    check_backend_name(backend)
    if backend is None:
        return _default_backend(path)
    package = "av" if backend == "pyav" else backend
    try:
        importlib.import_module(package)
    except Exception as error:  # TorchCodec raises RuntimeError without the libraries of FFmpeg
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise ValueError(
                f"The backend {backend!r} is not installed. Install it with `pip install {package}`, or leave the "
                "backend out to read with PyAV."
            ) from error
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ValueError(
            f"The package {package!r} is installed, but cannot be loaded ({reason}). Install its requirements "
            "(TorchCodec needs the libraries of FFmpeg), or leave the backend out to read with PyAV."
        ) from error
    return backend


def _default_backend(path: Path | None) -> str:
    if is_av_available():
        return "pyav"
    can_use_decord = path is not None and path.suffix.lower() in DECORD_SUFFIXES and is_decord_available()
    for backend, can_use in (("decord", can_use_decord), ("torchcodec", is_torchcodec_available())):
        if can_use:
            logger.warning_once(
                f"PyAV is not installed, so {backend} reads videos. It may return other frames, and it does not turn "
                "every picture upright. Install PyAV with: pip install av"
            )
            return backend
    return "pyav"  # its reader says how to install it


def frame_readers(backend: str | None, path: Path, stream: int | None = None) -> tuple[str, list[Callable]]:
    """The name of the decoder of a file, and its functions that read single frames. Try them in order.

    The functions have the interface of `transformers.video_utils`. The number of the stream is that of `video_stream`.

    Raises:
        ValueError: As in `chosen_backend`.
        VideoReadError: If a stream is given that the backend cannot choose.
    """
    backend = chosen_backend(backend, path)
    if backend == "pyav":
        readers = [read_by_packets, read_from_beginning]
        if stream is not None:
            readers = [functools.partial(read, stream_number=stream) for read in readers]
        return "PyAV", readers
    refuse_stream(stream, f"'{path}'", f"{backend} reads it. Only PyAV reads another stream")
    return backend, [VIDEO_DECODERS["decord"] if backend == "decord" else _read_with_torchcodec]


def times_by_backend(backend: str, path: Path) -> np.ndarray:
    """Times of all frames of a file that `"decord"` or `"torchcodec"` reads. TorchCodec decodes it for this.

    Returns:
        float64 (frames + 1,): seconds from the first frame, in ascending order. The last number is the end of the last
        frame.
    """
    if backend == "decord":
        reader = _decord_reader(path, num_threads=0)
        spans = reader.get_frame_timestamp(range(len(reader))).astype(np.float64)  # starts and ends
        times = np.append(spans[:, 0], spans[-1, 1]) - spans[0, 0]
    else:
        frame_rate, _, frames = open_with_backend(backend, path, num_threads=0)
        times = [time for time, _ in frames]
        times = [*times, times[-1] + 1 / frame_rate]
    return np.maximum.accumulate(times)


def _decord_reader(path: Path, num_threads: int):
    decord = importlib.import_module("decord")
    return decord.VideoReader(os.path.abspath(path), ctx=decord.cpu(0), num_threads=num_threads)


def _read_with_torchcodec(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    frames, metadata = VIDEO_DECODERS["torchcodec"](path, sample_indices_fn)
    return frames.permute(0, 2, 3, 1).numpy(), metadata


def open_with_backend(
    backend: str, path: Path, num_threads: int
) -> tuple[float, int, Iterator[tuple[float, np.ndarray]]]:
    """Open a file with `"decord"` or `"torchcodec"` to read all frames.

    Returns:
        Frames per second on average, the number of frames, and an iterator. For each frame, it gives the seconds
        since the first frame, and the pixels, uint8 RGB (height, width, 3). The backend raises its own errors.
    """
    if backend == "decord":
        reader = _decord_reader(path, num_threads)
        times = reader.get_frame_timestamp(range(len(reader)))[:, 0]
        frames = ((float(time - times[0]), reader[index].asnumpy()) for index, time in enumerate(times))
        return float(reader.get_avg_fps()), len(reader), frames
    decoders = importlib.import_module("torchcodec.decoders")
    decoder = decoders.VideoDecoder(os.path.abspath(path), seek_mode="exact", num_ffmpeg_threads=num_threads)
    begin, count = decoder.get_frame_at(0).pts_seconds, decoder.metadata.num_frames
    decoded = map(decoder.get_frame_at, range(count))
    frames = ((frame.pts_seconds - begin, frame.data.permute(1, 2, 0).numpy()) for frame in decoded)
    return float(decoder.metadata.average_fps), count, frames
