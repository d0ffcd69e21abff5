"""Pixels of an image file."""

import io
import math
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps


try:
    import simplejpeg
except ImportError:  # a model on the Hub has to load without it
    simplejpeg = None


JPEG_SUFFIXES = (".jpg", ".jpeg")
# Markers of a JPEG file: of EXIF and XMP, which may say that the picture is to be turned, and where the headers end
# (with the length that it has in colour: the marker alone may also be inside of a colour profile, say).
APPLICATION_SEGMENT, START_OF_SCAN = b"\xff\xe1", b"\xff\xda\x00\x0c\x03"

SEVERAL_PICTURES = ("GIF", "PNG", "TIFF", "WEBP")
"""Formats that show all their pictures. The further pictures of a JPEG file are previews of the first."""


PHOTOMETRIC_INTERPRETATION, WHITE_IS_ZERO = 262, 0  # a tag of TIFF files and one of its values


class ImageContentError(ValueError):
    """An image file is complete, but not a single picture of 8 or 16 bits. The message says why and what to do."""


def begins_like_an_image(path: Path) -> bool:
    """Whether the content of a file begins as JPEG, PNG and WebP files do."""
    with path.open("rb") as file:
        head = file.read(12)
    is_webp = head.startswith(b"RIFF") and head[8:] == b"WEBP"
    return is_webp or head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def decode_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels, uint8 RGB (height, width, 3), turned and mirrored as the file's EXIF data say, on black.

    Raises:
        ImageContentError: If the file holds several pictures, or numbers that are no grey levels.
        Exception: What Pillow raises for a damaged file.
    """
    content = file.read_bytes()
    if simplejpeg is not None and PurePosixPath(file.name).suffix.lower() in JPEG_SUFFIXES:
        pixels = _decode_plain_jpeg(content)
        if pixels is not None:
            return pixels
    image = Image.open(io.BytesIO(content))
    if image.format in SEVERAL_PICTURES and getattr(image, "n_frames", 1) > 1:
        raise ImageContentError(
            f"it holds {image.n_frames} pictures, but a frame is one. Save them as files of their own, or give an "
            "animation (GIF, PNG, WebP) by itself as a video."
        )
    pixels = rgb_pixels(ImageOps.exif_transpose(image))
    is_white_zero = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    # Pillow inverts only pictures of 1 and 8 bits.
    return 255 - pixels if is_white_zero and image.mode.startswith(("I", "F")) else pixels


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """Pixels of a picture of any mode, uint8 RGB (height, width, 3).

    The upper 8 of 16 bits remain. Transparent pixels are put on black.

    Raises:
        ImageContentError: If a picture of 32-bit numbers has other values than 16 bits have, or one of floats other
            values than 0 to 255.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        grey = _grey_levels(values, is_float=image.mode == "F")
        if isinstance(transparent := image.info.get("transparency"), int):
            grey[values == transparent] = 0
        return np.repeat(grey[..., None], 3, axis=-1)
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and max(transparent) > 255:  # of 16 bits, as the pixels were in the file
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent is not None:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return np.array(Image.alpha_composite(black, rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def _grey_levels(values: np.ndarray, is_float: bool) -> np.ndarray:
    lowest, highest = values.min(), values.max()
    if is_float and lowest >= 0 and (highest > 1 or highest == 0) and highest <= 255:
        return (values + 0.5).astype(np.uint8)
    if not is_float and lowest >= 0 and highest < 2**16:
        return (values >> 8).astype(np.uint8)
    raise ImageContentError(
        f"its grey levels go from {lowest:g} to {highest:g}, but {'0 to 255' if is_float else '0 to 65535'} is read. "
        "Save it with 8 or 16 bits."
    )


def _decode_plain_jpeg(content: bytes) -> np.ndarray | None:
    """Pixels of a whole JPEG file in colour and upright, for which Pillow takes longer; None of other files."""
    if APPLICATION_SEGMENT in content[: content.find(START_OF_SCAN)]:
        return None
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(content)
        # Pillow warns of larger ones: some kilobytes may ask for gigabytes.
        if colour_space != "YCbCr" or height * width > (Image.MAX_IMAGE_PIXELS or math.inf):
            return None
        return simplejpeg.decode_jpeg(content)
    except ValueError:
        return None
