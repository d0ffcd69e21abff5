"""Draws a timeline: the scores of all labels over time, in one strip for each person."""

import numpy as np

from ..extras import needs_extra
from ..figures.style import area_colour_of, drawable
from .timeline import NO_FACE_NOTE


with needs_extra("figures"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_STRIPS = 6  # more strips would be too small to read
WIDTH = 9.0  # inches
LETTER, SYMBOL = 0.095, 0.7  # inches of a letter, and of a symbol with its gaps, in the legend
LEGEND_ROW = 0.22  # inches


def draw_timeline(result: dict, title: str | None = None) -> Figure:
    """Draw the timeline of a result of `FacialExpressionPipeline`, with a legend.

    At most six people are drawn: those who are seen for the longest time. A line under the time axis counts the
    others.

    Args:
        result: The result. Its scores may be probabilities that sum to 1, or other scores.
        title: Title of the figure.
    """
    people = people_to_draw(result)
    names = list(result["timeline"][0]["scores"]) if people else []
    columns = _legend_columns(names)
    legend_height = LEGEND_ROW * -(-len(names) // columns)
    figure = Figure(figsize=(WIDTH, 1.2 + legend_height + 1.7 * max(len(people), 1)), layout="constrained")
    if title:
        figure.suptitle(drawable(title))
    if not people:
        figure.text(0.5, 0.5, NO_FACE_NOTE, ha="center", va="center")
        return figure
    all_axes = figure.subplots(len(people), sharex=True, squeeze=False)[:, 0]
    for axes, person in zip(all_axes, people, strict=True):
        draw_strip(axes, result, person)
        axes.set(ylabel=f"person {person}", xlim=(0, result["duration"]))
    hidden = len(result["people"]) - len(people)
    note = f"\n{hidden} more people, who are there for a shorter time, are not shown" if hidden else ""
    all_axes[-1].set_xlabel(f"time in seconds{note}")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _legend_columns(names: list[str]) -> int:
    """Number of columns of labels that fit into the width."""
    longest = max(map(len, names), default=0)
    return max(min(int(WIDTH / (LETTER * longest + SYMBOL)), len(names)), 1)


def draw_strip(axes: Axes, result: dict, person: int):
    """Draw the scores of a person over time: stacked if they sum to 1, otherwise as lines."""
    entries = [entry for entry in result["timeline"] if entry["person"] == person]
    colours = label_colours(entries[0]["scores"])
    # Scores stand at the middles of windows, and also at the start of the first and the end of the last window.
    times = [entries[0]["start"], *((entry["start"] + entry["end"]) / 2 for entry in entries), entries[-1]["end"]]
    scores = np.array([list(entry["scores"].values()) for entry in (entries[0], *entries, entries[-1])]).T
    if np.allclose(scores.sum(axis=0), 1, atol=1e-3):
        axes.stackplot(times, scores, labels=map(drawable, colours), colors=colours.values())
        axes.set_ylim(0, 1)
    else:
        for (label, colour), values in zip(colours.items(), scores, strict=True):
            axes.plot(times, values, label=drawable(label), color=colour)


def people_to_draw(result: dict) -> list[int]:
    """Numbers of the people who are seen for the longest time, at most `MOST_STRIPS`, in ascending order."""
    by_time = sorted(result["people"], key=lambda person: person["start"] - person["end"])
    return sorted(person["person"] for person in by_time[:MOST_STRIPS])


def label_colours(labels) -> dict[str, tuple[float, float, float]]:
    """A colour, RGB from 0 to 1, for each label."""
    return {label: area_colour_of(index) for index, label in enumerate(labels)}
