"""Checks uploads, and deletes them after the answer."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...image_processing.decoding.pyav_decoding import open_with_pyav
from ...image_processing.decoding.video_sources import VideoReadError, check_file
from ...image_processing.decoding.video_streams import video_stream
from ...messages import first_line


CONTAINERS = {"asf", "avi", "flv", "matroska", "mov", "mp4", "mpeg", "mpegts", "ogg", "webm"}
"""Accepted containers, as FFmpeg names them. Playlists and lists of files are excluded, because they would make the
decoder open other files or addresses."""

MEGABYTE = 1024 * 1024  # bytes

logger = logging.getLogger(__name__)


class NotAnsweredError(Exception):
    """An upload has no answer. The message says why, in a sentence for the user of the page."""


@dataclass(frozen=True)
class UploadLimits:
    """
    Args:
        max_megabytes (`float`): Largest file, in units of 1024 x 1024 bytes, as Gradio counts.
        max_seconds (`float`): Longest video.
    """

    max_megabytes: float = 100.0
    max_seconds: float = 60.0

    def check(self, path: str | os.PathLike):
        """Check a file.

        Raises:
            ValueError: If the file is too large, too long or not a video. The message has the name of the file.
        """
        path = Path(path)
        check_file(path)
        megabytes = path.stat().st_size / MEGABYTE
        if megabytes > self.max_megabytes:
            raise ValueError(
                f"'{path.name}' has {megabytes:.3g} MB, more than the {self.max_megabytes:g} MB that are accepted "
                "here. Cut or shrink the video."
            )
        seconds = measure_seconds(path)
        if seconds > self.max_seconds:
            raise ValueError(
                f"'{path.name}' is {seconds:.1f} seconds long, more than the {self.max_seconds:g} seconds that are "
                "accepted here. Cut the video."
            )


def measure_seconds(path: Path) -> float:
    """The length of a video file, from the timestamps of all packets, without decoding.

    Headers may be wrong, and headers of webcam recordings have no length.

    Raises:
        VideoReadError: If the file is not a video or is damaged.
    """
    try:
        with open_with_pyav(str(path)) as container:
            if not CONTAINERS & set(container.format.name.split(",")):
                raise ValueError("it has no moving pictures")
            stream = video_stream(container)
            rate, time_base = stream.average_rate, stream.time_base  # PyAV 19 needs the open file
            packets = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.size]
    except Exception as error:  # PyAV has an exception for every error number of FFmpeg
        raise VideoReadError(
            f"'{path.name}' is not a video, or is damaged. Check that it plays, else record or encode it again."
        ) from error
    by_count = len(packets) / float(rate) if rate else 0.0
    timed = [(pts, pts + duration) for pts, duration in packets if pts is not None]
    if not timed:
        return by_count
    starts, ends = zip(*timed, strict=True)
    return max(float((max(ends) - min(starts)) * time_base), by_count)


@contextlib.contextmanager
def deleted_after_answer(upload: str | None) -> Iterator[None]:
    """Delete an upload at the end of the `with` block that answers it, and its folder if that is then empty.

    Args:
        upload: Path of the file. None if nothing was uploaded.

    Raises:
        NotAnsweredError: If there is no upload, or the block raised an error.
    """
    if upload is None:
        raise NotAnsweredError("Choose a video first, or record one.")
    try:
        yield
    except Exception as error:  # the user of the page needs a message for every error
        if not isinstance(error, (ValueError, OSError)):
            logger.exception("An upload was not answered.")
        raise NotAnsweredError(first_line(error).replace(upload, os.path.basename(upload))) from error
    finally:
        Path(upload).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder may hold another upload
            Path(upload).parent.rmdir()
