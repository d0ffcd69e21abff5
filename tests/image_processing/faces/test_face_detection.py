"""The detector on a photograph in the package scikit-image (Eileen Collins; NASA, public domain)."""

import functools
import importlib.util
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
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


@pytest.mark.parametrize("degrees", [0, -30, 30])
def test_landmarks_are_the_eyes_the_nose_and_the_mouth(detector, photograph, degrees):
    expected = np.array([[203, 102], [247, 104], [223, 125], [203, 142], [241, 144]])
    middle = np.array([225, 118])
    (face,) = detector(np.asarray(photograph.rotate(-degrees, center=tuple(middle))))  # Pillow counts anticlockwise
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotated = (expected - middle) @ [[cosine, sine], [-sine, cosine]] + middle
    assert face[5:].reshape(5, 2) == pytest.approx(rotated, abs=9)


@pytest.mark.parametrize("device", ["tpu", "mps", "cuda:x", "gpu"])
def test_other_devices_are_refused(device):
    with pytest.raises(ValueError, match=rf"'{device}': choose cpu, cuda or cuda:NUMBER"):
        CenterFaceDetector(device=device)


class FakeSession:
    """A session of an ONNX Runtime that can use the GPUs 0 and 1, or lacks a library of CUDA."""

    def __init__(self, network, options, providers, working=True, **settings):
        name, self.settings = providers[0]
        if self.settings["device_id"] > 1:
            raise RuntimeError("invalid device\nordinal")
        self.providers = [name, "CPUExecutionProvider"] if working else ["CPUExecutionProvider"]

    def get_providers(self):
        return self.providers


@pytest.fixture
def gpu_runtime(monkeypatch):
    """`gpu_runtime(**settings)`: replaces ONNX Runtime by one with the CUDA provider and `FakeSession`."""
    import onnxruntime

    def replace(**settings):
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [face_detection.CUDA, face_detection.CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", functools.partial(FakeSession, **settings))

    face_detection._session.cache_clear()
    yield replace
    face_detection._session.cache_clear()


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:1", 1), (torch.device("cuda", 1), 1)])
def test_the_detector_runs_on_the_chosen_gpu(gpu_runtime, device, number):
    gpu_runtime()
    assert CenterFaceDetector(device=device)._session().settings["device_id"] == number


@pytest.mark.parametrize(
    ("device", "settings", "message"),
    [("cuda:7", {}, "cuda:7: invalid device ordinal"), ("cuda", {"working": False}, "cuda:0. Check that .* cuDNN")],
)
def test_a_gpu_that_cannot_be_used_is_an_error(gpu_runtime, device, settings, message):
    gpu_runtime(**settings)
    with pytest.raises(ValueError, match=message):
        CenterFaceDetector(device=device)


def test_a_runtime_without_gpus_says_what_to_install(monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ValueError, match="pip install onnxruntime-gpu"):
        CenterFaceDetector(device="cuda")


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
