"""Checks uploads, and deletes them after the answer."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ...image_processing.decoding.pyav_decoding import open_with_pyav
from ...image_processing.decoding.video_sources import VideoReadError, check_file
from ...image_processing.decoding.video_streams import video_stream
from ...messages import first_line
from .visitors import NotAnsweredError, Visitors


CONTAINERS = {"asf", "avi", "flv", "matroska", "mov", "mp4", "mpeg", "mpegts", "ogg", "webm"}
"""Accepted containers, as FFmpeg names them. Playlists and lists of files are excluded, because they would make the
decoder open other files or addresses."""

MEGABYTE = 1024 * 1024  # bytes
MAX_FRAME_RATE = 250  # frames per second, above the slow motion of phones

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UploadLimits:
    """
    Args:
        max_megabytes (`float`): Largest file, in units of 1024 x 1024 bytes, as Gradio counts.
        max_seconds (`float`): Longest video.
        max_megapixels (`float`): Largest picture of a video, in millions of pixels.
        max_total_megabytes (`float`, *optional*): Space of all uploads that have no answer yet. The default is that
            of 20 of the largest files.
    """

    max_megabytes: float = 100.0
    max_seconds: float = 60.0
    max_megapixels: float = 9.0
    max_total_megabytes: float | None = None

    @property
    def total_megabytes(self) -> float:
        """`max_total_megabytes`, or its default."""
        return 20 * self.max_megabytes if self.max_total_megabytes is None else self.max_total_megabytes

    def check(self, path: str | os.PathLike):
        """Check a file.

        Raises:
            ValueError: If the file is too large, too long or not a video, or has too many frames or too large ones.
                The message has the name of the file.
        """
        path = Path(path)
        check_file(path)
        megabytes = path.stat().st_size / MEGABYTE
        if megabytes > self.max_megabytes:
            raise ValueError(
                f"'{path.name}' has {megabytes:.3g} MB, more than the {self.max_megabytes:g} MB that are accepted "
                "here. Cut or shrink the video."
            )
        most_frames = int(self.max_seconds * MAX_FRAME_RATE)
        size = measure(path, most_frames)
        megapixels = size.width * size.height / 1e6
        if megapixels > self.max_megapixels:
            raise ValueError(
                f"'{path.name}' has pictures of {size.width} x {size.height} pixels, more than the "
                f"{self.max_megapixels:g} million pixels that are accepted here. Shrink the video."
            )
        seconds = size.seconds
        if seconds > self.max_seconds:
            at_least = "at least " if size.num_frames > most_frames else ""
            raise ValueError(
                f"'{path.name}' is {at_least}{seconds:.1f} seconds long, more than the {self.max_seconds:g} seconds "
                "that are accepted here. Cut the video."
            )
        if size.num_frames > most_frames:
            raise ValueError(
                f"'{path.name}' has more than the {most_frames} frames that are accepted here. Cut the video, "
                "or lower its frame rate."
            )


class VideoSize(NamedTuple):
    """The size of a video: seconds, pixels of a picture, and frames."""

    seconds: float
    width: int
    height: int
    num_frames: int


def measure(path: Path, most_frames: int) -> VideoSize:
    """Measure a video file without decoding. Its length is that of the timestamps of all packets.

    Headers may be wrong, and headers of webcam recordings have no length. Reading ends after `most_frames` and one
    more frame, because a small file may have millions.

    Raises:
        VideoReadError: If the file is not a video or is damaged.
    """
    try:
        with open_with_pyav(str(path)) as container:
            if not CONTAINERS & set(container.format.name.split(",")):
                raise ValueError("it has no moving pictures")
            stream = video_stream(container)
            rate, time_base = stream.average_rate, stream.time_base  # PyAV 19 needs the open file
            width, height = stream.codec_context.width, stream.codec_context.height
            frames = (packet for packet in container.demux(stream) if packet.size)
            packets = [(packet.pts, packet.duration or 0) for packet in islice(frames, most_frames + 1)]
    except Exception as error:  # PyAV has an exception for every error number of FFmpeg
        raise VideoReadError(
            f"'{path.name}' is not a video, or is damaged. Check that it plays, else record or encode it again."
        ) from error
    by_count = len(packets) / float(rate) if rate else 0.0
    timed = [(pts, pts + duration) for pts, duration in packets if pts is not None]
    by_times = float((max(end for _, end in timed) - min(start for start, _ in timed)) * time_base) if timed else 0.0
    return VideoSize(max(by_times, by_count), width, height, len(packets))


@contextlib.contextmanager
def deleted_after_answer(upload: str | None, visitors: Visitors | None = None) -> Iterator[None]:
    """Delete an upload at the end of the `with` block that answers it, and its folder if that is then empty.

    Args:
        upload: Path of the file. None if nothing was uploaded.
        visitors: Knows whether others sent the same file and wait for an answer. Then it is not deleted yet.

    Raises:
        NotAnsweredError: If there is no upload, or the block raised an error.
    """
    if upload is None:
        raise NotAnsweredError("Choose a video first, or record one.")
    try:
        yield
    except NotAnsweredError:
        raise
    except Exception as error:  # the user of the page needs a message for every error
        if not isinstance(error, (ValueError, OSError)):
            logger.exception("An upload was not answered.")
        raise NotAnsweredError(first_line(error).replace(upload, os.path.basename(upload))) from error
    finally:
        if visitors is None or visitors.answered(upload):
            Path(upload).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder may hold another upload
                Path(upload).parent.rmdir()
