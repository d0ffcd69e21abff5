"""Pixels of a video file's frame as players show it: upright, square pixels, progressive, BT.709, opaque.

PyAV is imported by name where it is needed. Transformers loads a model's own code only if all import statements in it
succeed.
"""

import importlib
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from PIL import Image

from .tone_mapping import to_standard_range


# Numbers of ITU-T H.273, which FFmpeg uses.
UNSPECIFIED, BT709, BT2020 = 2, 1, 9
UNKNOWN_RANGE = 0
TRANSFERS = {16: "pq", 18: "hlg"}

# Pixels that are wider or taller than this are a mistake in the file's header.
MOST_PIXEL_ASPECT = 5

# FFmpeg's own decoders of VP8 and VP9 leave out the transparency.
DECODERS_OF_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def decoder_of(stream):
    """The codec context that decodes all of a stream: colours and, where there is one, transparency.

    Args:
        stream: Video stream of PyAV. Its own codec context decodes, if that knows transparency.
    """
    own = stream.codec_context
    metadata = {key.lower(): value for key, value in stream.metadata.items()}
    if metadata.get("alpha_mode") != "1" or own.name not in DECODERS_OF_ALPHA:
        return own
    decoder = importlib.import_module("av").CodecContext.create(DECODERS_OF_ALPHA[own.name], "r")
    if own.extradata:
        decoder.extradata = own.extradata
    decoder.thread_count = own.thread_count
    return decoder


class ColourTags(NamedTuple):
    """How colours are encoded, in the numbers of FFmpeg. 0 is an unknown range, 2 are unknown other tags."""

    transfer: int
    primaries: int
    matrix: int
    full_range: int

    @classmethod
    def of(cls, tagged) -> "ColourTags":
        """The tags of a frame or codec context of PyAV."""
        tags = tagged.color_trc, tagged.color_primaries, tagged.colorspace, tagged.color_range
        return cls(*(int(getattr(tag, "value", tag)) for tag in tags))

    def completed_by(self, others: "ColourTags") -> "ColourTags":
        """These tags, and those of `others` for what is unknown here."""
        unknown = UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNKNOWN_RANGE
        return ColourTags(
            *(other if tag == none else tag for tag, other, none in zip(self, others, unknown, strict=True))
        )


class FrameConverter:
    """Turns frames of a stream into pixels.

    The pixels of a frame depend on this frame, its display matrix and the stream's header alone. So they are the same
    whether a video is read from its beginning or from a key frame.

    - A display matrix turns and mirrors the picture, by multiples of 90 degrees.
    - Where pixels are not square (`sample_aspect_ratio`), the width is scaled, and the height stays. The container's
      ratio counts before the codec's. A ratio that is not between 1:5 and 5:1 is ignored.
    - Interlaced frames are deinterlaced. The field that is shown first stays. The other lines are interpolated
      (FFmpeg's `estdif` filter).
    - Colours are converted as the frame is tagged, otherwise as the container is tagged.
    - A frame without tags is BT.709 if it is at least 1280 wide or more than 576 high, otherwise BT.601. Players
      decide in the same way.
    - PQ, HLG and BT.2020 become BT.709.
    - Transparent pixels are put on black.

    Args:
        stream: Video stream of PyAV. No frame may be decoded before this, because decoders overwrite its tags. It
            is not needed after this.
    """

    def __init__(self, stream):
        self._pixel_aspect = _pixel_aspect(stream)
        self._container_tags = ColourTags.of(stream.codec_context)

    def __call__(self, frame, matrix: bytes | None = None) -> np.ndarray:
        """Pixels of a frame of PyAV, uint8 RGB (height, width, 3).

        Args:
            frame: The frame.
            matrix: Its `display_matrix`, if that came with an earlier frame.
        """
        matrix = matrix or display_matrix(frame)
        tags = ColourTags.of(frame).completed_by(self._container_tags)
        if frame.interlaced_frame:
            frame = _deinterlaced(frame)
        pixels = with_square_pixels(_rgb(frame, tags), self._pixel_aspect)
        return pixels if matrix is None else as_displayed(pixels, np.frombuffer(matrix, "=i4"))

    def size(self, frame, matrix: bytes | None) -> tuple[int, int]:
        """Height and width of the pixels of a frame."""
        height, width = frame.height, square_width(frame.width, self._pixel_aspect)
        return (width, height) if matrix and _exchanges_sides(np.frombuffer(matrix, "=i4")) else (height, width)


