"""Compares crops of faces with and without alignment, on videos that are rotated.

Each video is rotated by fixed angles and by a rocking one. The true eyes come from the detector on the upright frames.
They are followed through the rotation into the crops. So the figures do not depend on how well the detector works on
rotated faces.

    python benchmarks/face_alignment.py FOLDER_OF_VIDEOS

It writes `alignment.json`, and a picture of crops for each video, to the output folder.
"""

import functools
import math
from pathlib import Path

import numpy as np
from measuring import RESULTS, make_parser, print_header, print_row, record
from PIL import Image, ImageDraw

from lgi_former.image_processing import CenterFaceDetector, FaceCropper, TimedFrame, open_frames


LONGEST_SIDE = 640  # of the frames, as the detector sees them
SIZE = 224  # of the crops
THUMBNAIL, COLUMNS, LEGEND = 80, 8, 64  # pixels, pictures, pixels
ROCKING = "rocking"
ANGLES = (-40, -20, 0, 20, 40, ROCKING)
SHOWN = (-40, 0, 40, ROCKING)  # in the picture
LARGEST_ANGLE, PERIOD = 40, 4  # degrees and seconds of the rocking head


def angle_at(setting: int | str, time: float) -> float:
    """The clockwise rotation of a frame in degrees."""
    return LARGEST_ANGLE * math.sin(2 * math.pi * time / PERIOD) if setting == ROCKING else setting


def turn(degrees: float) -> np.ndarray:
    """The matrix that rotates points clockwise."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


class Video:
    """The upright frames of a video in memory, and the eyes in them."""

    def __init__(self, path: Path, detector: CenterFaceDetector, seconds: float):
        self.name, self.images, self.times = path.stem, [], []
        with open_frames(path) as stream:
            for frame in stream:
                if frame.time > seconds:
                    break
                image = Image.fromarray(frame.image)
                image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                self.images.append(image)
                self.times.append(frame.time)
        found = [detector(np.asarray(image)) for image in self.images]
        self.eyes = [faces[0, 5:9].reshape(2, 2) if len(faces) else None for faces in found]
        self.side = math.ceil(math.hypot(*self.images[0].size)) if self.images else 0

    def rotated(self, setting: int | str) -> list[TimedFrame]:
        """The rotated frames, on a square that holds every rotation. Upright frames do not change."""
        frames = []
        for index, (image, time) in enumerate(zip(self.images, self.times, strict=True)):
            read = functools.partial(self._rotate, image, angle_at(setting, time))
            frames.append(TimedFrame(index, time, read if setting else functools.partial(np.asarray, image)))
        return frames

    def _rotate(self, image: Image.Image, degrees: float) -> np.ndarray:
        square = Image.new("RGB", (self.side, self.side))
        square.paste(image, tuple((self.side - edge) // 2 for edge in image.size))
        return np.asarray(square.rotate(-degrees, Image.Resampling.BICUBIC))

    def rotated_eyes(self, index: int, setting: int | str) -> np.ndarray:
        """x and y of both eyes in the rotated frame."""
        if setting == 0:
            return self.eyes[index]
        offset = np.array([(self.side - edge) // 2 for edge in self.images[index].size])
        middle = self.side / 2
        return (self.eyes[index] + offset - middle) @ turn(angle_at(setting, self.times[index])).T + middle


def crops_of(
    video: Video, setting: int | str, frames: list[TimedFrame], cropper: FaceCropper
) -> tuple[dict[str, float], list[Image.Image]]:
    """Figures of the crops of a rotated video, and thumbnails at equal intervals."""
    eyes, thumbnails, seen = [], [], 0
    shown = np.linspace(0, len(video.images) - 1, COLUMNS + 2).astype(int)[1:-1]
    for frame, faces in cropper.follow(frames):
        if video.eyes[frame.index] is None:
            continue
        seen += 1
        if not faces:
            continue
        face = faces[0]
        scale = SIZE / (face.box[2] - face.box[0])
        centre = (face.box[:2] + face.box[2:]) / 2
        eyes.append((video.rotated_eyes(frame.index, setting) - centre) @ turn(-face.angle).T * scale + SIZE / 2)
        if frame.index in shown:
            thumbnails.append(Image.fromarray(face.crop(frame.image, THUMBNAIL)))
    return figures(np.array(eyes), seen), thumbnails


def figures(eyes: np.ndarray, seen: int) -> dict[str, float]:
    """Figures of eyes (frames, 2, 2) in crops: angles in degrees, distances in pixels of a crop of `SIZE`."""
    lines = eyes[:, 1] - eyes[:, 0]
    angles = np.degrees(np.arctan2(lines[:, 1], lines[:, 0]))
    return {
        "found": len(eyes) / seen,
        "mean_angle": float(abs(angles).mean()),
        "largest_angle": float(abs(angles).max()),
        "spread_of_eyes": float(np.sqrt(eyes.var(axis=0).sum(axis=-1).mean())),
        "step_of_eyes": float(np.hypot(*np.moveaxis(np.diff(eyes, axis=0), -1, 0)).mean()),
        "eye_distance": float(np.hypot(*lines.T).mean()),
    }


class RememberingDetector:
    """Detects the faces of a picture in memory once, although it is cropped with and without alignment."""

    def __init__(self, detector: CenterFaceDetector):
        self.detector, self.found = detector, {}

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if id(image) not in self.found:
            self.found[id(image)] = self.detector(image)
        return self.found[id(image)]


def sheet(rows: dict[str, list[Image.Image]]) -> Image.Image:
    """Thumbnails in rows, after the names of the rows."""
    picture = Image.new("RGB", (LEGEND + COLUMNS * THUMBNAIL, len(rows) * THUMBNAIL), "white")
    draw = ImageDraw.Draw(picture)
    for y, (name, row) in enumerate(rows.items()):
        draw.text((4, (y + 0.5) * THUMBNAIL), name, "black", anchor="lm")
        for x, thumbnail in enumerate(row):
            picture.paste(thumbnail, (LEGEND + x * THUMBNAIL, y * THUMBNAIL))
    return picture


def main():
    parser = make_parser(__doc__)
    parser.add_argument("videos", type=Path, help="folder with videos of one person each")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each video (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=RESULTS, help="folder for the pictures")
    arguments = parser.parse_args()
    detector, results = CenterFaceDetector(num_threads=1), {}
    print_header(["video", "rotation", "crops", "found", "mean angle", "largest angle", "spread", "step", "eyes"])
    for path in sorted(arguments.videos.iterdir()):
        video, rows = Video(path, detector, arguments.seconds), {}
        if all(eyes is None for eyes in video.eyes):
            continue
        for setting in ANGLES:
            remembering, frames = RememberingDetector(detector), video.rotated(setting)
            for align in (False, True):
                measured, thumbnails = crops_of(video, setting, frames, FaceCropper(remembering, align=align))
                name = "aligned" if align else "box"
                results[f"{video.name} {setting} {name}"] = measured
                if setting in SHOWN:
                    rows[f"{setting}\n{name}"] = thumbnails
                found, *others = measured.values()
                cells = [f"{found:.0%}", *(f"{number:.1f}" for number in others)]
                print_row([video.name, setting, name, *cells])
        sheet(rows).save(arguments.pictures / f"alignment_{video.name}.jpg", quality=85)
    arguments.videos, arguments.pictures = arguments.videos.name, arguments.pictures.name
    record("alignment", arguments, results)


if __name__ == "__main__":
    main()
