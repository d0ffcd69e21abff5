"""A small corpus of drawn faces that show expressions, as video files, to try the whole method on.

Faces are smooth shapes, cropped like aligned faces. They differ in identity, skin, hair, light, pose and background.
Some people talk or blink. An expression goes from onset over apex to offset. Some classes are two expressions, one
after the other. These classes differ from another class only in the order: no single frame can tell them apart.
"""

import contextlib
import functools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from tqdm import tqdm

from ...files import whole_file
from ...messages import shows_progress


NUM_FRAMES = 8
FRAME_RATE = 8
SIZE = 64
VIDEOS_DRAWN_AT_ONCE = 4  # the pictures of more videos do not fit into the cache of a processor

# Apexes: mouth curved up, opened, widened; brows raised, inner ends raised; lids opened.
APEXES = {
    "happy": (1.0, 0.25, 0.25, 0.1, 0.0, -0.25),
    "sad": (-0.9, 0.0, -0.05, 0.15, 1.0, -0.3),
    "surprise": (0.0, 1.0, -0.2, 1.0, 0.0, 0.5),
    "anger": (-0.35, 0.05, -0.1, -0.6, -1.0, -0.15),
}
LABELS = {
    "happy": ("happy", "happy"),
    "sad": ("sad", "sad"),
    "surprise": ("surprise", "surprise"),
    "happy to sad": ("happy", "sad"),
    "sad to happy": ("sad", "happy"),
    "surprise to anger": ("surprise", "anger"),
    "anger to surprise": ("anger", "surprise"),
}
"""The two expressions of each class, in their order."""

TIME_ORDER_LABELS = tuple(name for name, (first, second) in LABELS.items() if first != second)
"""The classes that differ from another class only in the order of their expressions."""

SKIN_TONE = (1.0, 0.78, 0.64)
HAIR_TONE = (1.0, 0.8, 0.6)
LIP_TONE = (1.0, 0.62, 0.6)


@dataclass
class Part:
    """A part of a corpus: a folder with videos. Parts with different seeds show different people."""

    folder: Path
    num_videos: int
    seed: int

    @property
    def annotations(self) -> Path:
        """The list of the videos. It is written last, so a part with a list is complete."""
        return self.folder.with_suffix(".csv")


def write_part(part: Part, num_workers: int) -> Path:
    """Draw the videos of a part, with a progress bar. The classes take turns.

    Args:
        part: What to draw.
        num_workers: Threads to draw with.

    Returns:
        The annotation file, with a line `path,label-index` for each video.
    """
    part.folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, part.num_videos, VIDEOS_DRAWN_AT_ONCE)
    progress = tqdm(
        total=part.num_videos, desc=f"Drawing {part.folder.name}", unit="video", disable=not shows_progress()
    )
    # Threads suffice, because drawing and encoding release the interpreter. A new process takes seconds to start.
    with progress, _one_thread_each(), ThreadPoolExecutor(num_workers) as pool:
        for written in pool.map(functools.partial(_write_videos, part), starts):
            progress.update(written)
    lines = [f"{part.folder.name}/{_name(index)},{_label(index)}\n" for index in range(part.num_videos)]
    with whole_file(part.annotations) as file:
        file.write_text("path,label\n" + "".join(lines), encoding="utf-8")
    return part.annotations


@contextlib.contextmanager
def _one_thread_each():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _label(index: int) -> int:
    return index % len(LABELS)


def _name(index: int) -> str:
    return f"{index:05d}.mp4"


def _write_videos(part: Part, start: int) -> int:
    indices = range(start, min(start + VIDEOS_DRAWN_AT_ONCE, part.num_videos))
    seed = int(np.random.SeedSequence([part.seed, start]).generate_state(1, np.uint64)[0])
    clips = draw_faces([_label(index) for index in indices], torch.Generator().manual_seed(seed))
    for index, clip in zip(indices, clips, strict=True):
        path = part.folder / _name(index)
        try:
            write_video(path, clip)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return len(indices)


