"""Pixels of an image file."""

import io
import math
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from transformers.image_utils import load_image


try:
    import simplejpeg
except ImportError:  # what a model on the Hub brings along has to do without it
    simplejpeg = None


JPEG_SUFFIXES = (".jpg", ".jpeg")
# Markers of a JPEG file: of EXIF and XMP, which may say that the picture is to be turned, and where the headers end
# (with the length that it has in colour: the marker alone may also be inside of a colour profile, say).
APPLICATION_SEGMENT, START_OF_SCAN = b"\xff\xe1", b"\xff\xda\x00\x0c\x03"


def decode_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels, uint8 RGB (height, width, 3), turned as the file asks for.

    Whatever is wrong with the file is raised as Pillow does.
    """
    content = file.read_bytes()
    if simplejpeg is not None and PurePosixPath(file.name).suffix.lower() in JPEG_SUFFIXES:
        pixels = _decode_plain_jpeg(content)
        if pixels is not None:
            return pixels
    return np.array(load_image(Image.open(io.BytesIO(content))))


def _decode_plain_jpeg(content: bytes) -> np.ndarray | None:
    """Pixels of a whole JPEG file in colour and upright, for which Pillow takes longer; None of other files."""
    if APPLICATION_SEGMENT in content[: content.find(START_OF_SCAN)]:
        return None
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(content)
        # Of larger ones, some kilobytes of which may ask for gigabytes, Pillow warns.
        if colour_space != "YCbCr" or height * width > (Image.MAX_IMAGE_PIXELS or math.inf):
            return None
        return simplejpeg.decode_jpeg(content)
    except ValueError:
        return None
