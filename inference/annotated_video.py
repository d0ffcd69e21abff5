"""Writes a video with its sound, boxes, labels and, below the picture, the scores over time."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from textwrap import wrap

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from ..extras import needs_extra
from ..figures.style import text_colour_on
from ..files import whole_file
from ..hub.answer_kind import AnswerKind
from ..image_processing import open_frames
from ..image_processing.decoding.video_sources import local_path
from .sound import Sound, open_sound
from .timeline import shown_number
from .timeline_figure import draw_strip, label_colours, people_to_draw, time_span


with needs_extra("figures"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure


DOTS_PER_INCH = 100
LEGEND_FONT_SIZE, LEGEND_ROW = 12, 18  # pixels
FARTHEST_BOX = 0.5  # seconds; no box is drawn if the nearest known box is farther than this and than a step
TIME_BASE = Fraction(1, 1000)
MOST_ANSWERS = 4  # lines beside a face; more would hide it
MOST_LETTERS = 24  # of a label beside a face; the legend has the whole label
SMALL, ENLARGED = 64, 192  # pixels; a frame with a side below the first is enlarged to the second, so that texts fit
NEUTRAL = (0.25, 0.25, 0.25)  # RGB of a box without a predicted label
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # makes text legible on any colour


def annotate_video(
    video,
    result: dict,
    path: str | os.PathLike,
    frame_rate: float | None = None,
    show_progress: bool = False,
    *,
    backend: str | None = None,
    frame_order: str = "natural",
    stream: int | None = None,
):
    """Write a video with a result of `FacialExpressionPipeline` drawn into it, atomically.

    If the result is of a section, only the section is written.

    The sound is copied if the container of the new video allows it. Otherwise it is encoded again (AAC; Opus in WebM;
    MP3 in AVI). A video without sound stays silent.

    A box has the answer of the window whose middle is nearest in time: the predicted labels with their scores, or the
    quantities. Below the picture, a strip for each person shows the scores over time, with a line at the current time.
    At most six people have a strip: those who are seen for the longest time. Frames with a side
    below 64 pixels are enlarged.

    Args:
        video: The input of the pipeline. It is decoded again.
        result: The result of a call with `return_boxes=True`. Without boxes (`crop_faces=False`), the label is in the
            corner.
        path: File to write. Its suffix chooses the container: `.mp4`, `.mkv`, `.webm`, `.avi` or `.mov`.
        frame_rate: As for the pipeline.
        show_progress: Show a progress bar.
        backend, frame_order, stream: As for the pipeline or its processor.

    Raises:
        VideoReadError: If the video cannot be read.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    reading = {"backend": backend, "frame_order": frame_order, "stream": stream}
    with (
        whole_file(path) as file,
        _downloaded(video) as video,
        open_frames(video, frame_rate, **reading, start=result.get("start"), end=result.get("end")) as frames,
        open_sound(video, stream, frames.start) as sound,
        _create(file, path) as container,
    ):
        painter, pts = None, -1
        total = None if frames.duration is None else round(frames.duration * frames.frame_rate)
        for frame in tqdm(frames, "Annotating", total, leave=False, disable=not show_progress):
            time = max(frame.time - frames.start, 0.0)  # in the new video
            if painter is None:
                painter = _Painter(result, *frame.image.shape[:2])
                with _explained_errors(path, file):
                    output = _add_streams(container, painter.size, frames.frame_rate, sound)
            painted = av.VideoFrame.from_image(painter.paint(frame.image, frames.start + time))
            pts = max(round(time / TIME_BASE), pts + 1)  # an encoder refuses equal times
            painted.pts, painted.time_base = pts, TIME_BASE
            container.mux(output.encode(painted))
            _add_sound(container, sound, until=time)
        for packet in output.encode():
            if packet.pts * packet.time_base == pts * TIME_BASE:
                packet.duration = round((frames.passed - frames.start - pts * TIME_BASE) / packet.time_base)
            container.mux(packet)
        _add_sound(container, sound, until=frames.end - frames.start)


@contextlib.contextmanager
def _downloaded(video) -> Iterator:
    """The video, or the path of its file if it is an address, so that pictures and sound need one download."""
    if not isinstance(video, (str, os.PathLike)):
        yield video
        return
    with local_path(os.fspath(video)) as path:
        yield path


def _add_sound(container, sound: Sound | None, until: float):
    for packet in sound.packets_until(until) if sound is not None else ():
        with contextlib.suppress(av.error.InvalidDataError, av.error.ArgumentError):  # a damaged packet, as in players
            container.mux(packet)