def write_video(path: Path, clip: torch.Tensor):
    """Write uint8 (frames, height, width, 3) as an mp4 file."""
    import av  # drawing works without PyAV

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "18", "preset": "ultrafast"})
        stream.codec_context.thread_count = 1
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], "yuv420p"
        for frame in clip.numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def draw_faces(
    labels: Sequence[int],
    generator: torch.Generator,
    num_frames: int = NUM_FRAMES,
    size: int = SIZE,
    intensities: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draw one clip of another person for each label.

    Args:
        labels: Indices into `LABELS`.
        generator: Source of all random draws.
        num_frames: Frames of a clip, from before the onset to after the offset.
        size: Height and width in pixels.
        intensities: How strong each expression is at its apex, float (clips,), from 0 (neutral) to 1. By default the
            generator draws it from 0.8 to 1.

    Returns:
        uint8 (clips, num_frames, size, size, 3).
    """
    return _Drawing(labels, generator, num_frames, size, intensities).draw()


class _Drawing:
    """The canvas, float (clips, frames, 3, height, width) from 0 to 1, and the coordinates of the heads on it.

    Coordinates on a head reach from -1 to 1. Random numbers are drawn where they are used, for all clips at once.
    """

    def __init__(self, labels, generator, num_frames, size, intensities):
        self.count, self.generator, self.intensities = len(labels), generator, intensities
        self.times = torch.linspace(0, 1, num_frames)[None]
        axis = (torch.arange(size) + 0.5) / size * 2 - 1
        self.canvas_y, self.canvas_x = torch.meshgrid(axis, axis, indexing="ij")
        self.softness = 1.3 / size  # edges as wide as a pixel
        course = self._course(labels)
        self.smile, self.mouth_open, self.mouth_width, self.brow, self.inner_brow, self.lid = course[
            ..., None, None
        ].unbind(2)
        self.mouth_open = (self.mouth_open + self._talking()).clamp(0, 1.3)
        self._pose()

    def draw(self) -> torch.Tensor:
        self._paint_background()
        self._paint_head()
        for side in (-1, 1):
            self._paint_eye(side)
        self._paint_mouth()
        exposure = self._uniform(0.85, 1.15, 1, 1, 1, 1)
        pixels = (self.canvas * exposure).clamp(0, 1).mul(255).round().to(torch.uint8)
        return rearrange(pixels, "n t c h w -> n t h w c")

    # Changes in time

    def _course(self, labels):
        """Strength of each component of the apexes: (clips, frames, components)."""
        phases = list(LABELS.values())
        first, second = (torch.tensor([APEXES[phases[label][half]] for label in labels]) for half in (0, 1))
        onset, offset = self._uniform(0.08, 0.2, 1), self._uniform(0.82, 0.94, 1)
        strength = self._uniform(0.8, 1, 1)  # drawn in any case, so that the person does not depend on the intensity
        if self.intensities is not None:
            strength = self.intensities[:, None]
        strength = (
            strength * torch.sigmoid((self.times - onset) / 0.035) * torch.sigmoid((offset - self.times) / 0.035)
        )
        passed = torch.sigmoid((self.times - self._uniform(0.42, 0.58, 1)) / self._uniform(0.04, 0.07, 1))[..., None]
        course = strength[..., None] * ((1 - passed) * first[:, None] + passed * second[:, None])
        resting_face = 0.04 * torch.randn(self.count, 1, course.shape[-1], generator=self.generator)
        return course + resting_face

    def _talking(self):
        """How far talking opens the mouth: (clips, frames, 1, 1). Half of the people talk."""
        amplitude = self._some(0.5) * self._uniform(0.1, 0.35, 1)
        phase = self._uniform(1.5, 3.5, 1) * self.times + self._uniform(0, 1, 1)
        return (amplitude * (0.5 + 0.5 * torch.sin(2 * math.pi * phase)))[..., None, None]

    def _blinking(self):
        """How far the eyes are shut: (clips, frames, 1, 1). Half of the people blink."""
        moment = self._uniform(0, 1, 1)
        return (self._some(0.5) * torch.exp(-(((self.times - moment) / 0.05) ** 2)))[..., None, None]

    def _drift(self, amount):
        """A pose that wanders: (clips, frames, 1, 1)."""
        phase = self.times * self._uniform(0.3, 0.8, 1) + self._uniform(0, 1, 1)
        wandering = self._uniform(-amount / 2, amount / 2, 1) * torch.sin(2 * math.pi * phase)
        return (self._uniform(-amount, amount, 1) + wandering)[..., None, None]

    def _pose(self):
        """Set the coordinates on the head and on the turned face: each (clips, frames, height, width)."""
        roll, right, down, self.yaw, pitch = (self._drift(amount) for amount in (0.12, 0.06, 0.06, 0.12, 0.06))
        scale = self._uniform(1.0, 1.15, 1, 1, 1)
        x, y = self.canvas_x - right, self.canvas_y - down
        self.x = (x * roll.cos() + y * roll.sin()) / scale
        self.y = (y * roll.cos() - x * roll.sin()) / scale
        self.face_x, self.face_y = self.x - self.yaw, self.y - pitch

    # Painting

    def _paint_background(self):
        angle = self._uniform(0, 2 * math.pi, 1, 1, 1)
        ramp = (0.5 + 0.35 * (self.canvas_x * angle.cos() + self.canvas_y * angle.sin())).clamp(0, 1)[:, :, None]
        background = self._colour(0.1, 0.9) * ramp + self._colour(0.1, 0.9) * (1 - ramp)
        self.canvas = background.expand(-1, self.times.shape[1], -1, -1, -1)
        for _ in range(2):
            x, y, radius = self._scalar(-1, 1), self._scalar(-1, 1), self._scalar(0.2, 0.5)
            distance = ((self.canvas_x - x) ** 2 + (self.canvas_y - y) ** 2) / radius**2
            self._blend(0.6 * torch.exp(-distance), self._colour(0.1, 0.9))

    def _paint_head(self):
        x, y = self.x, self.y
        width, height = self._scalar(0.60, 0.74), self._scalar(0.80, 0.92)
        light = self._uniform(0, 2 * math.pi, 1, 1, 1)
        shade = 1 + light.cos() * self._scalar(0.05, 0.3) * x + 0.15 * light.sin() * y
        shade = (shade - 0.09 * ((x / width) ** 2 + (y / height) ** 2))[:, :, None]
        tint = 1 + self._colour(-0.06, 0.06)
        self.skin = _tone(SKIN_TONE) * self._scalar(0.35, 0.95)[:, :, None] * tint * shade
        self.hair = _tone(HAIR_TONE) * self._scalar(0.05, 0.55)[:, :, None]
        self.mouth_y = self._scalar(0.40, 0.50)

        self._paint(_ellipse(x, y - 1.35, 0.95, 0.55), self._colour(0.1, 0.9))  # clothes
        self._paint(_ellipse(x, y - 0.9, 0.3, 0.35), 0.85 * self.skin)  # neck
        self._paint(_ellipse(x, y + 0.15, width + 0.12, height + 0.02), self.hair)
        head = _ellipse(x, y - 0.03, width, height)
        self._paint(head, self.skin)
        self._paint(torch.maximum(head, y - self._scalar(-0.75, -0.5) - 0.18 * (x / width) ** 2), self.hair)
        beard = torch.maximum(head, self.mouth_y - 0.02 - 0.35 * (x / width) ** 2 - y)
        self._paint(
            beard, self.hair, softness=0.06, opacity=self._scalar(0.3, 0.8) * self._some(0.25)[..., None, None]
        )
        nose = _ellipse(self.face_x - 0.5 * self.yaw, self.face_y - 0.14, self._scalar(0.06, 0.1), 0.13)
        self._paint(nose, 0.82 * self.skin, softness=0.04)

        self.eye_x, self.eye_y = self._scalar(0.25, 0.33), self._scalar(-0.22, -0.12)
        self.eye_size, self.iris = self._scalar(0.11, 0.15), self._colour(0, 0.35)
        self.brow_width, self.brow_y = self._scalar(0.03, 0.06), self._scalar(0.2, 0.26)
        self.blinking = self._blinking()

    def _paint_eye(self, side):
        x, y, size = self.face_x - side * self.eye_x, self.face_y - self.eye_y, self.eye_size
        openness = (0.62 + 0.6 * self.lid).clamp(0.1, 1.1) * (1 - 0.95 * self.blinking)
        opening = torch.sigmoid(-_ellipse(x, y, size, (0.85 * size * openness).clamp(min=0.012)) / self.softness)
        opening = opening * (openness / 0.3).clamp(max=1)  # a closed eye is invisible
        iris = torch.sigmoid((0.6 * size - torch.hypot(x, y)) / self.softness)[:, :, None]
        self._blend(opening, 0.92 + (self.iris - 0.92) * iris)
        outwards = side * x
        course = -self.brow_y - 0.15 * self.brow + 0.4 * self.inner_brow * outwards + 0.5 * outwards**2
        brow = torch.maximum((y - course).abs() - self.brow_width, outwards.abs() - 1.35 * size)
        self._paint(brow, 0.6 * self.hair)

    def _paint_mouth(self):
        width = self._scalar(0.28, 0.36) * (1 + self.mouth_width)
        across = self.face_x / width
        from_course = (self.face_y - self.mouth_y + 0.24 * self.smile * (across**2 - 0.45)).abs()
        fullness = (1 - across**2).clamp(min=0).sqrt()
        lips = (1 - self._scalar(0, 0.25)[:, :, None]) * _tone(LIP_TONE) * self.skin
        for thickness, reach, colour in (
            ((0.055 + 0.16 * self.mouth_open) * fullness, 1.0, lips),
            (0.16 * self.mouth_open * fullness - 0.004, 0.85, torch.full_like(lips, 0.08)),
            (0.012, 0.95, 0.35 * lips),  # where the lips meet
        ):
            self._paint(torch.maximum(from_course - thickness, (across.abs() - reach) * width), colour)

    def _paint(self, distance, colour, softness=None, opacity=1.0):
        """Fill where a signed `distance` (clips, frames, height, width) to an outline is negative."""
        self._blend(opacity * torch.sigmoid(-distance / (softness or self.softness)), colour)

    def _blend(self, share, colour):
        self.canvas = self.canvas + share[:, :, None] * (colour - self.canvas)

    # Random draws

    def _uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(self.count, *shape, generator=self.generator)

    def _scalar(self, low, high):
        return self._uniform(low, high, 1, 1, 1)

    def _colour(self, low, high):
        return self._uniform(low, high, 1, 3, 1, 1)

    def _some(self, share):
        """1 for this share of the clips, else 0: (clips, 1)."""
        return (self._uniform(0, 1, 1) < share).float()


def _ellipse(x, y, width, height):
    """Approximate signed distance to an axis-aligned ellipse around the origin; negative inside."""
    first = ((x / width) ** 2 + (y / height) ** 2 + 1e-6).sqrt()
    second = ((x / width**2) ** 2 + (y / height**2) ** 2 + 1e-6).sqrt()
    return first * (first - 1) / second


def _tone(colour):
    return torch.tensor(colour).view(1, 1, 3, 1, 1)
