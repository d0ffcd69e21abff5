"""The metrics of an evaluation on a model card: tables in Markdown, and names for the metadata of the Hub."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .facts import ModelFacts
from .markdown import as_cell, as_plain_text


class Metric(NamedTuple):
    """How a card shows a metric.

    Attributes:
        title: Its name for people.
        hub_type: Its name in the metadata of the Hub.
        is_share: Whether it is from 0 to 1 and shown in per cent.
    """

    title: str
    hub_type: str
    is_share: bool = True


METRICS = {
    "uar": Metric("UAR", "recall"),
    "war": Metric("WAR", "accuracy"),
    "map": Metric("mAP", "mean_average_precision"),
    "weighted_f1": Metric("weighted F1", "f1"),
    "micro_f1": Metric("micro F1", "f1"),
    "macro_f1": Metric("macro F1", "f1"),
    "kl": Metric("KL divergence (nats)", "kl_divergence", False),
    "ccc": Metric("CCC", "concordance_correlation", False),
    "pearson": Metric("Pearson", "pearsonr", False),
    "mae": Metric("MAE", "mae", False),
    "rmse": Metric("RMSE", "rmse", False),
    "mse": Metric("MSE", "mse", False),
}
"""Metrics by their names in `metrics.json`."""


def metrics_in(figures: dict) -> dict[str, Metric]:
    """The metrics of `METRICS` that an evaluation has, in their order."""
    return {name: metric for name, metric in METRICS.items() if figures.get(name) is not None}


def title_of_metric(name: str) -> str:
    """The name for people of a metric, or of a metric of one label such as `ccc_valence`."""
    if name in METRICS:
        return METRICS[name].title
    metric, _, label = name.partition("_")
    return f"{METRICS[metric].title} of {label}" if metric in METRICS and label else name


def figures_text(facts: ModelFacts) -> str:
    """Tables of the metrics of an evaluation: over all labels, and of each label."""
    figures = facts.figures
    if not figures:
        return ""
    frames = f" ({figures['num_frames']} frames)" if "num_frames" in figures else ""
    lines = [f"Measured on the {figures['num_videos']} videos{frames} of the evaluation data:", ""]
    lines += _quantities(figures) if "quantities" in figures else _overall(figures)
    lines += _selection(facts)
    if "labels" in figures:
        lines += ["", *_labels(figures)]
    if "confusion_matrix" in figures:
        lines += ["", *_confusion(figures)]
    return "\n".join([*lines, *(f"\n{as_plain_text(note)}" for note in figures.get("notes", []))])


def metrics_text(facts: ModelFacts) -> str:
    """A table of the metrics of a training run."""
    if not facts.metrics:
        return ""
    rows = [[as_cell(title_of_metric(name)), f"{value:.4g}"] for name, value in facts.metrics.items()]
    step = f"Measured in the evaluation of the training run, at step {facts.metrics_step}:"
    return "\n".join([step, "", *_table("", rows), *_selection(facts)])


def _selection(facts: ModelFacts) -> Iterator[str]:
    if facts.selected_by:
        title = title_of_metric(facts.selected_by.removeprefix("eval_"))
        yield from ("", f"The best checkpoint was selected by {title} on the same videos.")


def _overall(figures: dict) -> Iterator[str]:
    metrics = metrics_in(figures)
    shares = ([metric.title, as_percent(figures[name])] for name, metric in metrics.items() if metric.is_share)
    yield from _table("%", shares)
    for name, metric in metrics.items():
        if not metric.is_share:
            yield from ("", f"{metric.title}: {figures[name]:.4f}")


def _quantities(figures: dict) -> Iterator[str]:
    names = [name for name, metric in METRICS.items() if not metric.is_share and name in figures]
    rows = list(figures["quantities"].items())
    if len(rows) > 1:
        rows.insert(0, ("mean", figures))
    titles = " | ".join(METRICS[name].title for name in names)
    yield from _table(titles, ([as_cell(label), *(as_number(row[name]) for name in names)] for label, row in rows))


def _labels(figures: dict) -> Iterator[str]:
    yield f"Average precision, F1 of scores from {figures['threshold']:g} on, and videos of each label:"
    yield ""
    rows = (
        [as_cell(label), as_percent(row["average_precision"]), as_percent(row["f1"]), str(row["support"])]
        for label, row in figures["labels"].items()
    )
    yield from _table("AP % | F1 % | videos", rows)


def _confusion(figures: dict) -> Iterator[str]:
    winner = " The true class is the one with the largest share." if figures.get("task") == "distribution" else ""
    yield f"Videos by true class (rows) and predicted class (columns), and the recall of each class.{winner}"
    yield ""
    accuracies = figures["class_accuracy"].items()
    rows = (
        [as_cell(name), *map(str, counts), as_percent(accuracy)]
        for (name, accuracy), counts in zip(accuracies, figures["confusion_matrix"], strict=True)
    )
    yield from _table(" | ".join([*map(as_cell, figures["class_accuracy"]), "%"]), rows)


def _table(titles: str, rows: Iterable[list[str]]) -> Iterator[str]:
    """A table whose first column has names and no title."""
    yield f"| | {titles} |" if titles else "| | |"
    yield f"| --- |{' ---: |' * (titles.count(' | ') + 1)}"
    for name, *cells in rows:
        yield f"| {name} | {' | '.join(cells)} |"


def as_percent(share: float | None) -> str:
    """A share from 0 to 1 in per cent, without the sign. `-` stands for an undefined one."""
    return "-" if share is None else f"{100 * share:.2f}"


def as_number(number: float | None) -> str:
    """A number with 4 digits. `-` stands for an undefined one."""
    return "-" if number is None else f"{number:.4g}"
