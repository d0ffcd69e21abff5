"""Follows the faces of a video, and crops them as in the corpora that models are trained on."""

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from PIL import Image

from ..decoding.frame_stream import TimedFrame
from ..decoding.section import SAME_TIME
from .face_alignment import aligned_box, fit_landmarks
from .face_detection import CenterFaceDetector, FaceDetector
from .face_identification import NewPeople, People
from .face_tracking import FaceTracker


SECONDS_LOCK = threading.Lock()  # not an attribute, because a lock cannot be pickled


@dataclass
class Face:
    """A face in a frame.

    Attributes:
        person (`int`): Number of the person in the video, from 0. A person who returns after a cut, or after more than
            `max_gap` seconds, has a new number, unless people are identified.
        box (`np.ndarray`): The square to crop, float (4,): left, top, right, bottom in pixels.
        angle (`float`): Clockwise rotation of the square around its centre, in degrees. 0 without alignment.
    """

    person: int
    box: np.ndarray
    angle: float = 0.0

    def crop(self, image: np.ndarray, size: int) -> np.ndarray:
        """The crop of the face, as `crop_face` makes it."""
        return crop_face(image, self.box, size, self.angle)


class FaceCropper:
    """Finds the faces in all frames of a video, in one pass.

    The faces of a frame depend on the detections up to `max_gap + smoothing` seconds later. Only the frames of this
    time are in memory: 1.6 seconds by default.

    Args:
        detector: Finds the faces of a picture. The default is CenterFace.
        margin: Side of the crop as a multiple of the longer side of the detected box. This box reaches from the upper
            forehead to the chin. A crop with 1.3 looks like DFEW's aligned frames and like VoxCeleb2's frames after
            the published crop: it has the outline of the head but not the shoulders.
        detections_per_second: How often the detector runs. Boxes in between are interpolated.
        smoothing: Boxes are averaged over this many seconds before and after a frame.
        max_gap: Longest time without a detection of a face, in seconds. The box moves in a straight line meanwhile.
        align: Rotate and scale the crops of a face so that its eyes are level and its size is constant. The landmarks
            of the detector are smoothed over time. Without reliable landmarks, the crop is the upright box.

    Attributes:
        detector_seconds, total_seconds (`float`): Time in the detector, and between the first and the last frame of a
            video, in all threads so far.

    Raises:
        MissingExtraError: If `detector` is not given, and the extra "faces" is not installed.
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        detector: FaceDetector | None = None,
        margin: float = 1.3,
        detections_per_second: float = 5.0,
        smoothing: float = 0.4,
        max_gap: float = 1.0,
        align: bool = True,
    ):
        if margin < 1 or detections_per_second <= 0 or smoothing < 0 or max_gap < 0:
            raise ValueError(
                f"margin={margin} must be at least 1, detections_per_second={detections_per_second} above 0, "
                f"smoothing={smoothing} and max_gap={max_gap} at least 0."
            )
        self.detector = CenterFaceDetector() if detector is None else detector
        self.margin = margin
        self.interval = 1 / detections_per_second
        self.smoothing = smoothing
        self.max_gap = max_gap
        self.align = align
        self.detector_seconds = self.total_seconds = 0.0

    @property
    def settings(self) -> dict[str, float | bool]:
        """The numbers on which crops depend, by name, without those of the detector."""
        names = ("margin", "interval", "smoothing", "max_gap", "align")
        return {name: getattr(self, name) for name in names}

    @property
    def detector_share(self) -> float | None:
        """Share of the total time that was spent in the detector. None before the first video."""
        return self.detector_seconds / self.total_seconds if self.total_seconds else None

    def follow(
        self, frames: Iterable[TimedFrame], align: bool | None = None, identify: bool = False
    ) -> Iterator[tuple[TimedFrame, list[Face]]]:
        """Yield each frame of a video with its faces, sorted by person. Frames must come in the order of time.

        A person is followed within a shot. Frames have their shots if `find_cuts` was called for the video.

        Args:
            frames: The frames.
            align: Replaces the setting of the cropper for this video.
            identify: Recognise people who are seen again, after a cut or a pause, and give them their number.

        Raises:
            MissingExtraError: If people are to be identified, and the extra "identify" is not installed.
            ValueError: If people are to be identified, and the detector gives no landmarks.
        """
        start, detector = time.perf_counter(), _TimedDetector(self.detector)
        people = People() if identify else NewPeople()
        try:
            for _, shot in groupby(frames, key=lambda frame: frame.shot):
                yield from self._follow_in_shot(shot, detector, people, self.align if align is None else align)
        finally:
            with SECONDS_LOCK:
                self.detector_seconds += detector.seconds
                self.total_seconds += time.perf_counter() - start

    def _follow_in_shot(
        self, frames: Iterable[TimedFrame], detector: FaceDetector, people: People | NewPeople, align: bool
    ) -> Iterator[tuple[TimedFrame, list[Face]]]:
        tracker = FaceTracker(max_gap=self.max_gap)
        delay = self.max_gap + self.smoothing + self.interval
        waiting = deque()
        for frame in self._track(frames, detector, tracker, people):
            waiting.append(frame)
            while frame.time - waiting[0].time > delay:
                complete = waiting.popleft()
                yield complete, self._faces(complete, tracker, people, align)
                tracker.discard_before(complete.time, self.smoothing)
        for complete in waiting:
            yield complete, self._faces(complete, tracker, people, align)

    def _track(
        self, frames: Iterable[TimedFrame], detector: FaceDetector, tracker: FaceTracker, people: People | NewPeople
    ) -> Iterator[TimedFrame]:
        """Yield the frames. The tracker gets the faces of one frame in each interval, and of the last frame."""
        next_time, detected, frame = 0.0, None, None
        for frame in frames:
            if frame.time >= next_time - SAME_TIME:
                if detected is None or frame.index != detected.index:  # otherwise the picture has not changed
                    faces = detector(frame.image)
                people.look(frame.image, tracker.update(frame.time, faces, frame.image))
                detected = frame
                next_time = self.interval * (math.floor((frame.time + SAME_TIME) / self.interval) + 1)
            yield frame
        if frame is not detected:
            people.look(frame.image, tracker.update(frame.time, detector(frame.image), frame.image))

    def _faces(self, frame: TimedFrame, tracker: FaceTracker, people: People | NewPeople, align: bool) -> list[Face]:
        faces = []
        for track in tracker.tracks:
            face = track.face(frame.time, self.smoothing)
            if face is None:
                continue
            if track.person is None and tracker.is_person(track):
                present = {other.person for other in tracker.tracks if other.end >= track.start}
                track.person = people.number(track, present)
            if track.person is not None:
                box, angle = aligned_box(face[:4], face[-5:]) if align else (face[:4], 0.0)
                faces.append(Face(track.person, square_around(box, self.margin, frame.image.shape[:2]), angle))
        return sorted(faces, key=lambda face: face.person)


class _TimedDetector:
    """Adds the fits of landmarks to the faces that a detector finds, as five last columns, and counts its seconds."""

    def __init__(self, detector: FaceDetector):
        self.detector, self.seconds = detector, 0.0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        faces = np.asarray(self.detector(image))
        self.seconds += time.perf_counter() - start
        return np.column_stack([faces, fit_landmarks(faces)])


def square_around(box: np.ndarray, margin: float, frame_size: tuple[int, int]) -> np.ndarray:
    """The square with the centre of a box and `margin` times its longer side.

    A square that reaches beyond the frame is moved into it, and reduced to the shorter side of the frame if needed.
    Black bars would not look like the training data. Boxes are left, top, right and bottom edge in pixels, float (4,).
    """
    limits = np.array(frame_size[::-1], dtype=float)
    side = min(margin * (box[2:] - box[:2]).max(), *limits)
    start = ((box[:2] + box[2:] - side) / 2).clip(0, limits - side)
    return np.concatenate([start, start + side])


def crop_face(image: np.ndarray, box: np.ndarray, size: int, angle: float = 0.0) -> np.ndarray:
    """Crop a square, rotate it upright and resize it to `size` pixels, with antialiasing.

    The corners of a rotated square may lie outside the picture. There, the nearest pixel at the edge of the picture is
    repeated.

    Args:
        image: uint8 (height, width, 3).
        box: Left, top, right, bottom edge in pixels, within the picture. They need not be whole numbers.
        size: Height and width of the result.
        angle: Clockwise rotation of the square around its centre, in degrees.

    Returns:
        uint8 (size, size, 3).
    """
    if angle == 0:
        return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=tuple(box)))
    box = np.asarray(box)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    scale = (box[2] - box[0]) / size
    # The picture is resized first, because only `resize` has antialiasing. Bicubic rotation needs two more pixels.
    length = math.ceil(size * (abs(cosine) + abs(sine))) + 4
    start = (box[:2] + box[2:] - length * scale) / 2
    corner = np.floor(start).astype(int)
    columns, rows = (np.arange(first, first + math.ceil(length * scale) + 2) for first in corner)
    around = image.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip")
    place = (*(start - corner), *(start - corner + length * scale))
    resized = Image.fromarray(around).resize((length, length), Image.Resampling.BILINEAR, box=place)
    x, y = (length - size * np.array([cosine - sine, sine + cosine])) / 2
    matrix = (cosine, -sine, x, sine, cosine, y)
    return np.asarray(resized.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))
