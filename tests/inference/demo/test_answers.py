"""Answers of the demo."""

import io

import av
import numpy as np
import pytest

from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.answers import Recognition, as_markdown


@pytest.fixture
def recognition_with(tiny_model, tiny_processor, square_detector):
    """`recognition_with(**fields)`: answers of a model with other fields of its configuration."""

    def make(**fields):
        return Recognition(tiny_model(**fields), tiny_processor(), UploadLimits(), FaceCropper(square_detector))

    return make


def test_a_regression_model_answers_with_all_its_outputs(recognition_with, upload):
    recognition = recognition_with(problem_type="regression", id2label={0: "valence", 1: "arousal"})
    answer = recognition(upload({80: (0, 49)}))
    assert recognition.columns == ["person", "start", "end", "valence", "arousal"]
    valence, arousal = answer.people[0][3:]
    shown = recognition.kind.shown
    assert answer.note == (
        f"The model estimates **valence** {shown(valence)}, **arousal** {shown(arousal)}. "
        r"Values are in the unit of the training labels\. The model saw 1 person in 2.0 seconds of video."
    )
    assert answer.timeline.get_suptitle() == "Values over time"


@pytest.mark.parametrize(("bias", "labels"), [(9.0, ["happy", "sad", "neutral"]), (-9.0, [])])
def test_a_model_of_several_labels_answers_with_those_above_the_threshold(bias, labels, recognition_with, upload):
    recognition = recognition_with(problem_type="multi_label_classification")
    recognition._pipeline.model.classifier.bias.data.fill_(bias)
    answer = recognition(upload({80: (0, 49)}))
    assert {row[3] for row in (*answer.people, *answer.windows)} == {";".join(labels)}
    (row,) = answer.people
    texts = [f"**{label}** {score:.1%}" for label, score in zip(labels, row[4:], strict=False)]
    assert answer.note.startswith(
        f"Labels with a score of at least 50%: {', '.join(texts) or 'none'}. The model saw 1 person"
    )


def test_a_classifier_answers_with_a_video_a_timeline_and_tables(recognition, upload):
    answer = recognition(upload({80: (0, 49)}))
    assert recognition.columns == ["person", "start", "end", "expression", "happy", "sad", "neutral"]
    (person,) = answer.people
    label, score = max(zip(recognition.labels, person[4:], strict=True), key=lambda pair: pair[1])
    assert person[:4] == [1, 0, 2, label]
    assert sum(person[4:]) == pytest.approx(1, abs=2e-4)
    seen = "The model saw 1 person in 2.0 seconds of video."
    assert answer.note == f"The highest score is **{label}** with {score:.1%}. {seen}"
    assert len(answer.windows) > 1 and {len(row) for row in answer.windows} == {7}
    assert np.mean([row[4:] for row in answer.windows], axis=0) == pytest.approx(person[4:], abs=2e-4)
    assert answer.timeline.axes[0].get_xlim() == (0, 2)
    with av.open(io.BytesIO(answer.video)) as container:
        assert container.streams.video[0].frames == 50
        assert container.streams.video[0].codec.name == "h264"  # browsers play it


def test_each_person_has_a_row_and_all_have_one(recognition, upload):
    answer = recognition(upload({0: (0, 49), 160: (0, 49)}))
    assert [row[0] for row in answer.people] == [1, 2, "all"]
    first, second, both = (np.array(row[4:]) for row in answer.people)
    assert both == pytest.approx((first + second) / 2, abs=2e-4)
    assert {row[0] for row in answer.windows} == {1, 2}
    assert "The model saw 2 people in" in answer.note


def test_labels_are_shown_letter_by_letter(recognition_with, upload):
    recognition = recognition_with(id2label={0: "person", 1: "*so* <b>so</b>", 2: "end"})
    answer = recognition(upload({80: (0, 49)}))
    assert recognition.columns[4:] == ["score of person", "*so* <b>so</b>", "score of end"]
    assert as_markdown("*so* <b>so</b>") == r"\*so\* \<b\>so\<\/b\>"
    assert f"**{as_markdown(answer.people[0][3])}** with" in answer.note


def test_a_note_of_the_video_is_part_of_the_answer(recognition, upload, monkeypatch):
    whole = recognition.recognise
    monkeypatch.setattr(recognition, "recognise", lambda *args: whole(*args) | {"note": "The end is missing."})
    assert recognition(upload({80: (0, 49)})).note.endswith(r"The end is missing\.")


def test_a_video_without_a_face_has_a_note(recognition, reconstruction, upload):
    nobody = upload({})
    answer = recognition(nobody)
    advice = 'If the video shows one face and nothing else, untick "Find faces".'
    assert answer.note == rf"No face was found\, so there is nothing to classify\. {advice}"
    assert (answer.people, answer.windows, answer.timeline, answer.video) == ([], [], None, None)
    answer = reconstruction(nobody)
    assert answer.note == f"No face was found, so there is nothing to reconstruct. {advice}"
    assert (answer.figure, answer.loss) == (None, None)


def test_without_cropping_there_is_always_an_answer(recognition, reconstruction, upload):
    nobody = upload({})
    answer = recognition(nobody, crop_faces=False)
    assert len(answer.people) == 1 and "The model saw whole frames in 2.0 seconds" in answer.note
    assert reconstruction(nobody, crop_faces=False).figure is not None


@pytest.mark.parametrize("last", [49, 20], ids=["a whole clip", "a shorter time"])
def test_a_pre_trained_model_reconstructs_the_face(last, reconstruction, upload):
    answer = reconstruction(upload({80: (0, last)}), mask_ratio=0.5, seed=1)
    assert answer.note == f"50% of the clip was masked. The loss of the reconstruction is {answer.loss:.4f}."
    assert answer.masked == 0.5
    original = answer.figure.axes[0].images[0].get_array()
    left, right = original[:, :5].mean(), original[:, 10:22].mean()
    assert answer.figure.axes[0].get_ylabel() == "original"
    assert left < 0.3 < 0.5 < right  # a bright square in the middle, a dark margin


def test_limits_are_checked(recognition, upload):
    recognition.limits = UploadLimits(max_seconds=1)
    with pytest.raises(ValueError, match=r"2\.0 seconds long"):
        recognition(upload({80: (0, 49)}))
