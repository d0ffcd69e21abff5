"""Joins the faces found in single frames to tracks, one for each person.

A face joins a track whose expected box it overlaps, with the optimal assignment of SORT (Bewley et al., 2016,
https://arxiv.org/abs/1602.00763). The expected box moves on with the velocity of the face, because the detector finds
one face while two people cross. The colours of the faces help to choose between tracks, because people may also turn
back where they meet. Faces and tracks that are left may join over a short distance, as in ByteTrack (Zhang et al.,
2022, https://arxiv.org/abs/2110.06864): a face may move by its own width between two detections.

A track stays open for a short time without a face, because detectors miss faces.
"""

import bisect
from collections import deque

import numpy as np
import torch
from torchvision.ops import box_iou

from ...extras import needs_extra
from .face_appearance import appearance, likeness


SMOOTHING_OFFSETS = np.linspace(-1, 1, 9)  # times of the averaged boxes, as multiples of the smoothing
SMOOTHING_WEIGHTS = (1.25 - abs(SMOOTHING_OFFSETS)) / (1.25 - abs(SMOOTHING_OFFSETS)).sum()  # a triangle

VELOCITY_SECONDS = 0.6  # time over which a velocity is measured
LAST_PLACE_WEIGHT = 0.5  # of the overlap with the last face, beside 1 of that with the expected box: people may stop
LOOKS_WEIGHT = 3.0  # of the likeness: two people may turn back where they meet
NEW_APPEARANCE_WEIGHT = 0.3  # in the running mean of a track
MIN_LIKENESS = 0.85  # of a face and a track that do not overlap
MAX_DISTANCE = 1.2  # of the centres of faces that do not overlap, as a multiple of their mean size
MAX_SIZE_RATIO = 1.5  # of their sizes


class Track:
    """The places of one face over time.

    Args:
        time: When the face was first found, in seconds of the video.
        face: Left, top, right, bottom edge in pixels, and score: (5,). More numbers may follow.
        looks: The appearance of the face, if it is known.
    """

    def __init__(self, time: float, face: np.ndarray, looks: np.ndarray | None = None):
        self.start = time
        self.num_detections = 0
        self.best_score = 0.0
        self.person = None  # the number of the person, if it is known
        self.looks = looks
        self.embeddings = []  # of the first faces, if people are identified
        self._velocity = np.zeros(2)  # of the centre, in pixels per second
        self._times, self._faces = deque(), deque()
        self.add(time, face)

    def add(self, time: float, face: np.ndarray):
        """Add a later detection of the face."""
        self.num_detections += 1
        self.best_score = max(self.best_score, float(face[4]))
        self._times.append(time)
        self._faces.append(face)
        first = max(bisect.bisect_left(self._times, time - VELOCITY_SECONDS), len(self._times) - 4)
        if time > self._times[first]:
            way = _centres(face[None])[0] - _centres(self._faces[first][None])[0]
            self._velocity = way / (time - self._times[first])

    def learn(self, looks: np.ndarray):
        """Take a look at the face into its mean appearance."""
        mean = (1 - NEW_APPEARANCE_WEIGHT) * self.looks + NEW_APPEARANCE_WEIGHT * looks
        self.looks = mean / np.linalg.norm(mean)

    def expected_box(self, time: float) -> np.ndarray:
        """The box of the face at a later time if it moves on as before: (4,)."""
        return self.last_face[:4] + np.tile(self._velocity * (time - self.end), 2)

    @property
    def end(self) -> float:
        """When the face was last found, in seconds."""
        return self._times[-1]

    @property
    def last_face(self) -> np.ndarray:
        """The last detection, as `add` got it."""
        return self._faces[-1]

    def box(self, time: float, smoothing: float) -> np.ndarray | None:
        """The smoothed box of the face at a time: float (4,). None before the first and after the last detection."""
        face = self.face(time, smoothing)
        return None if face is None else face[:4]

    def face(self, time: float, smoothing: float) -> np.ndarray | None:
        """All smoothed numbers of the face at a time. None before the first and after the last detection.

        Numbers between detections are interpolated linearly. The result is their weighted mean over `smoothing`
        seconds before and after `time`. Without it, boxes vary by a few pixels even if a face does not move.
        """
        if not self.start <= time <= self.end:
            return None
        times = time + smoothing * SMOOTHING_OFFSETS
        columns = np.transpose(self._faces)
        return np.stack([np.interp(times, self._times, column) for column in columns]) @ SMOOTHING_WEIGHTS

    def discard_before(self, time: float):
        """Discard detections that are not needed for boxes whose smoothing begins at `time` or later."""
        while len(self._times) > 1 and self._times[1] <= time:
            self._times.popleft()
            self._faces.popleft()


