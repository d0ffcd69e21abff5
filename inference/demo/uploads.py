"""What somebody may upload, and that it is deleted when it was answered."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...image_processing.decoding.pyav_decoding import open_with_pyav, video_stream
from ...image_processing.decoding.video_sources import VideoReadError, check_file
from ...messages import first_line


CONTAINERS = {"asf", "avi", "flv", "matroska", "mov", "mp4", "mpeg", "mpegts", "ogg", "webm"}
"""FFmpeg's names of the containers that are accepted. Playlists and lists of files are not among them: those would
make the decoder open other files, or addresses, on behalf of whoever uploads them."""

MEGABYTE = 1024 * 1024  # bytes

logger = logging.getLogger(__name__)


class NotAnsweredError(Exception):
    """An upload has no answer. The message says why, in a sentence for whoever uploaded it."""


@dataclass(frozen=True)
class UploadLimits:
    """
    Args:
        max_megabytes (`float`): Size of a file, in units of 1024 x 1024 bytes, as Gradio counts.
        max_seconds (`float`): Length of a video.
    """

    max_megabytes: float = 100.0
    max_seconds: float = 60.0

    def check(self, path: str | os.PathLike):
        """Refuse what is too large, too long or not a video.

        Raises:
            ValueError: If it is; the message is a sentence with the file's name.
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
    """The length of a video file, from the timestamps of all its packets: headers lie, and those of webcams'
    recordings do not tell. Nothing is decoded.

    Raises:
        VideoReadError: If the file is not a video, or damaged.
    """
    try:
        with open_with_pyav(str(path)) as container:
            if not CONTAINERS & set(container.format.name.split(",")):
                raise ValueError("it has no moving pictures")
            stream = video_stream(container)
            rate, time_base = stream.average_rate, stream.time_base  # PyAV 19 does not tell after the file is closed
            packets = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.size]
    except Exception as error:  # PyAV has an exception for every error number of FFmpeg
        raise VideoReadError(
            f"'{path.name}' is not a video, or is damaged. Check that it plays, else record or encode it again."
        ) from error
    begins = [begin for begin, _ in packets if begin is not None]
    by_count = len(packets) / float(rate) if rate else 0.0
    if not begins:
        return by_count
    end = max(begin + duration for begin, duration in packets if begin is not None)
    return max(float((end - min(begins)) * time_base), by_count)


@contextlib.contextmanager
def forgetting(upload: str | None) -> Iterator[None]:
    """Within it an upload is answered; after it the uploaded file is deleted, and its folder if it is empty then.

    Args:
        upload: Its path, none if nothing was uploaded.

    Raises:
        NotAnsweredError: If there is no upload, or whatever goes wrong within.
    """
    if upload is None:
        raise NotAnsweredError("Choose a video first, or record one.")
    try:
        yield
    except Exception as error:  # whatever is wrong with somebody's video, they are owed a sentence
        if not isinstance(error, (ValueError, OSError)):
            logger.exception("An upload was not answered.")
        raise NotAnsweredError(first_line(error).replace(upload, os.path.basename(upload))) from error
    finally:
        Path(upload).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another upload may be in it
            Path(upload).parent.rmdir()
