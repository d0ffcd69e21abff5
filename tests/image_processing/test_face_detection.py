"""The detector, on a photograph that comes with one of its packages (Eileen Collins; NASA, public domain)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lgi_former.image_processing import CenterFaceDetector, face_detection


PACKAGES = (*face_detection.PACKAGES, "skimage")
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in PACKAGES), reason='needs pip install "lgi-former[faces]"'
)


@pytest.fixture(scope="module")
def photograph():
    folder = Path(importlib.util.find_spec("skimage").origin).parent
    return Image.open(folder / "data" / "astronaut.png").convert("RGB")


@pytest.fixture(scope="module")
def detector():
    return CenterFaceDetector(num_threads=1)


def test_a_face_is_found_where_it_is(detector, photograph):
    ((left, top, right, bottom, score),) = detector(np.asarray(photograph))
    assert (left, top, right, bottom) == pytest.approx((181, 58, 270, 178), abs=8)
    assert 0.8 < score <= 1


@pytest.mark.parametrize(("width", "height"), [(1100, 1100), (300, 500)], ids=["shrunk", "of another shape"])
def test_boxes_are_in_pixels_of_the_picture_whatever_its_size(detector, photograph, width, height):
    (face,) = detector(np.asarray(photograph.resize((width, height))))
    expected = np.array([181, 58, 270, 178]) * np.array([width, height, width, height]) / 512
    assert face[:4] == pytest.approx(expected, abs=0.03 * max(width, height))


def test_two_faces_are_two(detector, photograph):
    assert len(detector(np.concatenate([np.asarray(photograph)] * 2, axis=1))) == 2


def test_no_face_and_too_small_a_face_are_none(detector, photograph):
    assert detector(np.zeros((90, 160, 3), np.uint8)).shape == (0, 5)
    assert detector(np.asarray(photograph.resize((100, 100)))).shape == (0, 5)
    assert len(CenterFaceDetector(min_size=10)(np.asarray(photograph.resize((100, 100))))) == 1
