"""Joining the faces found in single frames to tracks, one a person.

Tracking by overlap, as the IoU tracker does (Bochinski et al., 2017, https://doi.org/10.1109/AVSS.2017.8078516), with
the optimal assignment of SORT (Bewley et al., 2016, https://arxiv.org/abs/1602.00763) but without its Kalman filter:
between detections a fifth of a second apart faces overlap. A track is open for a while after its face was last found,
so that it survives a blink of the detector.
"""

from collections import deque

import numpy as np
import torch
from torchvision.ops import box_iou

from ...extras import needs_extra


SMOOTHING_PLACES = np.linspace(-1, 1, 9)  # where boxes are averaged, in reaches of the smoothing
SMOOTHING_WEIGHTS = (1.25 - abs(SMOOTHING_PLACES)) / (1.25 - abs(SMOOTHING_PLACES)).sum()


class Track:
    """Where a face was found.

    Args:
        time: Seconds into the video at which it was first found.
        face: Left, top, right, bottom edge in pixels, and score: (5,).

    Attributes:
        start (`float`): That time.
        num_detections (`int`): How often it was found.
        best_score (`float`): The highest of its scores.
        person (`int`, *optional*): Whose face it is, once that is decided.
    """

    def __init__(self, time: float, face: np.ndarray):
        self.start = time
        self.num_detections = 0
        self.best_score = 0.0
        self.person = None
        self._times, self._faces = deque(), deque()
        self.add(time, face)

    def add(self, time: float, face: np.ndarray):
        """Add the face as it was found at a later time."""
        self.num_detections += 1
        self.best_score = max(self.best_score, float(face[4]))
        self._times.append(time)
        self._faces.append(face)

    @property
    def end(self) -> float:
        """Seconds into the video at which it was last found."""
        return self._times[-1]

    @property
    def last_face(self) -> np.ndarray:
        """The face as it was last found: (5,)."""
        return self._faces[-1]

    def box(self, time: float, reach: float) -> np.ndarray | None:
        """The face's box at a time, smoothed: float (4,), or None before it was first found and after the last time.

        Between detections boxes are interpolated linearly. The result is their mean over `reach` seconds to both
        sides, weighted by a triangle: detectors tremble by a few pixels, and the picture should not.
        """
        if not self.start <= time <= self.end:
            return None
        times = time + reach * SMOOTHING_PLACES
        edges = np.transpose(self._faces)[:4]
        boxes = np.stack([np.interp(times, self._times, edge) for edge in edges])
        return boxes @ SMOOTHING_WEIGHTS

    def forget_before(self, time: float):
        """Drop what boxes do not depend on whose smoothing begins at `time` or later."""
        while len(self._times) > 1 and self._times[1] <= time:
            self._times.popleft()
            self._faces.popleft()


class FaceTracker:
    """Tells which of the faces found in one frame is which of those found before.

    Args:
        min_iou: Least overlap (intersection over union) of a face with a track's last one.
        max_gap: Seconds for which a face may not be found within a track.
        min_score: A track needs one face with at least this score,
        min_detections: and this many faces; or all that the video allows for, if it is shorter. Both keep out what
            only looked like a face for a moment.
    """

    def __init__(self, min_iou: float = 0.3, max_gap: float = 1.0, min_score: float = 0.6, min_detections: int = 3):
        self.min_iou = min_iou
        self.max_gap = max_gap
        self.min_score = min_score
        self.min_detections = min_detections
        self.tracks = []
        self.updates = 0

    def update(self, time: float, faces: np.ndarray):
        """Take in the faces (faces, 5) that were found at a time later than all before."""
        with needs_extra("faces"):
            from scipy.optimize import linear_sum_assignment

        self.updates += 1
        open_tracks = [track for track in self.tracks if time - track.end <= self.max_gap]
        last_faces = np.stack([track.last_face for track in open_tracks]) if open_tracks else np.empty((0, 5))
        overlaps = box_iou(torch.as_tensor(last_faces[:, :4]), torch.as_tensor(faces[:, :4])).numpy()
        overlaps[overlaps < self.min_iou] = 0  # else two poor overlaps could together outweigh a good one
        known = set()
        for track, face in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
            if overlaps[track, face] >= self.min_iou:
                open_tracks[track].add(time, faces[face])
                known.add(face)
        self.tracks += [Track(time, face) for index, face in enumerate(faces) if index not in known]

    def is_person(self, track: Track) -> bool:
        """Whether a track is no mistake of the detector, as far as it is known by now."""
        enough = min(self.min_detections, self.updates)
        return track.num_detections >= enough and track.best_score >= self.min_score

    def forget_before(self, time: float, reach: float):
        """Drop what is not needed for boxes after `time`, smoothed over `reach` seconds to both sides."""
        self.tracks = [track for track in self.tracks if track.end >= time]
        for track in self.tracks:
            track.forget_before(time - reach)
