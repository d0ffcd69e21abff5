"""Pixels of a frame of a video file as in players: upright, square pixels, progressive, BT.709, opaque.

PyAV is imported with `import_module`. Transformers loads a model's code only if all its import statements succeed.
"""

import importlib
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from PIL import Image

from .image_decoding import on_black
from .media_limits import MAX_PIXELS, check_pixels
from .tone_mapping import to_standard_range


# Codes of ITU-T H.273, as in FFmpeg.
UNSPECIFIED, BT709, BT2020 = 2, 1, 9
UNKNOWN_RANGE = 0
TRANSFERS = {16: "pq", 18: "hlg"}

MAX_PIXEL_ASPECT = 5  # wider or taller pixels are an error in the header of the file

# FFmpeg's own decoders of VP8 and VP9 ignore transparency.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def check_frame_size(stream):
    """Check the size that the header of a video stream gives, and let the decoder check the size of each frame.

    Raises:
        VideoReadError: If the pictures have too many pixels.
    """
    context = stream.codec_context
    width = round(context.width * max(_pixel_aspect(stream), 1))
    check_pixels(width, context.height, stream.container.name)
    context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}


def decoder_of(stream):
    """The codec context that decodes the colours of a stream of PyAV, and its transparency if it has any."""
    own = stream.codec_context
    metadata = {key.lower(): value for key, value in stream.metadata.items()}
    if metadata.get("alpha_mode") != "1" or own.name not in ALPHA_DECODERS:
        return own
    decoder = importlib.import_module("av").CodecContext.create(ALPHA_DECODERS[own.name], "r")
    if own.extradata:
        decoder.extradata = own.extradata
    decoder.thread_count = own.thread_count
    return decoder


class ColourTags(NamedTuple):
    """How colours are encoded, in the codes of FFmpeg. 0 is an unknown range. 2 is any other unknown tag."""

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
        """These tags. Unknown ones are taken from `others`."""
        triples = zip(self, others, UNKNOWN_TAGS, strict=True)
        return ColourTags(*(other if tag == none else tag for tag, other, none in triples))


UNKNOWN_TAGS = ColourTags(UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNKNOWN_RANGE)


class FrameConverter:
    """Converts frames of a stream to pixels.

    The picture is turned and mirrored by its display matrix. Pixels become square. Interlaced frames are deinterlaced.
    PQ, HLG and BT.2020 become BT.709. Transparent pixels are put on black.

    The pixels depend only on the frame, its display matrix and the header of the stream. So they are the same if
    decoding begins at a later keyframe.

    Args:
        stream: Video stream of PyAV. Create the converter before any frame is decoded, because decoders overwrite the
            tags of the stream. Without a stream, pixels are square, and only the tags of frames count.
    """

    def __init__(self, stream=None):
        self._pixel_aspect = Fraction(1) if stream is None else _pixel_aspect(stream)
        self._container_tags = UNKNOWN_TAGS if stream is None else ColourTags.of(stream.codec_context)

    def __call__(self, frame, matrix: bytes | None = None) -> np.ndarray:
        """Pixels of a frame of PyAV, uint8 RGB (height, width, 3). `matrix` is the latest display matrix."""
        matrix = matrix or display_matrix(frame)
        tags = ColourTags.of(frame).completed_by(self._container_tags)
        if frame.interlaced_frame:
            frame = _deinterlaced(frame)
        pixels = resized(_rgb(frame, tags), frame.height, self._square_width(frame))
        return pixels if matrix is None else as_displayed(pixels, np.frombuffer(matrix, "=i4"))

    def size(self, frame, matrix: bytes | None) -> tuple[int, int]:
        """Height and width of the converted frame."""
        height, width = frame.height, self._square_width(frame)
        return (width, height) if matrix and _swaps_sides(np.frombuffer(matrix, "=i4")) else (height, width)

    def _square_width(self, frame) -> int:
        return max(round(frame.width * self._pixel_aspect), 1)


