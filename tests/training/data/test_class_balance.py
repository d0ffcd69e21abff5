"""Weights of classes."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from sklearn.utils.class_weight import compute_class_weight

from lgi_former.training.data.class_balance import balancing_weights, label_shares, positive_weights, strata_of
from lgi_former.training.data.sharded_videos import ShardedVideos


COUNTS = np.array([200.0, 10.0, 1.0])


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat(np.arange(3), COUNTS.astype(int))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balancing_weights(COUNTS, "balanced"), expected)


def test_effective_weights_are_those_of_the_paper():
    expected = (1 - 0.999) / (1 - 0.999**COUNTS)
    weights = balancing_weights(COUNTS, "effective")
    np.testing.assert_allclose(weights / weights[0], expected / expected[0])


@pytest.mark.parametrize("rule", ["balanced", "effective"])
def test_the_mean_weight_of_a_video_is_one(rule):
    for counts in (COUNTS, np.array([3.0, 0.0, 5.0]), np.array([0.4, 2.6])):
        weights = balancing_weights(counts, rule)
        assert (weights * counts).sum() == pytest.approx(counts.sum())
        assert (weights[counts == 0] == 1).all()


def test_weights_of_several_labels_compare_present_and_absent():
    np.testing.assert_allclose(positive_weights(np.array([5, 20, 0]), 20, "balanced"), [3, 1, 1])
    weight = (1 - 0.999**15) / (1 - 0.999**5)
    np.testing.assert_allclose(positive_weights(np.array([5]), 20, "effective"), [weight])


@pytest.mark.parametrize("feature", [ClassLabel(names=["a", "b", "c"]), Value("int64")])
def test_shares_of_a_list(feature):
    videos = Dataset.from_dict(
        {"video": ["x", "y"], "label": [2, 0]}, features=Features({"video": Value("string"), "label": feature})
    )
    assert label_shares(videos, 3).tolist() == [[0, 0, 1], [1, 0, 0]]


SEVERAL = List(ClassLabel(names=["a", "b"]))
VOTES = {"a": Value("float32"), "b": Value("float32")}


@pytest.mark.parametrize(
    ("task", "feature", "labels", "shares", "strata"),
    [
        ("multi_label", SEVERAL, [[0], [], [0, 1], [0]], [[1, 0], [0, 0], [1, 1], [1, 0]], [1, 0, 0, 1]),
        ("distribution", VOTES, [{"a": 1, "b": 3}, {"a": 2, "b": 0}], [[0.25, 0.75], [1, 0]], [1, 0]),
        ("single_label", List(ClassLabel(names=["a", "b"])), [[0, 1], [1]], [[1, 0], [0, 1], [0, 1]], [0, 0]),
        ("regression", VOTES, [{"a": 0.5, "b": 3}, {"a": 2, "b": 0}], None, [0, 0]),
    ],
)
def test_shares_and_strata_of_labels_of_every_kind(task, feature, labels, shares, strata):
    features = Features({"video": Value("string"), "label": feature})
    videos = Dataset.from_dict({"video": [str(index) for index in range(len(labels))], "label": labels}, features)
    if shares is not None:
        assert label_shares(videos, 2, task).tolist() == shares
    found = strata_of(videos, 2, task)
    assert [strata.index(value) for value in strata] == [found.tolist().index(value) for value in found]


def test_shares_of_shards(tiny_shards):
    videos = ShardedVideos(str(tiny_shards / "index.json"), ["2", "1", "0"])
    shares = label_shares(videos, 3)
    assert shares.argmax(axis=1).tolist() == [videos[index]["label"] for index in range(24)]
    assert shares.sum(axis=0).tolist() == [8, 8, 8]
