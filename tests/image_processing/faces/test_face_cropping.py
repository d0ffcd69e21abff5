"""Faces of videos, with a detector whose answers depend on the number of the frame."""

import gc
import inspect
import weakref

import numpy as np
import pytest

from lgi_former import extras
from lgi_former.image_processing import CenterFaceDetector, FaceCropper, FacesExtraMissingError, TimedFrame, crop_face
from lgi_former.image_processing.faces import face_cropping
from lgi_former.image_processing.faces.face_cropping import square_around


FRAME_RATE = 10
HEIGHT, WIDTH = 120, 200


def frames_of(count, made=None):
    """Yield frames at intervals of a tenth of a second. All pixels of a frame have its number."""
    for index in range(count):
        frame = TimedFrame(index, index / FRAME_RATE, lambda i=index: np.full((HEIGHT, WIDTH, 3), i, np.uint8))
        if made is not None:
            made.add(frame)
        yield frame


class ScriptedDetector:
    """Finds the faces that `script` returns for the number of the frame."""

    def __init__(self, script):
        self.script, self.asked = script, []

    def __call__(self, image):
        self.asked.append(int(image[0, 0, 0]))
        return np.array(self.script(self.asked[-1]), dtype=np.float32).reshape(-1, 5)


def face(left, size=40, score=0.9):
    return [left, 30, left + size, 30 + size, score]


def follow(script, count=40, **settings):
    """The frame numbers of each person."""
    seen = {}
    for frame, faces in FaceCropper(ScriptedDetector(script), **settings).follow(frames_of(count)):
        for found in faces:
            seen.setdefault(found.person, []).append(frame.index)
    return seen


def test_a_face_throughout_is_one_person_in_every_frame():
    assert follow(lambda k: [face(20 + k)]) == {0: list(range(40))}


def test_frames_without_faces_have_empty_lists():
    cropper = FaceCropper(ScriptedDetector(lambda k: []))
    assert [(frame.index, faces) for frame, faces in cropper.follow(frames_of(3))] == [(0, []), (1, []), (2, [])]
    assert list(cropper.follow(iter([]))) == []


def test_a_person_who_leaves_is_in_all_frames_until_the_last_detection():
    assert follow(lambda k: [face(20)] if k <= 20 else []) == {0: list(range(21))}


def test_a_person_returns_with_the_same_number_only_after_a_short_gap():
    assert follow(lambda k: [] if 10 <= k < 16 else [face(20)]) == {0: list(range(40))}
    assert follow(lambda k: [] if 10 <= k < 30 else [face(20)]) == {0: list(range(9)), 1: list(range(30, 40))}


def test_people_are_numbered_in_the_order_of_their_appearance():
    seen = follow(lambda k: [face(20), face(120)] if k >= 10 else [face(120)])
    assert seen == {0: list(range(40)), 1: list(range(10, 40))}


def test_two_detections_are_not_a_person():
    assert follow(lambda k: [face(20)] if k in (10, 12) else []) == {}


def test_one_detection_is_a_person_in_a_video_of_one_frame():
    assert follow(lambda k: [face(20)], count=1) == {0: [0]}


def test_the_detector_runs_at_intervals_and_on_the_last_frame():
    detector = ScriptedDetector(lambda k: [])
    list(FaceCropper(detector, detections_per_second=4).follow(frames_of(20)))
    assert detector.asked == [0, 3, 5, 8, 10, 13, 15, 18, 19]


def test_the_detector_runs_once_on_a_repeated_picture():
    detector = ScriptedDetector(lambda k: [face(20)])
    first = TimedFrame(0, 0.0, lambda: np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    followed = list(FaceCropper(detector).follow(first.at(k / 5) for k in range(10)))
    assert detector.asked == [0]
    assert [len(faces) for _, faces in followed] == [1] * 10


def test_few_frames_are_in_memory():
    held, made = [], weakref.WeakSet()
    for _ in FaceCropper(ScriptedDetector(lambda k: [face(20)])).follow(frames_of(200, made)):
        gc.collect(0)
        held.append(len(made))
    assert max(held) <= 1.6 * FRAME_RATE + 3


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([80, 40, 100, 60], [75, 35, 105, 65]),  # margin 1.5 around the centre
        ([80, 40, 90, 60], [70, 35, 100, 65]),  # margin 1.5 of the longer side
        ([0, 0, 20, 20], [0, 0, 30, 30]),  # moved into the frame
        ([190, 110, 210, 130], [170, 90, 200, 120]),
        ([50, 10, 150, 110], [40, 0, 160, 120]),  # no larger than the frame
    ],
)
def test_squares_are_inside_the_frame(box, expected):
    assert square_around(np.array(box, float), 1.5, (HEIGHT, WIDTH)).tolist() == expected


