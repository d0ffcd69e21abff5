"""Recognises people whom a video shows again, by the face recognition network of dlib.

The network is a ResNet with 29 convolutions (https://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html)
by Davis King, who gave its weights to the public domain (CC0). The package `face_recognition_models` contains them, so
nothing is downloaded. torch computes the network, because dlib must be compiled on most systems.
"""

import functools
import importlib.util
import threading
from collections.abc import Collection
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from ...extras import require_extra


WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
BLOCKS = ((32, 1),) * 3 + ((64, 2), *((64, 1),) * 3, (128, 2), *((128, 1),) * 2, (256, 2), *((256, 1),) * 2, (256, 2))
"""Channels and stride of each residual block."""

WIDTH = 128  # of an embedding
MEAN_COLOUR = (122.782, 117.001, 104.298)
LARGEST_HEADER = 4096  # bytes between the numbers of two layers

CHIP_SIZE, CHIP_MARGIN = 150, 0.25  # pixels; share of the face's side
# Eyes, tip of the nose and corners of the mouth in the mean face of dlib, whose sides are 1.
LANDMARKS = ((0.227, 0.221), (0.753, 0.221), (0.490, 0.516), (0.254, 0.780), (0.726, 0.780))

SAME_PERSON = 0.6  # the published threshold; with 0.5, a face behind a hand was not recognised
MOST_LOOKS = 5  # embeddings of a track, and mean embeddings of a person

LOCK = threading.Lock()


class NewPeople:
    """Numbers the people of a video. Each track is a new person."""

    def __init__(self):
        self._numbers = count()

    def look(self, image: np.ndarray, tracks: Collection):
        """Do nothing: nobody is recognised."""

    def number(self, track, present: Collection[int]) -> int:
        """The number of the person of a track."""
        return next(self._numbers)


class People:
    """Numbers the people of a video. A person who is seen again gets the same number.

    Memory holds at most five embeddings of 128 numbers for each person.
    """

    def __init__(self):
        require_extra("identify", "Without it, leave out identify=True (--identify on the command line).")
        self._numbers = count()
        self._known = {}  # for each person, the mean embeddings of the latest tracks

    def look(self, image: np.ndarray, tracks: Collection):
        """Look at the faces that were just found in a picture, uint8 RGB (height, width, 3).

        Raises:
            ValueError: If the detector gave no landmarks.
        """
        for track in tracks:
            if track.person is None and len(track.embeddings) < MOST_LOOKS:
                track.embeddings.append(embed_face(image, track.last_face))

    def number(self, track, present: Collection[int]) -> int:
        """The number of the person of a track. It is none of those in `present`, who are seen at the same time."""
        mean = np.mean(track.embeddings, axis=0)
        distances = {
            person: min(np.linalg.norm(mean - known) for known in seen)
            for person, seen in self._known.items()
            if person not in present
        }
        nearest = min(distances, key=distances.get, default=None)
        person = nearest if nearest is not None and distances[nearest] < SAME_PERSON else next(self._numbers)
        self._known[person] = [*self._known.get(person, []), mean][-MOST_LOOKS:]
        return person


def embed_face(image: np.ndarray, face: np.ndarray) -> np.ndarray:
    """The embedding of a face: float32 (128,). Most pictures of one person have a distance below 0.6.

    Args:
        image: uint8 RGB (height, width, 3).
        face: A face of `FaceDetector` with landmarks: (15,).

    Raises:
        ValueError: If there are no landmarks.
    """
    if len(face) < 5 + 2 * len(LANDMARKS):
        raise ValueError("identify=True needs a face detector that returns landmarks, such as CenterFaceDetector.")
    pixels = torch.tensor(face_chip(image, face[5:15].reshape(-1, 2))).permute(2, 0, 1)[None].float()
    with LOCK:  # otherwise several threads could load the weights at the same time
        layers = _layers()
    with torch.inference_mode():
        return _embed((pixels - torch.tensor(MEAN_COLOUR)[:, None, None]) / 256, layers)[0].numpy()


