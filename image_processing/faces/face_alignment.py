"""Finds the place, size and angle of a face from its landmarks, so that crops can be aligned.

The corpora were aligned before training: the eyes are level, and the face has a fixed size. A similarity transform
(rotation, scale, shift) does this. It is the least-squares fit of mean landmarks to the landmarks of the face
(Umeyama, 1991, https://doi.org/10.1109/34.88573).
"""

import numpy as np


# Mean landmarks of the upright faces of 13 people, x + iy: relative to the centre of CenterFace's box, in lengths of
# its longer side. So alignment does not change the mean size of a face. A product with a complex number is a rotation
# and a scale.
MEAN_LANDMARKS = np.array([-0.193 - 0.129j, 0.193 - 0.129j, 0.066j, -0.164 + 0.227j, 0.164 + 0.227j])
# Errors of the fit, in lengths of the longer side. They are 0.01 for upright frontal faces, and below 0.05 for heads
# that are tilted by 40 degrees or turned by 30 degrees. They are above 0.1 for profiles.
TRUSTED_ERROR, LARGEST_ERROR = 0.05, 0.1
# Difference of the fit from the box: the distance of their centres in lengths of the longer side, plus the logarithm
# of the ratio of their sizes. It is below 0.25 for tilted heads.
TRUSTED_DIFFERENCE, LARGEST_DIFFERENCE = 0.4, 0.7
ENOUGH_TRUST = 0.5  # mean over the time of smoothing


def fit_landmarks(faces: np.ndarray) -> np.ndarray:
    """Fit the mean landmarks to the landmarks of each face.

    Args:
        faces: Float (faces, 5) or (faces, 15), as `FaceDetector` returns them.

    Returns:
        Float (faces, 5). The last column is the trust, from 0 to 1. It is low for profiles and covered eyes, whose
        landmarks do not fit, and for fits far from the box. It is 0 without landmarks. The other columns are the
        centre of the face and its upper edge from left to right, x and y in pixels. They are multiplied by the trust,
        so that a mean over several detections is weighted by the trust.
    """
    if faces.shape[1] < 15:
        return np.zeros((len(faces), 5))
    faces = np.nan_to_num(faces, posinf=0, neginf=0)  # such landmarks do not fit
    points = faces[:, 5:15:2] + 1j * faces[:, 6:15:2]
    mean = MEAN_LANDMARKS.mean()
    shape = MEAN_LANDMARKS - mean
    edge = points @ shape.conj() / (abs(shape) ** 2).sum()
    centre = points.mean(axis=1) - edge * mean
    errors = abs(points - centre[:, None] - edge[:, None] * MEAN_LANDMARKS)
    error = np.sqrt((errors**2).mean(axis=1)) / np.maximum(abs(edge), 1e-6)
    sizes = np.maximum((faces[:, 2:4] - faces[:, :2]).max(axis=1), 1e-6)
    distance = abs(centre - (faces[:, 0] + faces[:, 2]) / 2 - 1j * (faces[:, 1] + faces[:, 3]) / 2) / sizes
    difference = distance + abs(np.log(np.maximum(abs(edge), 1e-6) / sizes))
    trust = _falling(error, TRUSTED_ERROR, LARGEST_ERROR)
    trust *= _falling(difference, TRUSTED_DIFFERENCE, LARGEST_DIFFERENCE)
    fit = np.stack([centre.real, centre.imag, edge.real, edge.imag], axis=1)
    return np.column_stack([fit * trust[:, None], trust])


def _falling(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 up to `start`, 0 from `end` on, linear in between."""
    return ((end - values) / (end - start)).clip(0, 1)


def aligned_box(box: np.ndarray, fit: np.ndarray) -> tuple[np.ndarray, float]:
    """The upright box that a face would have if its head were upright, and the angle of the head.

    Args:
        box: The detected box, float (4,): left, top, right, bottom in pixels.
        fit: A mean of rows of `fit_landmarks`: (5,).

    Returns:
        A square with the longer side of that box, float (4,), and degrees clockwise. With little trust, both change
        towards the detected box and 0 degrees.
    """
    weight = min(fit[4] / ENOUGH_TRUST, 1)
    if weight == 0:
        return box, 0.0
    size = box[2:] - box[:2]
    upright = np.array([*(box[:2] + size / 2), size.max(), 0.0])
    x, y, *edge = weight * fit[:4] / fit[4] + (1 - weight) * upright
    half = np.hypot(*edge) / 2
    return np.array([x - half, y - half, x + half, y + half]), float(np.degrees(np.arctan2(edge[1], edge[0])))
