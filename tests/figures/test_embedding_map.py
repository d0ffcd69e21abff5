"""Maps of embeddings: neighbours, colours of classes, and errors."""

import sys
import types

import numpy as np
import pytest

from lgi_former.configuration import DATASET_LABELS
from lgi_former.figures import draw_embedding_map, map_embeddings


def _clusters(num_classes, in_class=10):
    """Embeddings that are far apart by class, and their labels."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), in_class)
    return 10 * np.eye(16)[labels] + generator.normal(size=(len(labels), 16)), labels


def test_neighbours_are_of_the_same_class():
    embeddings, labels = _clusters(3)
    points = map_embeddings(embeddings)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_four_videos_are_enough():
    embeddings, _ = _clusters(1, in_class=4)
    assert map_embeddings(embeddings).shape == (4, 2)
    with pytest.raises(ValueError, match="at least 4 embeddings, but there are 3"):
        map_embeddings(embeddings[:3])


def test_equal_embeddings_are_placed():
    assert np.isfinite(map_embeddings(np.ones((5, 8)))).all()


@pytest.mark.parametrize(
    ("embeddings", "method", "message"),
    [
        (np.zeros((9, 4, 8)), "tsne", "not regions or tokens"),
        (np.full((9, 8), np.nan), "tsne", "not finite"),
        (np.zeros((9, 8)), "pca", "'tsne', 'umap'"),
    ],
    ids=["regions", "not finite", "unknown method"],
)
def test_wrong_embeddings_or_methods_are_refused(embeddings, method, message):
    with pytest.raises(ValueError, match=message):
        map_embeddings(embeddings, method)


def test_umap_is_used_if_it_is_installed(monkeypatch):
    settings = {}

    class UMAP:
        def __init__(self, **given):
            settings.update(given)

        def fit_transform(self, embeddings):
            return embeddings[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    embeddings, _ = _clusters(2)
    assert map_embeddings(embeddings, "umap", seed=3).shape == (20, 2)
    assert settings == {"n_neighbors": 6, "random_state": 3, "n_jobs": 1}


def test_missing_umap_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r'pip install "lgi-former\[umap\]"'):
        map_embeddings(_clusters(1)[0], "umap")


@pytest.mark.parametrize(
    "label_names",
    [
        ["happiness"],
        DATASET_LABELS["dfew"],
        DATASET_LABELS["mafw"],
        ["a_name_of_" + "many_" * 12 + "letters", "anger because of somebody else's good fortune"],
        [f"class {index}" for index in range(40)],
    ],
    ids=["1 class", "7 classes", "11 classes", "long names", "40 classes"],
)
def test_classes_look_different(label_names, texts):
    points = np.random.default_rng(0).normal(size=(4 * len(label_names), 2))
    labels = np.arange(len(points)) % len(label_names)
    figure = draw_embedding_map(points, labels, label_names, title="t-SNE")
    looks = {
        (tuple(map(tuple, cloud.get_facecolor())), cloud.get_paths()[0].vertices.tobytes())
        for cloud in figure.axes[0].collections
    }
    assert len(looks) == len(label_names)
    shown = ["".join(text.split()) for text in texts(figure)]
    assert {"".join(name.split()) for name in label_names} <= set(shown)


def test_classes_without_videos_are_not_drawn(texts):
    shown = texts(draw_embedding_map(np.eye(4, 2), np.array([0, 0, 2, 2]), ["happy", "sad", "angry"]))
    assert "happy" in shown and "angry" in shown
    assert "sad" not in shown


def test_without_labels_there_is_no_legend():
    figure = draw_embedding_map(np.eye(4, 2))
    assert len(figure.axes[0].collections[0].get_offsets()) == 4
    assert not figure.legends
