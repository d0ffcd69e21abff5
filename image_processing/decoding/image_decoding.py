"""Pixels of an image file."""

import io
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from .media_limits import MAX_PIXELS, check_picture_size, check_pixels
from .video_sources import VideoReadError


try:
    import simplejpeg
except ImportError:  # optional, so that a model on the Hub loads without it
    simplejpeg = None


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

JPEG_SUFFIXES = (".jpg", ".jpeg")
# Markers of JPEG. APP1 segments hold EXIF or XMP data, which may turn the picture. START_OF_SCAN ends the headers. It
# includes the length that this segment has in colour pictures, because other data may contain the marker by chance.
APP1_SEGMENT, START_OF_SCAN = b"\xff\xe1", b"\xff\xda\x00\x0c\x03"

MULTI_PICTURE_FORMATS = ("GIF", "PNG", "TIFF", "WEBP")
"""JPEG is missing: further pictures of a JPEG file are previews of the first."""

PHOTOMETRIC_INTERPRETATION, WHITE_IS_ZERO = 262, 0  # a tag of TIFF files and one of its values


class ImageContentError(ValueError):
    """An image file is complete, but it is not a single picture of 8 or 16 bits."""


def begins_like_an_image(path: Path) -> bool:
    """Whether the content of a file begins like a JPEG, PNG or WebP file."""
    with path.open("rb") as file:
        head = file.read(12)
    is_webp = head.startswith(b"RIFF") and head[8:] == b"WEBP"
    return is_webp or head.startswith((b"\xff\xd8\xff", PNG_SIGNATURE))


def read_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels of an image file as in `decode_image`, with errors that name the file.

    Raises:
        VideoReadError: If the file is damaged, not an image, too large, or an image that `decode_image` refuses.
    """
    if not file.is_file():
        raise VideoReadError(f"'{file}' is not a file but a folder, a pipe or a device. Replace or remove it.")
    try:
        check_picture_size(_size_of(file), str(file))
        return decode_image(file)
    except VideoReadError:
        raise
    except ImageContentError as error:
        raise VideoReadError(f"'{file}' cannot be read as a frame: {error}") from error
    except Image.DecompressionBombError as error:
        raise VideoReadError(
            f"'{file}' has more pixels than the {MAX_PIXELS} that are allowed. Scale it down first."
        ) from error
    except Exception as error:  # Pillow raises OSError, SyntaxError and more, depending on the damage
        problem = "cannot be decoded as an image: it is damaged or not an image. Replace or remove it."
        raise VideoReadError(f"'{file}' {problem}") from error


def _size_of(file: Path | zipfile.Path) -> int:
    """Bytes of a file, in an archive after decompression."""
    return file.stat().st_size if isinstance(file, Path) else file.root.getinfo(file.at).file_size


def decode_image(file: Path | zipfile.Path) -> np.ndarray:
    """Pixels of an image file, uint8 RGB (height, width, 3).

    EXIF data turn and mirror the picture. Transparent pixels are put on black.

    Raises:
        ImageContentError: If the file holds several pictures, or numbers that are not grey levels.
        VideoReadError: If it has too many pixels.
        Exception: The error of Pillow if the file is damaged.
    """
    content = file.read_bytes()
    if simplejpeg is not None and PurePosixPath(file.name).suffix.lower() in JPEG_SUFFIXES:
        pixels = _decode_plain_jpeg(content)
        if pixels is not None:
            return pixels
    image = Image.open(io.BytesIO(content))
    check_pixels(*image.size, str(file))
    if image.format in MULTI_PICTURE_FORMATS and getattr(image, "n_frames", 1) > 1:
        raise ImageContentError(
            f"it holds {image.n_frames} pictures, but a frame is one picture. Save each picture in its own file, or "
            "give an animation (GIF, PNG, WebP) by itself as a video."
        )
    pixels = rgb_pixels(ImageOps.exif_transpose(image))
    is_white_zero = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    # Pillow inverts only pictures of 1 and 8 bits.
    return 255 - pixels if is_white_zero and image.mode.startswith(("I", "F")) else pixels


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """Pixels of a picture of any mode, uint8 RGB (height, width, 3).

    16-bit pictures become 8-bit pictures by their upper 8 bits. Transparent pixels are put on black.

    Raises:
        ImageContentError: If the grey levels of a 32-bit picture are not 0 to 65535 (integers) or 0 to 255 (floats).
    """
    transparent = image.info.get("transparency")
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        grey = _grey_levels(values)
        if isinstance(transparent, int):
            grey[values == transparent] = 0
        return np.repeat(grey[..., None], 3, axis=-1)
    if isinstance(transparent, tuple) and max(transparent) > 255:  # 16 bits, like the pixels in the file
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent is not None:
        return on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def on_black(pixels: np.ndarray) -> np.ndarray:
    """Put a transparent picture, uint8 RGBA (height, width, 4), on black: uint8 RGB (height, width, 3)."""
    colours, alpha = pixels[..., :3].astype(np.uint16), pixels[..., 3:]
    return ((colours * alpha + 127) // 255).astype(np.uint8)


def _grey_levels(values: np.ndarray) -> np.ndarray:
    lowest, highest = values.min(), values.max()
    is_float = values.dtype.kind == "f"
    limit = 255 if is_float else 65535
    is_unit_range = is_float and 0 < highest <= 1
    if not (lowest >= 0 and highest <= limit) or is_unit_range:
        raise ImageContentError(
            f"its grey levels go from {lowest:g} to {highest:g}, but must go from 0 to {limit}. "
            "Save it with 8 or 16 bits."
        )
    return (values + 0.5 if is_float else values >> 8).astype(np.uint8)


def _decode_plain_jpeg(content: bytes) -> np.ndarray | None:
    """Pixels of an intact, upright JPEG file in colour, which simplejpeg decodes faster. None for other files."""
    if APP1_SEGMENT in content[: content.find(START_OF_SCAN)]:
        return None
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(content)
        if colour_space != "YCbCr" or height * width > min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS):
            return None
        return simplejpeg.decode_jpeg(content)
    except ValueError:
        return None
