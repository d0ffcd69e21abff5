"""Draws a timeline: the scores of all labels over time, in one panel for each person."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np

from ..extras import needs_extra
from ..figures.style import COLOURS, MARKERS, area_colour_of, drawable, fonts_of_all_scripts
from ..files import whole_file
from ..hub.answer_kind import THRESHOLD, UNKNOWN_UNIT, AnswerKind
from .timeline import NO_FACE_NOTE, shown_number


with needs_extra("figures"):
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MaxNLocator


MOST_PANELS = 6  # more panels would make a picture too long
WIDTH = 6.0  # inches; on a phone, 390 pixels wide, letters of 13 points have 12 pixels
DPI = 200
FONT_SIZE = 13
PANEL_HEIGHT = 2.4  # inches
LINE_HEIGHT, LETTER, SYMBOL = 0.26, 0.125, 0.75  # inches, of the legend and the title
MOST_LETTERS = 44  # of a line
MOST_LETTERS_OF_LABEL, MOST_LETTERS_BESIDE = 52, 20  # of a line of the legend, and beside an axis
MOST_POINTS = 40  # over the whole video; more are drawn as means
MARKS = 5  # on a curve of several points
WIDTH_OF_CURVE = 2
NEAR = 0.01  # of the axis; curves that are nearer everywhere coincide
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (8, 2, 1.5, 2)))
SHORT = 180  # seconds; the axis of a longer video has minutes
UNSEEN, CUT = "face not seen", "cut"
RULE = {"color": "black", "linewidth": 0.8, "alpha": 0.6, "zorder": 1}
CUT_LINE = {"color": "black", "linewidth": 0.8, "linestyle": (0, (1, 3)), "zorder": 1}
GAP = {"facecolor": "#e4e4e4", "edgecolor": "#9a9a9a", "hatch": "///", "linewidth": 0}


def draw_timeline(result: dict, title: str | None = None) -> Figure:
    """Draw the timeline of a result of `FacialExpressionPipeline`, with a legend below.

    Each person has a panel, at most six: the people who are seen for the longest time. Times at which a person's face
    is not seen are hatched. Dotted lines are cuts, unless there are more than 40. A score stands at the middle of its
    window. A curve of many windows is drawn as means.
    Lines below the panels explain all of this where it occurs.

    The axis of scores goes from 0 to 1. The axis of quantities covers their values, and is symmetric if one of them is
    negative. Quantities with different units have a panel for each unit.

    Args:
        result: The result. Its `problem_type` says what its numbers are.
        title: Title of the figure, on one or several lines.
    """
    sizes = {"font.size": FONT_SIZE, "axes.titlesize": FONT_SIZE, "hatch.linewidth": 0.8}
    with rc_context(sizes), fonts_of_all_scripts():
        return _draw(result, _title_lines(title))


def save_timeline(figure: Figure, path: Path):
    """Save the figure atomically. Letters that no font has are drawn as boxes."""
    with whole_file(path) as unfinished, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(unfinished, dpi=DPI)


def people_to_draw(result: dict, most: int = MOST_PANELS) -> list[int]:
    """Numbers of the people who are seen for the longest time, at most `most`, in ascending order."""
    by_time = sorted(result["people"], key=lambda person: person["start"] - person["end"])
    return sorted(person["person"] for person in by_time[:most])


def draw_strip(axes: Axes, result: dict, person: int):
    """Draw the scores of a person for annotated videos: a strip of colours if they sum to 1, otherwise lines.

    Each unit of quantities has its own scale, because a strip has no axis.
    """
    kind = AnswerKind.of_result(result)
    entries = _entries(result, person)
    colours = label_colours(entries[0]["scores"])
    # Scores stand at the middles of windows, and also at the start of the first and the end of the last window.
    times = [entries[0]["start"], *((entry["start"] + entry["end"]) / 2 for entry in entries), entries[-1]["end"]]
    scores = np.array([list(entry["scores"].values()) for entry in (entries[0], *entries, entries[-1])]).T
    if kind.sums_to_1:
        axes.stackplot(times, scores, colors=colours.values())
        axes.set_ylim(0, 1)
        return
    by_label = dict(zip(colours, scores, strict=True))
    for labels in _panels_of(kind):
        low, high = _limits(kind, [[entry["scores"][label] for entry in result["timeline"]] for label in labels])
        curves = [(by_label[label] - low) / (high - low) for label in labels]
        for label, curve, width in zip(labels, curves, _widths(curves, NEAR), strict=True):
            axes.plot(times, curve, color=colours[label], linewidth=width)
        if _has_rule(kind, low):
            axes.hlines(0.5, times[0], times[-1], **RULE)
    axes.set_ylim(0, 1)


def label_colours(labels) -> dict[str, tuple[float, float, float]]:
    """A colour, RGB from 0 to 1, for each label."""
    return {label: area_colour_of(index) for index, label in enumerate(labels)}


def _draw(result: dict, title: str) -> Figure:
    kind = AnswerKind.of_result(result)
    parts = _panels_of(kind)
    people = people_to_draw(result, max(MOST_PANELS // max(len(parts), 1), 1))
    styles = {label: curve_style(index) for index, label in enumerate(kind.labels)}
    handles = [Line2D([], [], label=_legend_text(label), **style) for label, style in styles.items()]
    span = time_span(result)
    gaps = {person: list(_gaps(_entries(result, person), *span)) for person in people}
    if any(gaps.values()):
        handles.append(Patch(label=UNSEEN, **GAP))
    cuts = result.get("cuts", []) if len(result.get("cuts", [])) <= MOST_POINTS else []
    if cuts:
        handles.append(Line2D([], [], label=CUT, **CUT_LINE))
    texts = [handle.get_label() for handle in handles]
    columns = _legend_columns(texts)
    notes = list(_notes(result, people, kind)) if people else [NO_FACE_NOTE]
    rows = -(-len(handles) // columns) * max((text.count("\n") + 1 for text in texts), default=0)
    lines = title.count("\n") + 1 + sum(note.count("\n") + 1 for note in notes) + rows
    panels = [(person, labels) for person in people for labels in parts]
    figure = Figure(figsize=(WIDTH, 0.9 + LINE_HEIGHT * lines + PANEL_HEIGHT * len(panels)), layout="constrained")
    if title:
        figure.suptitle(title)
    if not people:
        figure.text(0.5, 0.3, "\n".join(wrap(NO_FACE_NOTE, MOST_LETTERS)), ha="center", va="center")
        return figure
    step = result["duration"] / MOST_POINTS
    entries = [entry for person in people for entry in _entries(result, person)]
    near = {labels[0]: NEAR * _height(kind, entries, labels) for labels in parts}
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (person, labels) in zip(all_axes, panels, strict=True):
        own_styles = {label: styles[label] for label in labels}
        _draw_person(axes, _entries(result, person), own_styles, step, near[labels[0]])
        for start, end in gaps[person]:
            axes.axvspan(start, end, zorder=0, **GAP)
        for cut in cuts:
            axes.axvline(cut, **CUT_LINE)
        axes.set_title(f"person {shown_number(person)}", loc="left")
        axes.set(xlim=span)
        _draw_scale(axes, kind, [[entry["scores"][label] for entry in entries] for label in labels], labels)
    _label_times(all_axes[-1], *span)
    all_axes[-1].set_xlabel("\n".join(notes))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, handlelength=2.6)
    return figure


def _panels_of(kind: AnswerKind) -> list[list[str]]:
    """The labels of each panel of a person. Quantities with one unit share a panel."""
    panels = {}
    for label in kind.labels:
        panels.setdefault(kind.units.get(label), []).append(label)
    return list(panels.values())


def _draw_scale(axes: Axes, kind: AnswerKind, values: list[list[float]], labels: list[str]):
    """Set the axis of `values` (labels, windows) and draw lines that help to read them."""
    low, high = _limits(kind, values)
    margin = (0.02 if kind.is_probability else 0.06) * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.grid(axis="y", alpha=0.4)
    unit = kind.units.get(labels[0], kind.word)
    axes.set_ylabel("\n".join(wrap(drawable(unit), MOST_LETTERS_BESIDE)))
    if kind.is_probability:
        axes.set_yticks((0, 0.5, 1))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    if _has_rule(kind, low):
        axes.hlines(THRESHOLD if kind.is_probability else 0, *axes.get_xlim(), **RULE)


def _has_rule(kind: AnswerKind, low: float) -> bool:
    """Whether a line shows the threshold of labels, or 0 among signed values. It is the middle of `_limits`."""
    return not kind.sums_to_1 and (kind.is_probability or low < 0)


def _limits(kind: AnswerKind, values: list) -> tuple[float, float]:
    """Lower and upper end of the axis of some numbers (labels, windows)."""
    if kind.is_probability:
        return 0.0, 1.0
    low, high = float(np.min(values)), float(np.max(values))
    if low < 0:
        return -max(-low, high), max(-low, high)
    return (low, high) if low < high else (low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10)


def _height(kind: AnswerKind, entries: list[dict], labels: list[str]) -> float:
    """The height of the axis of some labels."""
    low, high = _limits(kind, [[entry["scores"][label] for entry in entries] for label in labels])
    return high - low


def _widths(curves: Sequence[np.ndarray], near: float) -> list[float]:
    """Line widths of curves that are drawn one after the other.

    A curve is wider if later curves coincide with it: if they differ by less than `near` everywhere. So all are seen.
    """
    widths = []
    for number, curve in enumerate(curves):
        hiding = sum(np.abs(curve - later).max() < near for later in curves[number + 1 :])
        widths.append(WIDTH_OF_CURVE + 1.5 * min(hiding, 3))
    return widths


def _draw_person(axes: Axes, entries: list[dict], styles: dict[str, dict], step: float, near: float):
    """Draw a curve for each label. The curves are interrupted where the person is not seen."""
    for stretch in _seen_stretches(entries):
        times, scores = _points(stretch, list(styles), step)
        num_windows = len(times) - 2  # the first and the last point are ends of the stretch
        every = max(len(times) // MARKS, 3)
        widths = _widths(scores.T, near)
        for index, (style, values, width) in enumerate(zip(styles.values(), scores.T, widths, strict=True)):
            # The marks of the curves are at different times, so that they do not cover each other.
            marks = range(1 + index % min(every, num_windows), 1 + num_windows, every)
            axes.plot(times, values, **(style | {"linewidth": width}), markevery=marks)


def _points(entries: list[dict], labels: list[str], step: float) -> tuple[np.ndarray, np.ndarray]:
    """Times (points,) and scores (points, labels) of successive windows.

    Scores stand at the middles of windows. The first and the last score also stand at the ends of the stretch. If
    there are more windows than one in `step` seconds, they are averaged.
    """
    middles = np.array([(entry["start"] + entry["end"]) / 2 for entry in entries])
    scores = np.array([[entry["scores"][label] for label in labels] for entry in entries])
    start, end = _span(entries)
    num_parts = max(round((end - start) / step), 1)
    if _is_dense(entries, step):
        parts = [part for part in np.array_split(np.arange(len(entries)), num_parts) if len(part)]
        middles = np.array([middles[part].mean() for part in parts])
        scores = np.array([scores[part].mean(axis=0) for part in parts])
    return np.array([start, *middles, end]), np.concatenate([scores[:1], scores, scores[-1:]])


def _span(entries: list[dict]) -> tuple[float, float]:
    return entries[0]["start"], max(entry["end"] for entry in entries)


def _is_dense(entries: list[dict], step: float) -> bool:
    """Whether windows begin more often than every `step` seconds."""
    return len(entries) > 2 and (entries[-1]["start"] - entries[0]["start"]) / (len(entries) - 1) < step


def _entries(result: dict, person: int) -> list[dict]:
    return [entry for entry in result["timeline"] if entry["person"] == person]


def _seen_stretches(entries: list[dict]) -> Iterator[list[dict]]:
    """Split the windows of a person where the next window begins after the end of the windows before it."""
    stretch, end = [], 0.0
    for entry in sorted(entries, key=lambda entry: entry["start"]):
        if stretch and entry["start"] > end + 1e-3:
            yield stretch
            stretch = []
        stretch.append(entry)
        end = max(entry["end"], end)
    yield stretch


def time_span(result: dict) -> tuple[float, float]:
    """Seconds in the video at which a result starts and ends. Only that of a section does not start at 0."""
    start = result.get("start", 0.0)
    return start, start + result["duration"]


def _gaps(entries: list[dict], before: float, end: float) -> Iterator[tuple[float, float]]:
    """Start and end, in seconds, of the times from `before` to `end` at which a person is not seen."""
    for stretch in _seen_stretches(entries):
        if stretch[0]["start"] > before + 1e-3:
            yield before, stretch[0]["start"]
        before = max(entry["end"] for entry in stretch)
    if end > before + 1e-3:
        yield before, end


def curve_style(index: int) -> dict:
    """Colour, dashes and mark of a curve. Dashes and marks differ also in black and white."""
    marker = MARKERS[index % len(MARKERS)]
    style = {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[(index + index // len(COLOURS)) % len(DASHES)],
        "linewidth": WIDTH_OF_CURVE,
    }
    return style | {"marker": marker, "markersize": 8, "markerfacecolor": "white" if index % 2 else None}


def _notes(result: dict, people: list[int], kind: AnswerKind) -> Iterator[str]:
    """What a reader must know about the panels, in lines that fit."""
    yield "time in seconds" if time_span(result)[1] <= SHORT else "time in minutes:seconds"
    if not kind.is_probability and not kind.units:
        yield f"Values: {UNKNOWN_UNIT}."
    step = result["duration"] / MOST_POINTS
    stretches = [stretch for person in people for stretch in _seen_stretches(_entries(result, person))]
    if any(_is_dense(stretch, step) for stretch in stretches):
        yield f"Each point is a mean over {step:.2g} seconds."
    if hidden := len(result["people"]) - len(people):
        yield f"{hidden} more {'person is' if hidden == 1 else 'people are'} seen for less time and not drawn."


def _label_times(axes: Axes, start: float, end: float):
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 5, 6, 10], integer=end > SHORT))
    if end > SHORT:
        if end - start > SHORT:
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1.2, 3, 6]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time // 60:.0f}:{time % 60:02.0f}"))


def _legend_text(label: str) -> str:
    """A label on lines that fit into the width."""
    return "\n".join(wrap(drawable(label), MOST_LETTERS_OF_LABEL))


def _legend_columns(labels: list[str]) -> int:
    """Number of columns of labels that fit into the width."""
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    return max(min(int(WIDTH / (LETTER * longest + SYMBOL)), len(labels)), 1)


def _title_lines(title: str | None) -> str:
    """The title in lines that fit. The middle of a long line is left out."""
    lines = (title or "").splitlines()
    half = MOST_LETTERS // 2 - 1
    short = [
        line if len(line) <= MOST_LETTERS else f"{line[:half]}\N{HORIZONTAL ELLIPSIS}{line[-half:]}" for line in lines
    ]
    return "\n".join(map(drawable, short))
