"""Limits of pictures and videos, so that a small file cannot fill the memory, and of files that name other files."""

import re
from pathlib import Path

from .video_sources import VideoReadError


MAX_PIXELS = 89_478_485
"""Pixels of a picture. From this number on, Pillow warns of a decompression bomb."""

MAX_PICTURE_BYTES = 500_000_000
"""Bytes of the file of a picture or an animation. In a zip archive, this is the size after decompression."""

MAX_ANIMATION_PIXELS = 20_000_000_000
"""Pixels of all pictures of an animation. Animations of 1920 x 1080 pixels may have 9645 pictures."""

_PLAYLIST = re.compile(
    rb"\A(\xef\xbb\xbf)?\s*(#EXTM3U|ffconcat\s|v=0\s)|<MPD[\s>]|<AssetMap[\s>]|<SmoothStreamingMedia"
)
_HEAD = 4096  # bytes

UNSAFE_FORMATS = frozenset(
    (
        *("applehttp", "avisynth", "concat", "concatf", "dash", "dvdvideo", "hls", "imf", "lavfi", "rtp", "rtsp"),
        *("sap", "sdp", "tty", "vapoursynth", "vobsub", "webm_dash_manifest"),
    )
)
"""FFmpeg's names of formats whose files name other files or machines, run a program, or are plain text."""


def check_pixels(width: int, height: int, name: str):
    """
    Raises:
        VideoReadError: If a picture has more than `MAX_PIXELS`. `name` is the file.
    """
    if width * height > MAX_PIXELS:
        raise VideoReadError(
            f"'{name}' has pictures of {width} x {height} pixels, and at most {MAX_PIXELS} pixels are "
            "allowed. Scale it down first."
        )


def check_picture_size(size: int, name: str):
    """
    Raises:
        VideoReadError: If the file of a picture has more than `MAX_PICTURE_BYTES`. `name` is the file.
    """
    if size > MAX_PICTURE_BYTES:
        raise VideoReadError(
            f"'{name}' has {size} bytes, and at most {MAX_PICTURE_BYTES} are allowed for a picture. Save it smaller."
        )


def check_animation(num_pictures: int, width: int, height: int, name: str):
    """
    Raises:
        VideoReadError: If an animation has too many pictures, or they are too large. `name` is the file.
    """
    check_pixels(width, height, name)
    if num_pictures * width * height > MAX_ANIMATION_PIXELS:
        raise VideoReadError(
            f"'{name}' has {num_pictures} pictures of {width} x {height} pixels, and at most {MAX_ANIMATION_PIXELS} "
            "pixels together are allowed. Save it as a video file."
        )


def refuse_playlist(path: Path):
    """Refuse a text that names other videos. Decoders would read these from any folder or machine.

    Raises:
        VideoReadError: If the file begins like one.
    """
    with path.open("rb") as file:
        is_playlist = _PLAYLIST.search(file.read(_HEAD))
    if is_playlist:
        raise VideoReadError(
            f"'{path}' is a playlist. It names other files, which are not read. Give the video files themselves."
        )