def display_matrix(frame) -> bytes | None:
    """The display matrix that comes with a frame of PyAV: 9 numbers of 32 bits. None if there is none."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
        return None if matrix is None else bytes(matrix)
    except ValueError:
        # PyAV refuses all side data of a frame if it does not know one of them, such as EXIF data of Motion JPEG.
        turn = round(frame.rotation / 90) % 4
        a, b = ((1, 0), (0, -1), (-1, 0), (0, 1))[turn]
        return np.array([a, b, 0, -b, a, 0, 0, 0, 1], "=i4").tobytes() if turn else None


def _pixel_aspect(stream) -> Fraction:
    """Width of a pixel by its height; 1 where nothing sensible is said."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, MOST_PIXEL_ASPECT) <= aspect <= MOST_PIXEL_ASPECT else Fraction(1)


def square_width(width: int, pixel_aspect: Fraction) -> int:
    """Width of a picture after its pixels have become square."""
    return max(round(width * pixel_aspect), 1)


def with_square_pixels(pixels: np.ndarray, pixel_aspect: Fraction) -> np.ndarray:
    """Scale the width of a picture (height, width, 3) by the width of its pixels."""
    width = square_width(pixels.shape[1], pixel_aspect)
    if width == pixels.shape[1]:
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, pixels.shape[0]), Image.Resampling.BILINEAR))


def as_displayed(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror a picture (height, width, 3) by the nearest multiple of 90 degrees.

    Args:
        matrix: Display matrix, int32 (9,): (a, b, u, c, d, v, x, y, w) moves the point (p, q) to
            (a p + c q + x, b p + d q + y).
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if _exchanges_sides(matrix):
        pixels, to_right, down = pixels.swapaxes(0, 1), c, b
    else:
        to_right, down = a, d
    return pixels[:: -1 if down < 0 else 1, :: -1 if to_right < 0 else 1]


def _exchanges_sides(matrix: np.ndarray) -> bool:
    a, b, _, c, d = (abs(int(value)) for value in matrix[:5])
    return a + d < b + c


def _deinterlaced(frame):
    # A graph for each frame: neighbours would make pixels depend on where decoding began.
    graph = importlib.import_module("av.filter").Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("estdif", "mode=frame:deint=interlaced"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    graph.vpush(None)
    return graph.vpull()


def _rgb(frame, tags: ColourTags) -> np.ndarray:
    """Pixels of a progressive frame as it is stored, uint8 RGB (height, width, 3)."""
    transfer = TRANSFERS.get(tags.transfer, "sdr")
    is_bt2020 = tags.primaries == BT2020 or (transfer != "sdr" and tags.primaries == UNSPECIFIED)
    matrix = {} if frame.format.is_rgb else _colour_matrix(frame, tags, transfer)
    if transfer != "sdr" or is_bt2020:
        return to_standard_range(_converted(frame, "rgb48le", matrix), transfer, is_bt2020)
    if _has_alpha(frame):
        return on_black(_converted(frame, "rgba", matrix))
    return _converted(frame, "rgb24", matrix)


def _converted(frame, pixel_format: str, matrix: dict) -> np.ndarray:
    # In one thread: PyAV would start some for each frame, which takes far longer than the conversion.
    return frame.to_ndarray(format=pixel_format, threads=1, **matrix)


def _colour_matrix(frame, tags: ColourTags, transfer: str) -> dict:
    """Keyword arguments of PyAV's conversion. PyAV knows the tags of the frame itself."""
    arguments = {}
    if tags.full_range != ColourTags.of(frame).full_range:
        arguments["src_color_range"] = tags.full_range
    matrix = tags.matrix
    if matrix == UNSPECIFIED and transfer != "sdr":
        matrix = BT2020
    elif matrix == UNSPECIFIED and (frame.width >= 1280 or frame.height > 576):
        matrix = BT709
    if matrix != frame.colorspace:
        arguments["src_colorspace"] = matrix
    return arguments


def _has_alpha(frame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def on_black(pixels: np.ndarray) -> np.ndarray:
    """Put a transparent picture, uint8 RGBA (height, width, 4), on black: uint8 RGB (height, width, 3)."""
    colours, alpha = pixels[..., :3].astype(np.uint16), pixels[..., 3:]
    return ((colours * alpha + 127) // 255).astype(np.uint8)
