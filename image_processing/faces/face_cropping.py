"""Following the faces of a video and cutting them out, as the corpora show them that models are trained on."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from PIL import Image

from ..decoding.frame_stream import SAME_TIME, TimedFrame
from .face_detection import CenterFaceDetector, FaceDetector
from .face_tracking import FaceTracker


@dataclass
class Face:
    """A face in a frame.

    Attributes:
        person (`int`): Whose it is: 0 for the first person of the video, and so on. Somebody who is out of sight for
            longer than `max_gap` comes back as another person: faces are followed, not recognised.
        box (`np.ndarray`): The square to cut out, in pixels, float (4,): left, top, right, bottom.
    """

    person: int
    box: np.ndarray


class FaceCropper:
    """Follows the faces of a video, forward only, holding a second or two of frames.

    A frame's faces are settled when the detector has seen what comes within `max_gap` and the reach of the smoothing
    after it. Frames are held until then, as the decoder gave them: 1.6 seconds of them by default.

    Args:
        detector: Finds the faces of a picture; CenterFace by default.
        margin: Side of the square that is cut out, in longer sides of the detected box, which reaches from the upper
            forehead to the chin. With 1.3 a face fills its crop as in DFEW's aligned frames and in VoxCeleb2's
            after the published crop: the head's outline is in, the shoulders are not.
        detections_per_second: How often faces are looked for. In between, boxes are interpolated.
        smoothing: Seconds before and after, over which boxes are averaged.
        max_gap: Seconds for which a face may not be found, and is taken to move in a straight line.

    Raises:
        FacesExtraMissingError: If there is no detector, and that of the extra is not installed.
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        detector: FaceDetector | None = None,
        margin: float = 1.3,
        detections_per_second: float = 5.0,
        smoothing: float = 0.4,
        max_gap: float = 1.0,
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

    def follow(self, frames: Iterable[TimedFrame]) -> Iterator[tuple[TimedFrame, list[Face]]]:
        """Each frame with the faces in it, none if there is nobody.

        Args:
            frames: Frames of a video, in their order.
        """
        tracker = FaceTracker(max_gap=self.max_gap)
        people = count()
        delay = self.max_gap + self.smoothing + self.interval
        waiting = deque()
        for frame in self._detecting(frames, tracker):
            waiting.append(frame)
            while frame.time - waiting[0].time > delay:
                settled = waiting.popleft()
                yield settled, self._faces(settled, tracker, people)
                tracker.forget_before(settled.time, self.smoothing)
        while waiting:
            settled = waiting.popleft()
            yield settled, self._faces(settled, tracker, people)

    def _detecting(self, frames: Iterable[TimedFrame], tracker: FaceTracker) -> Iterator[TimedFrame]:
        """The frames, after the tracker was told of the faces in those whose turn it is."""
        due, detected, frame = 0.0, None, None
        for frame in frames:
            if frame.time >= due - SAME_TIME:
                if detected is None or frame.index != detected.index:  # else it is the same picture, still shown
                    faces = self.detector(frame.image)
                tracker.update(frame.time, faces)
                detected = frame
                due = self.interval * (math.floor((frame.time + SAME_TIME) / self.interval) + 1)
            yield frame
        if frame is not detected:  # so that tracks go on to the end
            tracker.update(frame.time, self.detector(frame.image))

    def _faces(self, frame: TimedFrame, tracker: FaceTracker, people: Iterator[int]) -> list[Face]:
        faces = []
        for track in tracker.tracks:
            box = track.box(frame.time, self.smoothing)
            if box is None:
                continue
            if track.person is None and tracker.is_person(track):
                track.person = next(people)
            if track.person is not None:
                faces.append(Face(track.person, square_around(box, self.margin, frame.image.shape[:2])))
        return sorted(faces, key=lambda face: face.person)


def square_around(box: np.ndarray, margin: float, frame_size: tuple[int, int]) -> np.ndarray:
    """The square with the same centre as a box and `margin` times its longer side, moved and shrunk into the frame.

    Moved rather than padded: a crop that shows more of one side is a picture, black bars are not.

    Args:
        box: Left, top, right, bottom: (4,).
        margin: Factor.
        frame_size: Height and width in pixels.

    Returns:
        Left, top, right, bottom: (4,).
    """
    limits = np.array(frame_size[::-1], dtype=float)
    side = min(margin * (box[2:] - box[:2]).max(), *limits)
    start = ((box[:2] + box[2:] - side) / 2).clip(0, limits - side)
    return np.concatenate([start, start + side])


def crop_face(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Cut a square out of a picture and scale it to `size` pixels.

    Large faces are averaged while they shrink (bilinear with antialiasing), so that they do not flicker.

    Args:
        image: uint8 (height, width, 3).
        box: Left, top, right, bottom edge in pixels, within the picture; fractions count.
        size: Height and width of the result.

    Returns:
        uint8 (size, size, 3).
    """
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=tuple(box)))