def face_chip(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """An upright face, uint8 (150, 150, 3), from landmarks (5, 2) in pixels of a picture (height, width, 3)."""
    target = (np.array(LANDMARKS) + CHIP_MARGIN) / (1 + 2 * CHIP_MARGIN) * CHIP_SIZE
    # As complex numbers, a rotation with a scale is one factor. Its least squares fit is linear.
    points, ones = target @ (1, 1j), np.ones(len(target))
    (turn, shift), *_ = np.linalg.lstsq(np.stack([points, ones], axis=1), landmarks @ (1, 1j), rcond=None)
    picture, shrink = Image.fromarray(image), max(int(abs(turn)), 1)
    picture, turn, shift = picture.reduce(shrink), turn / shrink, shift / shrink
    to_picture = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    size = CHIP_SIZE, CHIP_SIZE
    return np.asarray(picture.transform(size, Image.Transform.AFFINE, to_picture, Image.Resampling.BILINEAR))


def _embed(pixels: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    """Embeddings (batch, 128) of pixels (batch, 3, 150, 150)."""
    layers = iter(layers)

    def convolve(pixels: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        weight, bias, scale, offset = (next(layers) for _ in range(4))
        pixels = functional.conv2d(pixels, weight, bias, stride, padding)
        return pixels * scale[:, None, None] + offset[:, None, None]

    pixels = functional.max_pool2d(convolve(pixels, 2, 0).relu(), 3, 2)
    for _, stride in BLOCKS:
        inner = convolve(pixels, stride, int(stride == 1)).relu()
        inner = convolve(inner, 1, 1)
        around = pixels if stride == 1 else functional.avg_pool2d(pixels, 2, 2)
        pixels = _sum(inner, around).relu()
    return pixels.mean(dim=(2, 3)) @ next(layers)


def _sum(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The sum of two tensors. The smaller one is continued with zeros, as in dlib."""
    shape = [max(sizes) for sizes in zip(first.shape, second.shape, strict=True)]
    total = first.new_zeros(shape)
    for part in (first, second):
        total[tuple(slice(size) for size in part.shape)] += part
    return total


@functools.cache
def _layers() -> list[torch.Tensor]:
    """The weights of all layers, in the order of the computation."""
    folder = Path(importlib.util.find_spec("face_recognition_models").origin).with_name("models")
    file = _TensorFile(folder / WEIGHTS)
    layers, inputs = [], 3
    for channels, size in [(32, 7), *((channels, 3) for channels, _ in BLOCKS for _ in range(2))]:
        filters = file.read(channels * inputs * size**2 + channels)
        layers += [filters[:-channels].reshape(channels, inputs, size, size), filters[-channels:]]
        layers += file.read(2 * channels).chunk(2)
        inputs = channels
    return [*layers, file.read(inputs, WIDTH).reshape(inputs, WIDTH)]


class _TensorFile:
    """Reads the tensors of a network that dlib wrote, in their order.

    dlib writes a version, four sizes and the values. A whole number is its length in bytes, then these bytes.
    """

    def __init__(self, path: Path):
        self._path = path
        self._content = path.read_bytes()
        self._position = 0

    def read(self, rows: int, columns: int = 1) -> torch.Tensor:
        """The values of the next tensor of a layer, which has this size."""
        header = b"".join(_number(size) for size in (2, rows, columns, 1, 1))
        found = self._content.find(header, self._position, self._position + LARGEST_HEADER)
        start = found + len(header)
        self._position = start + 4 * rows * columns
        if found < 0 or self._position > len(self._content):
            raise ValueError(f"'{self._path}' is damaged, or not the expected network. Reinstall its package.")
        return torch.from_numpy(np.frombuffer(self._content, "<f4", rows * columns, start).astype(np.float32))


def _number(value: int) -> bytes:
    length = (value.bit_length() + 7) // 8
    return bytes([length]) + value.to_bytes(length, "little")
