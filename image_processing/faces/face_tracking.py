"""Joins the faces found in single frames to tracks, one for each person.

A face joins the track that it overlaps, as in the IoU tracker (Bochinski et al., 2017,
https://doi.org/10.1109/AVSS.2017.8078516), with the optimal assignment of SORT (Bewley et al., 2016,
https://arxiv.org/abs/1602.00763). SORT's Kalman filter is not needed, because faces of one person overlap between
detections a fifth of a second apart. A track stays open for a short time without a face, because detectors miss faces.
"""

from collections import deque

import numpy as np
import torch
from torchvision.ops import box_iou

from ...extras import needs_extra


SMOOTHING_OFFSETS = np.linspace(-1, 1, 9)  # times of the averaged boxes, as multiples of the smoothing
SMOOTHING_WEIGHTS = (1.25 - abs(SMOOTHING_OFFSETS)) / (1.25 - abs(SMOOTHING_OFFSETS)).sum()  # a triangle


class Track:
    """The places of one face over time.

    Args:
        time: When the face was first found, in seconds of the video.
        face: Left, top, right, bottom edge in pixels, and score: (5,). More numbers may follow.
    """

    def __init__(self, time: float, face: np.ndarray):
        self.start = time
        self.num_detections = 0
        self.best_score = 0.0
        self.person = None  # the number of the person, if it is known
        self._times, self._faces = deque(), deque()
        self.add(time, face)

    def add(self, time: float, face: np.ndarray):
        """Add a later detection of the face."""
        self.num_detections += 1
        self.best_score = max(self.best_score, float(face[4]))
        self._times.append(time)
        self._faces.append(face)

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

    def update(self, time: float, faces: np.ndarray):
        """Add the faces (faces, 5 or more) of a frame. Frames must come in the order of time."""
        with needs_extra("faces"):
            from scipy.optimize import linear_sum_assignment

        self.updates += 1
        open_tracks = [track for track in self.tracks if time - track.end <= self.max_gap]
        last_faces = np.stack([track.last_face for track in open_tracks]) if open_tracks else np.empty((0, 5))
        overlaps = box_iou(torch.as_tensor(last_faces[:, :4]), torch.as_tensor(faces[:, :4])).numpy()
        overlaps[overlaps < self.min_iou] = 0  # otherwise two low overlaps could outweigh a high one
        assigned = set()
        for track, face in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
            if overlaps[track, face] >= self.min_iou:
                open_tracks[track].add(time, faces[face])
                assigned.add(face)
        self.tracks += [Track(time, face) for index, face in enumerate(faces) if index not in assigned]

    def is_person(self, track: Track) -> bool:
        """Whether the detections so far show that a track is a face and not an error of the detector."""
        enough = min(self.min_detections, self.updates)
        return track.num_detections >= enough and track.best_score >= self.min_score

    def discard_before(self, time: float, smoothing: float):
        """Discard tracks and detections that boxes after `time` do not need."""
        self.tracks = [track for track in self.tracks if track.end >= time]
        for track in self.tracks:
            track.discard_before(time - smoothing)