@contextlib.contextmanager
def _explained_errors(path: Path, file: Path):
    """Name `path` instead of the unfinished `file` in errors, and the containers that can be written."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).replace(str(file), str(path))
        raise OSError(
            f"'{path}' cannot be written as a video ({reason}). Choose a writable folder and a name that ends in "
            ".mp4, .mkv, .webm, .avi or .mov."
        ) from error


def _create(file: Path, path: Path):
    with _explained_errors(path, file):
        return av.open(str(file), "w")


def _add_streams(container, size: tuple[int, int], frame_rate: float, sound: Sound | None):
    """Add streams and open the encoders, so that a wrong container is refused before a frame is painted.

    Returns:
        The video stream.
    """
    stream = container.add_stream(container.default_video_codec, rate=Fraction(frame_rate).limit_denominator(1001))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    if sound is not None:
        sound.add_to(container)
    container.start_encoding()
    return stream


class _Painter:
    """Paints a result into the frames of a video.

    Args:
        result: As for `annotate_video`.
        height, width: Size of the frames in pixels.
    """

    def __init__(self, result: dict, height: int, width: int):
        self.scale = -(-ENLARGED // min(height, width)) if min(height, width) < SMALL else 1
        self.height, self.width = self.scale * height, self.scale * width
        self.tracks = [_Track(result, person["person"], self.scale) for person in result["people"]]
        self.kind = AnswerKind.of_result(result)
        self.colours = label_colours(result["timeline"][0]["scores"]) if result["timeline"] else {}
        self.start, self.end = time_span(result)
        self.strips = self._draw_strips(result)
        units = {self.kind.with_unit(label): each for label, each in self.colours.items()}
        self.legend = draw_legend(units, self.width)
        # Chroma is stored for 2 x 2 pixels, so heights and widths must be even.
        self.size = (self.width // 2 * 2, (self.height + self.strips.height + self.legend.height) // 2 * 2)
        self.line_width = max(min(self.height, self.width) // 200, 2)
        self.font = ImageFont.load_default(max(min(self.height, self.width) // 22, 12))

    def paint(self, image: np.ndarray, time: float) -> Image.Image:
        """Paint boxes, labels and strips for a frame that is shown at `time`."""
        painted = Image.new("RGB", self.size)
        painted.paste(Image.fromarray(image).resize((self.width, self.height)), (0, 0))
        painted.paste(self.strips, (0, self.height))
        painted.paste(self.legend, (0, self.height + self.strips.height))
        draw = ImageDraw.Draw(painted)
        for track in self.tracks:
            if track.start <= time <= track.end:
                self._draw_person(draw, track, time)
        x = round(min((time - self.start) / (self.end - self.start), 1) * (self.width - 1))
        draw.line((x, self.height, x, self.height + self.strips.height), "white", 4)
        draw.line((x, self.height, x, self.height + self.strips.height), "black", 2)
        return painted

    def _draw_person(self, draw: ImageDraw.ImageDraw, track: "_Track", time: float):
        scores = track.entry(time)["scores"]
        best = max(self.kind.top(scores), key=scores.get, default=None)
        fill = self.colours.get(best, NEUTRAL)
        colour = tuple(round(255 * value) for value in fill)
        corner = (0, 0)
        if track.has_boxes:
            corners = track.corners(time)
            if corners is None:
                return
            draw.polygon(corners, outline=colour, width=self.line_width)
            corner = np.reshape(corners, (4, 2)).min(axis=0)
        lines = self._answer(scores)
        lines[0] = f"person {shown_number(track.person)}: {lines[0]}"
        room = self.width - 4 * self.line_width
        text = "\n".join(part for line in lines for part in _lines_that_fit(line, self.font, room))
        left, top, right, bottom = draw.textbbox((0, 0), text, self.font)
        margin = 2 * self.line_width
        above = corner[1] - bottom - margin  # beside the box if there is room, so that the face is seen
        y = above if track.has_boxes and above + top >= 0 else corner[1] + margin
        place = (max(min(corner[0] + margin, self.width - right), -left), max(min(y, self.height - bottom), -top))
        draw.rectangle(draw.textbbox(place, text, self.font), fill=colour)
        draw.text(place, text, text_colour_on(fill), self.font)

    def _answer(self, scores: dict[str, float]) -> list[str]:
        """A line for each predicted label or quantity, at most `MOST_ANSWERS`."""
        labels = self.kind.top(scores) if self.kind.is_probability else self.kind.labels
        lines = [f"{_shortened(label)} {self.kind.short(scores[label])}" for label in labels] or [self.kind.none]
        hidden = len(lines) - MOST_ANSWERS
        return lines if hidden <= 0 else [*lines[:MOST_ANSWERS], f"and {hidden} more"]

    def _draw_strips(self, result: dict) -> Image.Image:
        people = people_to_draw(result)
        if not people:
            return Image.new("RGB", (self.width, 0))
        height = max(self.height // 8, 32) * len(people)
        figure = Figure(figsize=(self.width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
        for index, person in enumerate(people):
            axes = figure.add_axes((0, 1 - (index + 1) / len(people), 1, 1 / len(people)))
            draw_strip(axes, result, person)
            axes.set(xlim=(self.start, self.end), xticks=[], yticks=[])
            axes.text(
                0.005,
                0.9,
                f"person {shown_number(person)}",
                transform=axes.transAxes,
                va="top",
                fontsize=8,
                bbox=PLATE,
            )
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def draw_legend(colours: dict[str, tuple[float, float, float]], width: int) -> Image.Image:
    """Draw label names beside squares of their colours, in as many rows of `width` pixels as needed."""
    font = ImageFont.load_default(LEGEND_FONT_SIZE)
    places, x, row = [], 0, 0
    for label in colours:
        lines = _lines_that_fit(label, font, width - LEGEND_ROW)
        room = LEGEND_ROW + round(max(map(font.getlength, lines))) + 10
        if x and (x + room > width or len(lines) > 1):
            x, row = 0, row + 1
        places.append((x, row * LEGEND_ROW, lines))
        x += room
        if len(lines) > 1:  # the next label begins a row
            x, row = width, row + len(lines) - 1
    legend = Image.new("RGB", (width, (row + 1) * LEGEND_ROW if places else 0), "white")
    draw = ImageDraw.Draw(legend)
    for colour, (left, top, lines) in zip(colours.values(), places, strict=True):
        fill = tuple(round(255 * part) for part in colour)
        draw.rectangle((left + 4, top + 4, left + 14, top + 14), fill=fill)
        for number, line in enumerate(lines):
            middle = top + number * LEGEND_ROW + LEGEND_ROW // 2
            draw.text((left + LEGEND_ROW, middle), line, "black", font, anchor="lm")
    return legend


def _lines_that_fit(text: str, font, width: int) -> list[str]:
    """The parts of a text that fit into a width in pixels. Words that are too long are broken."""
    letters = len(text)
    while letters > 1 and max(map(font.getlength, wrap(text, letters)), default=0) > width:
        letters -= 1
    return wrap(text, letters) or [text]


def _shortened(label: str) -> str:
    """A label without its middle if it is long."""
    half = MOST_LETTERS // 2
    return label if len(label) <= MOST_LETTERS else f"{label[: half - 2]}...{label[1 - half :]}"


class _Track:
    """Boxes and scores of a person by time.

    Args:
        result: As for `annotate_video`.
        person: Number of the person.
        scale: How many times larger the frames are drawn.
    """

    def __init__(self, result: dict, person: int, scale: int = 1):
        self.person = person
        self.entries = [entry for entry in result["timeline"] if entry["person"] == person]
        self.starts, self.ends = (np.array([entry[name] for entry in self.entries]) for name in ("start", "end"))
        self.middles = np.array([(entry["start"] + entry["end"]) / 2 for entry in self.entries])
        self.start = self.entries[0]["start"]
        self.end = max(entry["end"] for entry in self.entries)
        rows = {}
        for entry in self.entries:
            boxes = entry.get("boxes", [])
            angles = entry.get("angles", [0.0] * len(boxes))  # results of earlier versions have none
            rows |= {row[0]: (*row[1:], angle) for row, angle in zip(boxes, angles, strict=True)}
        self.times = np.array(sorted(rows))
        self.boxes = np.array([rows[time] for time in self.times], dtype=float)  # left, top, right, bottom, degrees
        if len(rows):
            self.boxes[:, :4] *= scale
            self.boxes[:, 4] = np.unwrap(self.boxes[:, 4], period=360)
        steps = np.diff(self.times)
        self.cuts = result.get("cuts", [])
        self.shots = np.searchsorted(self.cuts, self.times, "right")
        self.reach = max(FARTHEST_BOX, float(np.median(steps))) if len(steps) else FARTHEST_BOX

    @property
    def has_boxes(self) -> bool:
        """Whether the result has boxes of the person."""
        return len(self.times) > 0

    def entry(self, time: float) -> dict:
        """The window whose middle is nearest to a time, of the windows that hold this time if there are any."""
        is_outside = (time < self.starts) | (time >= self.ends)
        return self.entries[np.lexsort((np.abs(self.middles - time), is_outside))[0]]

    def corners(self, time: float) -> list[float] | None:
        """The corners of the rotated box at a time, interpolated linearly in a shot. None if no known box is near.

        Returns:
            x, y of the upper left corner in pixels, and of the others clockwise.
        """
        is_same_shot = self.shots == np.searchsorted(self.cuts, time, "right")
        times, boxes = self.times[is_same_shot], self.boxes[is_same_shot]
        if np.abs(times - time).min(initial=np.inf) > self.reach:
            return None
        left, top, right, bottom, angle = (np.interp(time, times, column) for column in boxes.T)
        centre, half = complex(left + right, top + bottom) / 2, complex(right - left, bottom - top) / 2
        turn = np.exp(1j * np.radians(angle))
        corners = [centre + turn * each for each in (-half, half.conjugate(), half, -half.conjugate())]
        return [float(number) for corner in corners for number in (corner.real, corner.imag)]
