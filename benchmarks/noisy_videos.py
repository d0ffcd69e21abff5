"""Writes drawn faces with camera noise: folders of JPEG frames and mp4 files."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image


JPEG_SIZE, JPEG_QUALITY = 256, 95
MP4_SIZE, MP4_BITS_PER_SECOND, FRAME_RATE = 224, 250_000, 25
NOISE = 4  # grey levels; a frame takes 22 kB then, like real faces at this size and quality


def add_noise(clip: torch.Tensor, generator: torch.Generator) -> np.ndarray:
    """uint8 frames with noise, in the shape of `clip`."""
    noise = NOISE * torch.randn(clip.shape, generator=generator)
    return (clip + noise).round().clamp(0, 255).to(torch.uint8).numpy()


def write_frames(folder: Path, clip: np.ndarray) -> Path:
    """Write uint8 (frames, height, width, 3) as JPEG files."""
    folder.mkdir()
    for number, frame in enumerate(clip):
        Image.fromarray(frame).save(folder / f"{number:05d}.jpg", quality=JPEG_QUALITY)
    return folder


def write_mp4(path: Path, clip: np.ndarray) -> Path:
    """Write the centre of uint8 (frames, 256, 256, 3) as H.264, with FFmpeg's defaults except the bit rate."""
    import av

    margin = (JPEG_SIZE - MP4_SIZE) // 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.height, stream.width, stream.pix_fmt = MP4_SIZE, MP4_SIZE, "yuv420p"
        stream.bit_rate = MP4_BITS_PER_SECOND
        for frame in np.ascontiguousarray(clip[:, margin:-margin, margin:-margin]):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
