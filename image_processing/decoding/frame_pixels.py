"""Pixels of a video file's frame as players show it: upright, square pixels, progressive, BT.709, opaque.

PyAV is imported by name where it is needed. Transformers loads a model's own code only if all import statements in it
succeed.
"""

import importlib
from fractions import Fraction

import numpy as np
from PIL import Image

from .tone_mapping import to_standard_range


# Numbers of ITU-T H.273, which FFmpeg uses.
UNSPECIFIED, BT709, BT2020 = 2, 1, 9
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


class FrameConverter:
    """Turns frames of a stream into pixels.

    The pixels of a frame depend on this frame and the stream's header alone. So they are the same whether a video is
    read from its beginning or from a key frame.

    - A display matrix turns and mirrors the picture, by multiples of 90 degrees.
    - Where pixels are not square (`sample_aspect_ratio`), the width is scaled, and the height stays. The container's
      ratio counts before the codec's. A ratio that is not between 1:5 and 5:1 is ignored.
    - Of an interlaced frame, the field that is shown first stays, and the other lines are interpolated (FFmpeg's
      `estdif` filter).
    - Colours are converted as the frame is tagged. An untagged frame is BT.709 if it is at least 1280 wide or more
      than 576 high, otherwise BT.601, as players decide. PQ, HLG and BT.2020 become BT.709.
    - Transparent pixels are on black.

    Args:
        stream: Video stream of PyAV. It is not needed after this.
    """

    def __init__(self, stream):
        self._pixel_aspect = _pixel_aspect(stream)

    def __call__(self, frame) -> np.ndarray:
        """Pixels of a frame of PyAV, uint8 RGB (height, width, 3)."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if frame.interlaced_frame:
            frame = _deinterlaced(frame)
        pixels = with_square_pixels(_rgb(frame), self._pixel_aspect)
        return pixels if matrix is None else as_displayed(pixels, np.frombuffer(bytes(matrix), "=i4"))


def _pixel_aspect(stream) -> Fraction:
    """Width of a pixel by its height; 1 where nothing sensible is said."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, MOST_PIXEL_ASPECT) <= aspect <= MOST_PIXEL_ASPECT else Fraction(1)


def with_square_pixels(pixels: np.ndarray, pixel_aspect: Fraction) -> np.ndarray:
    """Scale the width of a picture (height, width, 3) by the width of its pixels."""
    width = max(round(pixels.shape[1] * pixel_aspect), 1)
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
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels, to_right, down = pixels.swapaxes(0, 1), c, b
    else:
        to_right, down = a, d
    return pixels[:: -1 if down < 0 else 1, :: -1 if to_right < 0 else 1]


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


def _rgb(frame) -> np.ndarray:
    """Pixels of a progressive frame as it is stored, uint8 RGB (height, width, 3)."""
    transfer = TRANSFERS.get(frame.color_trc, "sdr")
    is_bt2020 = frame.color_primaries == BT2020 or (transfer != "sdr" and frame.color_primaries == UNSPECIFIED)
    matrix = {} if frame.format.is_rgb else _colour_matrix(frame, transfer)
    if transfer != "sdr" or is_bt2020:
        return to_standard_range(_converted(frame, "rgb48le", matrix), transfer, is_bt2020)
    if _has_alpha(frame):
        return on_black(_converted(frame, "rgba", matrix))
    return _converted(frame, "rgb24", matrix)


def _converted(frame, pixel_format: str, matrix: dict) -> np.ndarray:
    # In one thread: PyAV would start some for each frame, which takes far longer than the conversion.
    return frame.to_ndarray(format=pixel_format, threads=1, **matrix)


def _colour_matrix(frame, transfer: str) -> dict:
    """Keyword arguments of PyAV's conversion for a frame without a tag; a tag is respected without any."""
    if frame.colorspace != UNSPECIFIED:
        return {}
    if transfer != "sdr":
        return {"src_colorspace": BT2020}
    return {"src_colorspace": BT709} if frame.width >= 1280 or frame.height > 576 else {}


def _has_alpha(frame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def on_black(pixels: np.ndarray) -> np.ndarray:
    """Put a transparent picture, uint8 RGBA (height, width, 4), on black: uint8 RGB (height, width, 3)."""
    colours, alpha = pixels[..., :3].astype(np.uint16), pixels[..., 3:]
    return ((colours * alpha + 127) // 255).astype(np.uint8)
