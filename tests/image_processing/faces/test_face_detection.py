"""The detector on a photograph in the package scikit-image (Eileen Collins; NASA, public domain)."""

import importlib.util
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lgi_former.extras import MODULES
from lgi_former.image_processing import CenterFaceDetector
from lgi_former.image_processing.faces import face_detection


pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (*MODULES["faces"], "skimage")),
    reason='needs pip install "lgi-former[faces]"',
)


@pytest.fixture(scope="module")
def photograph():
    folder = Path(importlib.util.find_spec("skimage").origin).parent
    return Image.open(folder / "data" / "astronaut.png").convert("RGB")


@pytest.fixture(scope="module")
def detector():
    return CenterFaceDetector(num_threads=1)


def test_a_face_is_found_at_its_place(detector, photograph):
    ((left, top, right, bottom, score, *_),) = detector(np.asarray(photograph))
    assert (left, top, right, bottom) == pytest.approx((181, 58, 270, 178), abs=8)
    assert 0.8 < score <= 1


@pytest.mark.parametrize(("width", "height"), [(1100, 1100), (300, 500)], ids=["shrunk", "of another shape"])
def test_boxes_are_in_pixels_of_the_picture_for_any_size(detector, photograph, width, height):
    (face,) = detector(np.asarray(photograph.resize((width, height))))
    expected = np.array([181, 58, 270, 178]) * np.array([width, height, width, height]) / 512
    assert face[:4] == pytest.approx(expected, abs=0.03 * max(width, height))


def test_two_faces_are_found(detector, photograph):
    assert len(detector(np.concatenate([np.asarray(photograph)] * 2, axis=1))) == 2


def test_too_small_faces_are_not_returned(detector, photograph):
    assert detector(np.zeros((90, 160, 3), np.uint8)).shape == (0, 15)
    assert detector(np.asarray(photograph.resize((100, 100)))).shape == (0, 15)
    assert len(CenterFaceDetector(min_size=10)(np.asarray(photograph.resize((100, 100))))) == 1


def test_threads_share_one_session_of_a_detector(monkeypatch):
    detector, made, start = CenterFaceDetector(num_threads=1), [], threading.Barrier(4)

    def make_slowly(build=face_detection._network):
        made.append(time.sleep(0.05))
        return build()

    def find_faces(_):
        start.wait()
        return detector(np.zeros((32, 32, 3), np.uint8))

    monkeypatch.setattr(face_detection, "_network", make_slowly)
    face_detection._session.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        assert [len(faces) for faces in threads.map(find_faces, range(4))] == [0] * 4
    assert len(made) == 1


def test_a_detector_that_was_used_can_be_pickled(detector, photograph):
    found = detector(np.asarray(photograph))
    assert np.array_equal(pickle.loads(pickle.dumps(detector))(np.asarray(photograph)), found)
