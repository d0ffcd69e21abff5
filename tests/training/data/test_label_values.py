import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from transformers import PreTrainedConfig

from lgi_former.training.data.label_values import is_frame_level, label_values, names_of_feature, unreadable_values
from lgi_former.training.data.tasks import PROBLEM_TYPES, TASKS, task_of


CLASSES = ClassLabel(names=["happy", "sad", "fear"])
AFFECT = {"valence": Value("float32"), "arousal": Value("float32")}
LABELS = [  # the task, the type, a label, its values
    ("single_label", CLASSES, 2, 2),
    ("single_label", Value("int64"), 2, 2),
    ("multi_label", List(CLASSES), [0, 2], [1, 0, 1]),
    ("multi_label", List(CLASSES), [], [0, 0, 0]),
    ("regression", AFFECT, {"arousal": -0.25, "valence": 0.5}, [0.5, -0.25]),
    ("distribution", AFFECT, {"valence": 3.0, "arousal": 1.0}, [0.75, 0.25]),
]


@pytest.mark.parametrize("frame_level", [False, True])
@pytest.mark.parametrize(("task", "feature", "label", "expected"), LABELS)
def test_values_of_labels(task, feature, label, expected, frame_level):
    if frame_level:
        feature, label, expected = List(feature), [label, label], [expected, expected]
    rows = Dataset.from_dict({"label": [label]}, features=Features({"label": feature}))
    values = label_values(rows[0]["label"], rows.features["label"], task)
    np.testing.assert_array_equal(values, expected)
    assert np.asarray(values).dtype == (np.int64 if task == "single_label" else np.float32)
    assert is_frame_level(rows.features["label"], task) is frame_level
    unreadable = unreadable_values(rows.features["label"], task, num_frames=2)
    assert np.shape(unreadable) == np.shape(values)
    assert np.all(np.equal(unreadable, -100) if task == "single_label" else np.isnan(unreadable))


def test_names_of_types():
    assert names_of_feature(List(List(CLASSES))) == ["happy", "sad", "fear"]
    assert names_of_feature(List(AFFECT)) == ["valence", "arousal"]
    assert names_of_feature(Value("int64")) is None


def test_the_task_of_a_model():
    for task in TASKS:
        config = PreTrainedConfig(problem_type=PROBLEM_TYPES[task])
        assert task_of(config) == ("single_label" if task == "distribution" else task)
    assert task_of(PreTrainedConfig(num_labels=1)) == "regression"
