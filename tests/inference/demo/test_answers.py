"""Answers of the demo."""

import io

import av
import numpy as np
import pytest

from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.answers import Recognition


def test_a_regression_model_answers_with_all_its_outputs(tiny_model, tiny_processor, square_detector, upload):
    model = tiny_model(problem_type="regression", id2label={0: "valence", 1: "arousal"})
    recognition = Recognition(model, tiny_processor(), UploadLimits(), FaceCropper(square_detector))
    answer = recognition(upload({80: (0, 49)}))
    valence, arousal = answer.rows[0][3:]
    note = f"**valence** {valence:.2f}, **arousal** {arousal:.2f}, from 1 person in 2.0 seconds."
    assert answer.note == note and recognition.columns[3:] == ["valence", "arousal"]


def test_a_classifier_answers_with_a_video_a_timeline_and_a_table(recognition, upload):
    answer = recognition(upload({80: (0, 49)}))
    label, score = max(zip(recognition.labels, answer.rows[0][3:], strict=True), key=lambda pair: pair[1])
    assert answer.note == f"Mostly **{label}** ({score:.2f}), from 1 person in 2.0 seconds."
    assert recognition.columns == ["person", "from (s)", "to (s)", "happy", "sad", "neutral"]
    assert [row[:3] for row in answer.rows] == [["0", 0, 2]]
    assert sum(answer.rows[0][3:]) == pytest.approx(1, abs=2e-3)
    assert answer.timeline.axes[0].get_ylabel() == "person 0"
    with av.open(io.BytesIO(answer.video)) as container:
        assert container.streams.video[0].frames == 50
        assert container.streams.video[0].codec.name == "h264"  # browsers play it


def test_each_person_has_a_row_and_all_have_one(recognition, upload):
    answer = recognition(upload({0: (0, 49), 160: (0, 49)}))
    assert [row[0] for row in answer.rows] == ["0", "1", "all"]
    first, second, both = (np.array(row[3:]) for row in answer.rows)
    assert both == pytest.approx((first + second) / 2, abs=2e-3)


def test_a_video_without_a_face_has_a_note(recognition, reconstruction, upload):
    nobody = upload({})
    answer = recognition(nobody)
    assert answer.note == "No face was found, so there is nothing to classify."
    assert (answer.rows, answer.timeline, answer.video) == ([], None, None)
    answer = reconstruction(nobody)
    assert answer.note == "No face was found, so there is nothing to reconstruct."
    assert answer.figure is None


def test_without_cropping_there_is_always_an_answer(recognition, reconstruction, upload):
    nobody = upload({})
    assert len(recognition(nobody, crop_faces=False).rows) == 1
    assert reconstruction(nobody, crop_faces=False).figure is not None


@pytest.mark.parametrize("last", [49, 20], ids=["a whole clip", "a shorter time"])
def test_a_pre_trained_model_reconstructs_the_face(last, reconstruction, upload):
    answer = reconstruction(upload({80: (0, last)}), mask_ratio=0.5, seed=1)
    assert answer.note.startswith("Loss ") and answer.note.endswith(" with 50% masked.")
    original = answer.figure.axes[0].images[0].get_array()
    left, right = original[:, :5].mean(), original[:, 10:22].mean()
    assert answer.figure.axes[0].get_ylabel() == "original"
    assert left < 0.3 < 0.5 < right  # a bright square in the middle, a dark margin


def test_limits_are_checked(recognition, upload):
    recognition.limits = UploadLimits(max_seconds=1)
    with pytest.raises(ValueError, match=r"2\.0 seconds long"):
        recognition(upload({80: (0, 49)}))
