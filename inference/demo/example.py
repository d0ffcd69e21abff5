"""Draws the example video of the demo: a face that begins to smile. The face detector finds it."""

import functools
import io
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter


SIZE = 480  # pixels, height and width
DRAWN_SIZE = 720  # shrinking smooths the edges
NUM_FRAMES = 75
FRAME_RATE = 25  # frames per second

WALL, CLOTHES, HAIR = (150, 165, 175), (60, 75, 110), (50, 35, 28)
SKIN, NECK, NOSTRIL = (205, 150, 120), (170, 115, 90), (95, 55, 45)
EYE_WHITE, IRIS, PUPIL, LASHES = (235, 230, 225), (55, 38, 30), (10, 8, 8), (40, 25, 20)
LIPS, TEETH, CLOSED_MOUTH = (165, 75, 75), (240, 235, 230), (90, 40, 40)
EYES = (0.405, 0.595)  # all places and sizes are shares of the width of the picture


def write_example() -> str:
    """Write the example into a new temporary folder, as the only file there.

    Returns:
        Path of the file.
    """
    path = Path(tempfile.mkdtemp(), "example.mp4")
    path.write_bytes(draw_example())
    return str(path)


@functools.cache
def draw_example() -> bytes:
    """Draw the example: an MP4 file of 75 frames, 480 x 480 pixels, 25 frames per second, without sound."""
    file = io.BytesIO()
    head = _draw_head()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for smile in (1 - np.cos(np.linspace(0, np.pi, NUM_FRAMES))) / 2:
            container.mux(stream.encode(av.VideoFrame.from_image(_draw_frame(head, smile))))
        container.mux(stream.encode())
    return file.getvalue()


def _draw_head() -> Image.Image:
    """Draw what does not move: wall, clothes, hair, and a head with light and shadow."""
    head = Image.new("RGB", (DRAWN_SIZE, DRAWN_SIZE), WALL)
    draw = ImageDraw.Draw(head)
    _ellipse(draw, 0.5, 1.08, 0.42, 0.25, CLOTHES)
    draw.rectangle([DRAWN_SIZE * edge for edge in (0.42, 0.7, 0.58, 0.9)], fill=NECK)
    _ellipse(draw, 0.5, 0.44, 0.255, 0.34, HAIR)
    _ellipse(draw, 0.5, 0.49, 0.215, 0.295, SKIN)
    pixels = np.asarray(head.filter(ImageFilter.GaussianBlur(0.006 * DRAWN_SIZE)), dtype=np.float32)
    return Image.fromarray((pixels * _light()[..., None]).clip(0, 255).astype(np.uint8))


def _light() -> np.ndarray:
    """Factors of brightness, float (height, width). The detector needs the shadows of eyes and nose."""
    y, x = np.mgrid[:DRAWN_SIZE, :DRAWN_SIZE] / DRAWN_SIZE

    def spot(centre_x, centre_y, width, height):
        return np.exp(-(((x - centre_x) / width) ** 2) - ((y - centre_y) / height) ** 2)

    from_middle = ((x - 0.5) / 0.215) ** 2 + ((y - 0.49) / 0.295) ** 2
    light = np.where(from_middle < 1, 1.08 - 0.33 * from_middle**2, 1) * (1.06 - 0.12 * x)
    for eye in EYES:
        light *= 1 - 0.35 * spot(eye, 0.44, 0.06, 0.035)
    light *= 1 - 0.3 * spot(0.5, 0.575, 0.045, 0.018)  # below the nose
    return light * (1 + 0.15 * spot(0.5, 0.5, 0.018, 0.06))  # the bridge of the nose


def _draw_frame(head: Image.Image, smile: float) -> Image.Image:
    """Draw eyes, nose and mouth on a head. `smile` goes from 0, a straight mouth, to 1, a wide smile."""
    frame = head.copy()
    draw = ImageDraw.Draw(frame)
    for eye in EYES:
        _draw_eye(draw, eye, height=0.016 - 0.005 * smile)
    for nostril in (0.475, 0.525):
        _ellipse(draw, nostril, 0.578, 0.011, 0.007, NOSTRIL)
    _draw_mouth(draw, smile)
    return frame.filter(ImageFilter.GaussianBlur(0.002 * DRAWN_SIZE)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _draw_eye(draw: ImageDraw.ImageDraw, x: float, height: float):
    y = 0.445
    _ellipse(draw, x, y, 0.04, height, EYE_WHITE)
    _ellipse(draw, x, y, 0.017, height, IRIS)
    _ellipse(draw, x, y, 0.008, 0.008, PUPIL)
    _arc(draw, (x - 0.042, y - height - 0.008, x + 0.042, y + height + 0.01), LASHES, 0.008)
    _arc(draw, (x - 0.06, 0.375, x + 0.06, 0.44), HAIR, 0.014)  # the brow


def _draw_mouth(draw: ImageDraw.ImageDraw, smile: float):
    across = np.linspace(-1, 1, 41)
    x = 0.5 + (0.062 + 0.03 * smile) * across
    middle = 0.66 - 0.012 * smile + 0.03 * smile * (1 - across**2)
    fullness = np.sqrt(1 - across**2)
    _area(draw, x, middle - 0.012 * fullness, middle + (0.016 + 0.012 * smile) * fullness, LIPS)
    opening = 0.003 + 0.012 * smile * (1 - across**2)
    _area(draw, x, middle - 0.002, middle + opening, TEETH if smile > 0.4 else CLOSED_MOUTH)


def _ellipse(draw: ImageDraw.ImageDraw, x: float, y: float, width: float, height: float, colour):
    draw.ellipse([DRAWN_SIZE * edge for edge in (x - width, y - height, x + width, y + height)], fill=colour)


def _arc(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour, width: float):
    draw.arc([DRAWN_SIZE * edge for edge in box], 195, 345, fill=colour, width=round(DRAWN_SIZE * width))


def _area(draw: ImageDraw.ImageDraw, x: np.ndarray, upper: np.ndarray, lower: np.ndarray, colour):
    outline = [*zip(x, upper, strict=True), *zip(x[::-1], lower[::-1], strict=True)]
    draw.polygon([(DRAWN_SIZE * point_x, DRAWN_SIZE * point_y) for point_x, point_y in outline], fill=colour)
