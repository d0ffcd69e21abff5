"""Encodes a video for a shard: a copy of the file, or smaller frames as H.264."""

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

from ....image_processing import VideoReadError, open_frames
from ....image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX, consists_of_images, frame_files
from ....image_processing.decoding.local_videos import format_suffix, local_video
from ...data.data_check import read_all_frames, read_first_and_last_frame
from ...data.video_rows import RowVideo


REENCODED_SUFFIX = ".mp4"
UNKNOWN_SUFFIX = ".video"  # for names without a known suffix; PyAV detects the format from the content

# The loss is not visible. Every 16th frame is a key frame, because decoding starts from the last key frame. With
# several threads, bytes depend on the machine, also in the decoder for damaged videos. With x264's macroblock tree,
# they differ even on one machine: 3 of 100 files of 224 x 224 did so with AVX-512 (x264 165).
ENCODING = {"crf": "18", "g": "16", "threads": "1", "mbtree": "0"}
PIXEL_FORMAT = "yuv420p"


def encode_video(video: RowVideo, size: int | None, frame_order: str = "natural") -> tuple[str, bytes]:
    """Convert a video to one file. The same video always gives the same bytes.

    With `size`, every video becomes an H.264 file. Without `size`, files are copied, and the images of a folder go
    into a zip archive. The archive is not compressed, so a reader decodes only the frames that it needs.

    Args:
        video: The video of a row.
        size: A longer shorter side is reduced to this many pixels.
        frame_order: With `size`, the order of the frames of a folder, as for `read_video`. An archive has the original
            names, and its reader decides the order.

    Returns:
        The suffix of the format in lower case, and the bytes.

    Raises:
        VideoReadError: If the video cannot be read. Without `size`, only the first and the last frame of a video file
            are read. Training finds damage between them.
    """
    with local_video(video) as path:
        if size is not None:
            return REENCODED_SUFFIX, _reencoded(path, size, frame_order)
        file = Path(path)
        if consists_of_images(file):
            read_all_frames(str(file))
        else:
            read_first_and_last_frame(file)
        try:
            if file.is_dir():
                return FRAME_ARCHIVE_SUFFIX, _archived(file)
            return format_suffix(file.name) or UNKNOWN_SUFFIX, file.read_bytes()
        except OSError as error:
            raise VideoReadError(f"'{path}' cannot be read: {error}.") from error


def _archived(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in frame_files(folder):
            entry = zipfile.ZipInfo(file.name)  # its date is always 1980, so that the bytes do not change
            archive.writestr(entry, file.read_bytes())
    return content.getvalue()


def _reencoded(path: str, size: int, frame_order: str) -> bytes:
    content = io.BytesIO()
    stream = None
    with (
        open_frames(path, num_threads=1, frame_order=frame_order) as frames,
        av.open(content, "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        for frame in frames:
            if stream is None:
                rate = Fraction(frames.frame_rate).limit_denominator(1001)
                stream = container.add_stream("libx264", rate=rate, options=ENCODING)
                stream.height, stream.width = _scaled(*frame.image.shape[:2], size)
                stream.pix_fmt = PIXEL_FORMAT
            picture = Image.fromarray(frame.image).resize((stream.width, stream.height), Image.Resampling.BILINEAR)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return content.getvalue()


def _scaled(height: int, width: int, size: int) -> tuple[int, int]:
    """Scale height and width so that the shorter one is at most `size`. Both are even, because chroma is 2 x 2."""
    scale = min(size / min(height, width), 1)
    return max(round(height * scale / 2), 1) * 2, max(round(width * scale / 2), 1) * 2
