"""The video streams of a file, and the choice of one."""

from .video_sources import VideoReadError


ATTACHED_PICTURE = 1024  # FFmpeg's flag of a stream that is a cover picture


def video_stream(container, number: int | None = None):
    """A video stream of a container of PyAV.

    Args:
        container: The open file.
        number: The number of the stream in the file, as FFmpeg and `ffprobe` count: from 0, with the streams of sound.
            None means the first video stream that is not a cover picture.

    Raises:
        VideoReadError: If no video stream has this number.
        ValueError: If the file has no video stream but cover pictures.
    """
    streams = container.streams.video
    if number is None:
        for stream in streams:
            if not _is_cover(stream):
                return stream
        raise ValueError("it has no video stream")
    for stream in streams:
        if stream.index == number:
            return stream
    raise VideoReadError(
        f"'{container.name}' has no video stream {number}. Its video streams: {_listed(streams) or 'none'}. Give one "
        "of these numbers, or none."
    )


def streams_note(stream) -> str | None:
    """Says which stream is read, if the file has several: a predicate whose subject is the file."""
    streams = stream.container.streams.video
    if len(streams) < 2:
        return None
    return (
        f"has several video streams: {_listed(streams)}. Stream {stream.index} is read. Choose another one with "
        "--stream N, in Python with stream=N."
    )


def check_stream_number(number: int | None):
    """
    Raises:
        ValueError: If it is neither None nor a whole number of at least 0.
    """
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise ValueError(f"stream={number!r} must be the number of a stream in the file, a whole number from 0.")


def refuse_stream(number: int | None, name: str, reason: str):
    """Refuse a number of a stream for a video that has no choice of streams.

    Raises:
        VideoReadError: If a number is given.
    """
    if number is not None:
        raise VideoReadError(f"{name} has no stream {number} to choose, because {reason}. Leave out the stream.")


def _is_cover(stream) -> bool:
    # PyAV 17.0 has a `Flag` here, which does not combine with a number.
    return bool(getattr(stream.disposition, "value", stream.disposition) & ATTACHED_PICTURE)


def _listed(streams) -> str:
    return ", ".join(map(_described, streams))


def _described(stream) -> str:
    codec = stream.codec_context
    kind = "unknown codec" if codec is None else f"{codec.name}, {codec.width} x {codec.height}"
    return f"{stream.index} ({kind}{', a cover picture' if _is_cover(stream) else ''})"
