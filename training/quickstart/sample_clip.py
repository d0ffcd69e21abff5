"""A small drawn clip, to try a prediction without any video."""

from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw


SIZE = 160  # pixels, height and width
NUM_FRAMES = 64  # 16 frames of every fourth
FRAME_RATE = 25


def write_sample_clip(path: str | Path) -> Path:
    """Write a video of a drawn face that begins to smile: 64 frames of 160 x 160 pixels, 25 frames per second.

    Args:
        path: File to write. Its ending chooses the container, for example `.mp4`.

    Raises:
        OSError: If the file cannot be written.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAME_RATE)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for smile in np.linspace(0, 1, NUM_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_image(_draw_face(smile))))
        container.mux(stream.encode())
    return Path(path)


def _draw_face(smile: float) -> Image.Image:
    """Draw a face. `smile` goes from 0, a straight mouth, to 1, a wide smile."""
    frame = Image.new("RGB", (SIZE, SIZE), (70, 90, 110))
    draw = ImageDraw.Draw(frame)
    draw.ellipse((25, 10, 135, 150), fill=(224, 180, 150))
    for eye in (58, 102):
        draw.ellipse((eye - 10, 58 + 2 * smile, eye + 10, 72 - 2 * smile), fill=(250, 250, 250))
        draw.ellipse((eye - 4, 61, eye + 4, 69), fill=(60, 40, 30))
        draw.line((eye - 12, 50 - 4 * smile, eye + 12, 50 - 4 * smile), fill=(90, 60, 40), width=3)
    draw.line((80, 70, 76, 92, 84, 92), fill=(190, 140, 115), width=2)
    mouth = np.linspace(-1, 1, 21)
    corners = 22 + 8 * smile
    curve = 116 + 12 * smile * (1 - mouth**2) - 4 * smile
    draw.line(list(zip(80 + corners * mouth, curve, strict=True)), fill=(170, 60, 60), width=4)
    return frame
