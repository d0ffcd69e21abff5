"""Draws a map of embeddings: one point for each video, near similar videos, coloured by class."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from ..extras import needs_extra
from .style import MARKERS, WIDTH, colour_of, drawable, fonts_of_all_scripts


METHODS = {"tsne": "t-SNE", "umap": "UMAP"}
PERPLEXITY = NEIGHBOURS = 30  # of t-SNE and UMAP; smaller for fewer than three times as many videos
FEWEST = 4
NAME_WIDTH = 22  # letters of a line in the legend
ROWS_OF_LEGEND = 16
COLUMN_WIDTH = 2.2  # inches, of a further column of the legend
LARGEST_POINT = 36  # square points
GREY = "#888888"


def map_embeddings(embeddings: np.ndarray, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Place embeddings on a plane.

    Args:
        embeddings: float (videos, width).
        method: `"tsne"` (scikit-learn), or `"umap"`, which needs the package `umap-learn`.
        seed: Decides the random choices of the method.

    Returns:
        float (videos, 2).

    Raises:
        ValueError: If there are fewer than 4 embeddings, some are not finite or not vectors, or the method is
            unknown.
        ImportError: If `umap-learn` is not installed.
    """
    if embeddings.ndim != 2:
        raise ValueError(
            f"A map shows one vector for each video, but these embeddings have the shape {embeddings.shape}. Embed "
            "clips, not regions or tokens."
        )
    if len(embeddings) < FEWEST:
        raise ValueError(f"A map needs at least {FEWEST} embeddings, but there are {len(embeddings)}.")
    if not np.isfinite(embeddings).all():
        raise ValueError("Some embeddings are not finite numbers; make them with dtype=torch.float32.")
    neighbours = min(PERPLEXITY, (len(embeddings) - 1) / 3)
    if method == "tsne":
        start = "pca" if np.ptp(embeddings, axis=0).any() else "random"  # equal embeddings have no variance
        return TSNE(perplexity=neighbours, init=start, random_state=seed).fit_transform(embeddings)
    if method == "umap":
        with needs_extra("umap"):
            from umap import UMAP
        return UMAP(n_neighbors=max(int(neighbours), 2), random_state=seed, n_jobs=1).fit_transform(embeddings)
    raise ValueError(f"The method {method!r} is not one of {', '.join(map(repr, METHODS))}.")


@fonts_of_all_scripts()
def draw_embedding_map(
    points: np.ndarray, labels: np.ndarray | None = None, label_names: Sequence[str] = (), title: str = ""
) -> Figure:
    """Draw a map of embeddings, each class in its own colour and shape.

    Args:
        points: float (videos, 2), from `map_embeddings`.
        labels: int (videos,), class of each video. None if unknown.
        label_names: Names of the classes. Classes without a video are not drawn.
        title: Title of the figure.
    """
    columns = 0 if labels is None else -(-len(np.unique(labels)) // ROWS_OF_LEGEND)
    figure = Figure(figsize=(WIDTH + COLUMN_WIDTH * max(columns - 1, 0), 6), layout="constrained")
    axes = figure.subplots()
    size = float(np.interp(len(points), (50, 5000), (LARGEST_POINT, 5)))
    if labels is None:
        axes.scatter(*points.T, s=size, color=GREY)
    else:
        _scatter_classes(axes, points, labels, label_names, size)
        legend = figure.legend(loc="outside right center", ncols=columns, frameon=False, labelspacing=0.7)
        for handle in legend.legend_handles:
            handle.set_sizes([LARGEST_POINT])
    axes.set(title=title, xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_color("lightgrey")
    return figure


def _scatter_classes(axes, points, labels, label_names, size):
    for index, name in enumerate(label_names):
        of_class = points[labels == index]
        if len(of_class):
            style = {"color": colour_of(index), "marker": MARKERS[index % len(MARKERS)]}
            name = drawable(textwrap.fill(name, NAME_WIDTH, break_long_words=True))
            axes.scatter(*of_class.T, s=size, alpha=0.75, linewidths=0, label=name, **style)
