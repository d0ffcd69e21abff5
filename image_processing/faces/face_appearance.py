"""Describes the colours of a face in a picture, to tell people apart who are near each other."""

import numpy as np


SAMPLES = 24  # rows and columns of the pixels that are looked at
LEVELS = 6  # of each colour


def appearance(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The colours of a face.

    Args:
        image: uint8 RGB (height, width, 3).
        box: Left, top, right, bottom edge in pixels. It may reach beyond the picture.

    Returns:
        Float (432,): the square roots of the shares of 216 colours, in the upper half of the box and in the lower.
    """
    places = np.linspace(box[:2], box[2:4], SAMPLES)
    columns, rows = places.clip(0, np.array(image.shape[1::-1]) - 1).astype(int).T
    levels = image[rows[:, None], columns].astype(int) * LEVELS // 256
    colours = levels @ (LEVELS * LEVELS, LEVELS, 1)
    colours[SAMPLES // 2 :] += LEVELS**3
    counts = np.bincount(colours.ravel(), minlength=2 * LEVELS**3)
    return np.sqrt(counts / counts.sum())


def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bhattacharyya coefficients of appearances (n, 432) and (m, 432): float (n, m), from 0 to 1 for equal ones."""
    return first @ second.T