def display_matrix(frame) -> bytes | None:
    """The display matrix in a frame of PyAV, int32 (9,). None if there is none."""
    # Not `frame.side_data`: it and the frame refer to each other, so that the garbage collector would have to free the
    # frame. Many large frames would wait for it, and damaged frames get lost parts from buffers of freed frames.
    side_data = importlib.import_module("av.sidedata.sidedata").SideDataContainer
    try:
        matrix = side_data(frame).get("DISPLAYMATRIX")
        return None if matrix is None else bytes(matrix)
    except ValueError:
        # PyAV refuses all side data of a frame if it does not know one item, such as EXIF data of Motion JPEG.
        turn = round(frame.rotation / 90) % 4
        a, b = ((1, 0), (0, -1), (-1, 0), (0, 1))[turn]
        return np.array([a, b, 0, -b, a, 0, 0, 0, 1], "=i4").tobytes() if turn else None


def _pixel_aspect(stream) -> Fraction:
    """Width of a pixel divided by its height, first from the container, then from the codec. 1 if implausible."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT else Fraction(1)


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale a picture (height, width, 3) with Pillow's bilinear filter."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def as_displayed(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror a picture (height, width, 3) by the nearest multiple of 90 degrees.

    Args:
        matrix: Display matrix (a, b, u, c, d, v, x, y, w), int32 (9,). It moves the point (p, q) to
            (a p + c q + x, b p + d q + y).
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if _swaps_sides(matrix):
        pixels, to_right, down = pixels.swapaxes(0, 1), c, b
    else:
        to_right, down = a, d
    return pixels[:: -1 if down < 0 else 1, :: -1 if to_right < 0 else 1]


def _swaps_sides(matrix: np.ndarray) -> bool:
    a, b, _, c, d = (abs(int(value)) for value in matrix[:5])
    return a + d < b + c


def _deinterlaced(frame):
    # The field that is shown first stays. The filter interpolates the other lines. Each frame has its own graph. With
    # neighbouring frames, pixels would depend on where decoding began.
    graph = importlib.import_module("av.filter").Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("estdif", "mode=frame:deint=interlaced"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    graph.vpush(None)
    return graph.vpull()


def _rgb(frame, tags: ColourTags) -> np.ndarray:
    """Stored pixels of a progressive frame, uint8 RGB (height, width, 3)."""
    transfer = TRANSFERS.get(tags.transfer, "sdr")
    is_bt2020 = tags.primaries == BT2020 or (transfer != "sdr" and tags.primaries == UNSPECIFIED)
    matrix = {} if frame.format.is_rgb else _colour_matrix(frame, tags, transfer)
    is_wide = transfer != "sdr" or is_bt2020
    has_alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
    pixel_format = "rgb48le" if is_wide else "rgba" if has_alpha else "rgb24"
    # By default, PyAV starts several threads for each frame, which takes far longer than the conversion.
    pixels = frame.to_ndarray(format=pixel_format, threads=1, **matrix)
    if is_wide:
        return to_standard_range(pixels, transfer, is_bt2020)
    return on_black(pixels) if has_alpha else pixels


def _colour_matrix(frame, tags: ColourTags, transfer: str) -> dict:
    """Keyword arguments of PyAV's conversion. It reads the other tags from the frame."""
    arguments = {}
    if tags.full_range != ColourTags.of(frame).full_range:
        arguments["src_color_range"] = tags.full_range
    matrix = tags.matrix  # FFmpeg takes an unspecified matrix for BT.601
    if matrix == UNSPECIFIED and transfer != "sdr":
        matrix = BT2020
    elif matrix == UNSPECIFIED and (frame.width >= 1280 or frame.height > 576):  # as in players
        matrix = BT709
    if matrix != frame.colorspace:
        arguments["src_colorspace"] = matrix
    return arguments