def test_crops_show_the_content_of_the_box():
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[30:70, 20:60] = 200
    assert (crop_face(image, np.array([20, 30, 60, 70]), 16)[1:-1, 1:-1] == 200).all()
    half = crop_face(image, np.array([0, 30, 40, 70]), 16)
    assert half.shape == (16, 16, 3)
    assert (half[1:-1, :7] == 0).all() and (half[1:-1, 9:-1] == 200).all()


def test_the_share_of_the_detector_is_counted(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(face_cropping.time, "perf_counter", lambda: next(clock))
    cropper = FaceCropper(ScriptedDetector(lambda k: []))
    assert cropper.detector_share is None
    list(cropper.follow(frames_of(3)))  # two detections: the clock is read at 0, twice for each, and at 5
    assert (cropper.detector_seconds, cropper.total_seconds, cropper.detector_share) == (2, 5, 0.4)
    list(cropper.follow(frames_of(1)))
    assert (cropper.detector_seconds, cropper.total_seconds) == (3, 8)


@pytest.mark.parametrize("setting", [{"margin": 0.9}, {"detections_per_second": 0}, {"max_gap": -1}])
def test_impossible_settings_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        FaceCropper(ScriptedDetector(lambda k: []), **setting)


def test_the_settings_have_every_argument_except_the_detector():
    """A run continues only with equal settings, so none may be missing. They do not change while videos are read."""
    detector = ScriptedDetector(lambda number: [])
    cropper = FaceCropper(detector)
    settings = cropper.settings
    list(cropper.follow(frames_of(3)))
    assert cropper.settings == settings
    for name, argument in list(inspect.signature(FaceCropper).parameters.items())[1:]:
        changed = FaceCropper(detector, **{name: False if argument.default is True else argument.default + 1})
        assert changed.settings != settings, name


def test_without_the_extra_the_error_says_how_to_continue(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "faces", ("json", "no_such_package"))
    with pytest.raises(FacesExtraMissingError) as raised:
        CenterFaceDetector()
    message = str(raised.value)
    assert "\n" not in message
    for part in ("no_such_package", 'pip install "lgi-former[faces]"', "crop_faces=False", "--no_crop_faces"):
        assert part in message


def test_a_face_in_the_same_place_after_a_cut_is_another_person():
    def shots():
        for frame in frames_of(40):
            frame.shot = int(frame.index >= 15)
            yield frame

    detector = ScriptedDetector(lambda k: [face(20)])
    seen = [[found.person for found in faces] for _, faces in FaceCropper(detector).follow(shots())]
    assert seen == [[0]] * 15 + [[1]] * 25
    assert {14, 15} <= set(detector.asked)  # boxes reach to the cut from both sides


def test_two_people_who_cross_stay_two_people():
    left, right = (lambda k: 4 * k), (lambda k: 160 - 4 * k)

    def script(k):
        hidden = abs(left(k) - right(k)) < 30  # the detector sees one face of the two
        return [face(left(k))] + ([] if hidden else [face(right(k))])

    cropper = FaceCropper(ScriptedDetector(script), smoothing=0)
    boxes = {0: [], 1: []}
    for _, faces in cropper.follow(frames_of(40)):
        for found in faces:
            boxes[found.person].append(found.box[0])
    assert [len(of_person) for of_person in boxes.values()] == [40, 40]
    assert (np.diff(boxes[0][2:-2]) > 0).all() and (np.diff(boxes[1][2:-2]) < 0).all()
