"""Reading the frames of a video file that are needed with PyAV.

Functions that read are called in the manner of `transformers.video_utils`: with a path and `sample_indices_fn`, which
is told the metadata and returns distinct indices in ascending order. They return the frames, uint8 RGB (frames,
height, width, 3), and the metadata, and raise whatever is wrong.
"""

import bisect
import itertools
from collections.abc import Callable, Iterable

import numpy as np
import torch
from transformers.video_utils import VideoMetadata


MOST_THREADS = 16  # that FFmpeg recommends

# Frames that are stepped over undecoded. Of HEVC none: frames that are marked as no reference may be one to those of a
# higher temporal layer.
UNDECODED = {"h264": "NONREF", "hevc": "DEFAULT"}


def open_with_pyav(path: str):
    """PyAV's container of a video file, for a `with` block."""
    try:
        import av  # not before it is needed: it brings a second copy of the FFmpeg libraries that decord brings
    except ImportError as error:
        raise ImportError("PyAV is not installed; install it with: pip install av") from error
    return av.open(path)


def upright_rgb(frame) -> np.ndarray:
    """Pixels of a frame of PyAV, uint8 RGB (height, width, 3), turned as a turned camera asks for."""
    # In one thread: PyAV would start some for each frame, which takes far longer than the conversion.
    return np.rot90(frame.to_ndarray(format="rgb24", threads=1), round(frame.rotation / 90))


def read_h264_or_hevc(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode no other frames of a file than those that are needed and those that these are predicted from.

    About half of the frames of a usual H.264 file are predicted from others but none from them: these need not be
    decoded to step over them. Their packets are handed to the decoder all the same, which tells them by their headers.
    Where a keyframe lies between two needed frames, what is before it is leapt over.

    Raises:
        ValueError: If the file is neither H.264 nor HEVC, or it is H.264 whose packets are not one a frame, all with a
            time of their own. Such HEVC is decoded from the beginning, as decord would return other frames of it.
    """
    with open_with_pyav(path) as container:
        stream = _video_stream(container)
        codec = stream.codec_context.name
        if codec not in UNDECODED:
            raise ValueError(f"it is {codec}, not H.264 or HEVC")
        packets = [(p.pts, p.is_keyframe, p.is_discard) for p in container.demux(stream) if p.size]
        times = sorted({time for time, _, is_discard in packets if time is not None and not is_discard})
        if not len(times) == len(packets) == (stream.frames or len(packets)):
            if codec == "hevc":
                return read_with_pyav(path, sample_indices_fn)
            raise ValueError("its packets are not one a frame")
        metadata = _metadata(stream, len(times))
        wanted = [times[index] for index in sample_indices_fn(metadata=metadata)]
        keyframes = sorted(time for time, is_keyframe, _ in packets if is_keyframe)
        frames = {}
        for start, group in itertools.groupby(wanted, lambda time: keyframes[bisect.bisect(keyframes, time) - 1]):
            frames |= _decode_wanted(container, stream, start, set(group))
        if len(frames) < len(wanted):  # not every keyframe is whole by itself where pictures are refreshed in parts
            frames = _decode_wanted(container, stream, times[0], set(wanted))
    return np.stack([frames[time] for time in wanted]), metadata


def _decode_wanted(container, stream, start: int, wanted: set[int]) -> dict[int, np.ndarray]:
    """Frames by their times, decoded from the keyframe at `start` on."""
    container.seek(start, stream=stream)
    decoder = stream.codec_context
    frames = {}
    ahead = set(wanted)
    for packet in container.demux(stream):
        decoder.skip_frame = "DEFAULT" if packet.pts in wanted else UNDECODED[decoder.name]
        _keep_wanted(packet.decode(), wanted, frames)
        ahead.discard(packet.pts)
        if not ahead:
            break
    _keep_wanted(decoder.decode(None), wanted, frames)
    return frames


def _keep_wanted(decoded: Iterable, wanted: set[int], frames: dict[int, np.ndarray]):
    frames.update((frame.pts, upright_rgb(frame)) for frame in decoded if frame.pts in wanted)


def read_with_pyav(path: str, sample_indices_fn: Callable) -> tuple[np.ndarray, VideoMetadata]:
    """Decode from the beginning, whatever FFmpeg knows."""
    # Not the reader of transformers.video_utils: that one takes containers without a frame count (Matroska, WebM,
    # MPEG-TS) for empty and leaves videos of turned cameras lying on their side.
    with open_with_pyav(path) as container:
        stream = _video_stream(container)
        metadata = _metadata(stream, stream.frames or _count_frames(path))
    indices = sample_indices_fn(metadata=metadata)
    frames = _frames_at(path, indices)
    if len(frames) < len(indices):  # headers exaggerate: AVI counts dropped frames, too, and the end may be cut off
        metadata.total_num_frames = _count_frames(path)
        frames = _frames_at(path, sample_indices_fn(metadata=metadata))
    return np.stack(frames), metadata


def _video_stream(container):
    """The first one, to be decoded in as many threads as PyTorch takes: one in a data loader's worker."""
    if not container.streams.video:
        raise ValueError("it has no video stream")
    stream = container.streams.video[0]
    decoder = stream.codec_context
    decoder.thread_count, decoder.thread_type = min(torch.get_num_threads(), MOST_THREADS), "AUTO"
    return stream


def _metadata(stream, total_num_frames: int) -> VideoMetadata:
    fps = float(stream.average_rate) if stream.average_rate else None
    return VideoMetadata(total_num_frames=total_num_frames, fps=fps, video_backend="pyav")


def _frames_at(path: str, indices: list[int]) -> list[np.ndarray]:
    frames = []
    with open_with_pyav(path) as container:
        decoded = container.decode(_video_stream(container))
        for frame in itertools.compress(decoded, np.isin(range(indices[-1] + 1), indices)):
            frames.append(upright_rgb(frame))
    return frames


def _count_frames(path: str) -> int:
    # By decoding: a stream has packets that hold no frame of their own, and cut files have broken ones.
    with open_with_pyav(path) as container:
        return sum(1 for _ in container.decode(_video_stream(container)))