class FaceTracker:
    """Assigns the faces of each frame to tracks.

    Args:
        min_iou: Smallest overlap (intersection over union) of a face with the last face of its track.
        max_gap: Longest time without a face in a track, in seconds.
        min_score: Smallest best score of a person's track.
        min_detections: Smallest number of detections of a person's track. In shorter videos, each frame that was
            searched must show the face.
    """

    def __init__(self, min_iou: float = 0.3, max_gap: float = 1.0, min_score: float = 0.6, min_detections: int = 3):
        self.min_iou = min_iou
        self.max_gap = max_gap
        self.min_score = min_score
        self.min_detections = min_detections
        self.tracks = []
        self.updates = 0

    def update(self, time: float, faces: np.ndarray, image: np.ndarray | None = None) -> list[Track]:
        """Add the faces of a frame. Frames must come in the order of time. Returns the tracks that got a face.

        Args:
            time: Seconds of the video.
            faces: Left, top, right, bottom edge, score and any further columns: (faces, columns).
            image: The frame, uint8 RGB (height, width, 3). Without it, colours are not compared.
        """
        self.updates += 1
        looks = [None if image is None else appearance(image, face[:4]) for face in faces]
        tracks = [track for track in self.tracks if time - track.end <= self.max_gap]
        alike = _likeness([track.looks for track in tracks], looks)
        expected = _boxes([track.expected_box(time) for track in tracks])
        last = _boxes([track.last_face[:4] for track in tracks])
        overlap, last_overlap = _overlaps(expected, faces), _overlaps(last, faces)

        fits = np.maximum(overlap, last_overlap) >= self.min_iou
        pairs = _assigned((overlap + LAST_PLACE_WEIGHT * last_overlap + LOOKS_WEIGHT * alike) * fits)
        is_left = np.ones_like(fits)
        for track, face in pairs:
            is_left[track, :] = is_left[:, face] = False
        near = np.minimum(_distances(expected, faces), _distances(last, faces)) / MAX_DISTANCE
        fits = is_left & (near < 1) & (alike >= MIN_LIKENESS) & (_size_ratios(last, faces) <= MAX_SIZE_RATIO)
        pairs += _assigned((1 - near + LOOKS_WEIGHT * alike) * fits)

        # Where people overlap, a face may be half hidden by another.
        is_alone = ((overlap > 0).sum(axis=0) <= 1) & ((_overlaps(faces[:, :4], faces) > 0).sum(axis=0) <= 1)
        for track, face in pairs:
            tracks[track].add(time, faces[face])
            if is_alone[face] and looks[face] is not None and tracks[track].looks is not None:
                tracks[track].learn(looks[face])
        known = {face for _, face in pairs}
        new = [Track(time, face, looks[i]) for i, face in enumerate(faces) if i not in known]
        self.tracks += new
        return [*(tracks[track] for track, _ in pairs), *new]

    def is_person(self, track: Track) -> bool:
        """Whether the detections so far show that a track is a face and not an error of the detector."""
        enough = min(self.min_detections, self.updates)
        return track.num_detections >= enough and track.best_score >= self.min_score

    def discard_before(self, time: float, smoothing: float):
        """Discard tracks and detections that boxes after `time` do not need."""
        self.tracks = [track for track in self.tracks if track.end >= time]
        for track in self.tracks:
            track.discard_before(time - smoothing)


def _assigned(scores: np.ndarray) -> list[tuple[int, int]]:
    """The pairs (row, column) with the highest total score. No pair has the score 0."""
    with needs_extra("faces"):
        from scipy.optimize import linear_sum_assignment

    pairs = zip(*linear_sum_assignment(scores, maximize=True), strict=True)
    return [(row, column) for row, column in pairs if scores[row, column] > 0]


def _boxes(boxes: list[np.ndarray]) -> np.ndarray:
    return np.reshape(boxes, (-1, 4))


def _likeness(tracks: list[np.ndarray | None], faces: list[np.ndarray | None]) -> np.ndarray:
    """Likeness of tracks and faces. It is 1 if an appearance is not known, so that the place decides."""
    if not tracks or not faces or any(looks is None for looks in (*tracks, *faces)):
        return np.ones((len(tracks), len(faces)))
    return likeness(np.stack(tracks), np.stack(faces))


def _overlaps(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return box_iou(torch.as_tensor(boxes, dtype=torch.float64), torch.as_tensor(faces[:, :4]).double()).numpy()


def _centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:4]) / 2


def _sizes(boxes: np.ndarray) -> np.ndarray:
    """Side of a square with the area of each box."""
    return np.sqrt((boxes[:, 2:4] - boxes[:, :2]).prod(axis=1))


def _distances(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distances of the centres, as multiples of the mean sizes."""
    ways = np.linalg.norm(_centres(boxes)[:, None] - _centres(faces)[None], axis=-1)
    return 2 * ways / (_sizes(boxes)[:, None] + _sizes(faces)[None])


def _size_ratios(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return np.exp(abs(np.log(_sizes(boxes)[:, None] / _sizes(faces)[None])))
