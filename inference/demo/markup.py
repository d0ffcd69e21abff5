"""Answers as HTML. Videos, figures and tables are part of the page: a file that Gradio serves would remain on disk."""

import base64
import csv
import html
import io

from matplotlib.figure import Figure
from matplotlib.text import Text

from ...files import as_text_cell
from ..timeline import shown_number
from .answers import Recognition, RecognitionAnswer


DPI = 150  # sharp on screens with many pixels
POINTS_PER_INCH = 72
SMALLEST_LETTER = 10  # pixels, the size of the font
STYLE = """
.answer {line-height: 1.5}
.answer .html-container {padding: 0}
.answer h3 {margin: 0 0 0.5rem; font-weight: 600}
.answer a {color: var(--link-text-color); text-decoration: underline}
.answer video {display: block; width: 100%; max-height: 36rem}
.answer .beside {display: flex; flex-wrap: wrap; gap: 1.5rem}
.answer .beside > * {flex: 1 1 20rem; min-width: 0}
.answer .wide {overflow-x: auto; margin-bottom: 0.5rem}
.answer img {display: block; width: 100%; max-width: none; border-radius: 0.4rem}
.answer table {min-width: min(100%, 24rem); padding: 0; border-spacing: 0; border-collapse: separate}
.answer th, .answer td {padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--border-color-primary)}
.answer th {font-weight: 600; text-align: left}
.answer th[scope=row] {position: sticky; left: 0; background: var(--body-background-fill)}
.answer td, .answer thead th {text-align: right}
.answer td {font-variant-numeric: tabular-nums; white-space: nowrap}
.answer .bar {display: inline-block; width: 3.5rem; margin-right: 0.4rem; background: var(--border-color-primary)}
.answer .bar span {display: block; height: 0.6rem; background: var(--color-accent)}
.answer .number {display: inline-block; min-width: 3.2rem}
#note .progress-text {position: static; margin-bottom: 1.5rem}
"""
STYLE_OF_PHONES = """<style>
@media (max-width: 600px) {.gradio-container .main.fillable.app {padding: 0.75rem}}
</style>"""
"""An element for the head of the page: Gradio applies `css` to what is inside the padding only."""


def player(video: bytes) -> str:
    """A player and a link for an MP4 file."""
    address = _data_address("video/mp4", video)
    return (
        f'<video src="{address}" controls autoplay muted loop playsinline></video>'
        '<p><a href="#" download="annotated.mp4" '
        'onclick="this.href = this.parentElement.previousElementSibling.src">Download the video (MP4)</a></p>'
    )


def picture(figure: Figure, description: str) -> str:
    """A figure as an image. If its letters would be too small on a narrow screen, the image is scrolled sideways."""
    return (
        f'<div class="wide"><img src="{picture_address(figure)}" alt="{html.escape(description)}" '
        f'style="min-width: {_legible_width(figure)}px"></div>'
    )


def _legible_width(figure: Figure) -> int:
    """Width in pixels at which the smallest letters of a figure have `SMALLEST_LETTER` pixels."""
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    return round(figure.get_figwidth() * POINTS_PER_INCH * SMALLEST_LETTER / min(sizes, default=10))


def picture_address(figure: Figure) -> str:
    """A figure as the address of a PNG image that contains the image."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return _data_address("image/png", file.getvalue())


def score_table(recognition: Recognition, answer: RecognitionAnswer) -> str:
    """The mean scores, with links to CSV files: a row for each label, a column for each person.

    The highest score is first. Quantities are in the order of the model. The column of all people is the first one,
    because a narrow screen hides the last ones.
    """
    first_score = len(recognition.columns) - len(recognition.labels)
    *others, overall = answer.people
    people = [overall, *others]
    by_score = range(len(recognition.labels))
    if recognition.kind.is_probability:
        by_score = sorted(by_score, key=lambda index: -overall[first_score + index])
    rows = [
        _table_row(
            recognition.kind.with_unit(recognition.labels[index]),
            [_score(recognition, row[first_score + index]) for row in people],
        )
        for index in by_score
    ]
    names = ["all people" if row[0] == "all" else f"person {row[0]}" for row in people]
    times = [f"{start:.1f} to {end:.1f}" for _, start, end, *_ in people]
    heading = f"<tr><td></td>{''.join(f'<th scope=col>{name}</th>' for name in names)}</tr>"
    return (
        f'<h3>Mean {recognition.kind.word}s</h3><div class="wide"><table><thead>{heading}</thead>'
        f"<tbody>{''.join(rows)}</tbody><tfoot>{_table_row('seconds', times)}</tfoot></table></div>"
        f"{_csv_links(recognition, answer)}"
    )


def timeline_and_scores(recognition: Recognition, answer: RecognitionAnswer) -> str:
    """The timeline and the table of scores, side by side if the screen is wide enough."""
    timeline = picture(answer.timeline, f"{recognition.kind.word.capitalize()} of each label over time")
    table = score_table(recognition, answer)
    return f'<div class="beside"><div id="timeline">{timeline}</div><div id="scores">{table}</div></div>'


def live_scores(recognition: Recognition, entries: list[dict]) -> str:
    """The newest window of each person: a column for each person, a row for each label in the order of the model."""
    if not entries:
        return ""
    rows = [
        _table_row(
            recognition.kind.with_unit(label), [_score(recognition, entry["scores"][label]) for entry in entries]
        )
        for label in recognition.labels
    ]
    names = "".join(f"<th scope=col>person {shown_number(entry['person'])}</th>" for entry in entries)
    times = [f"{entry['start']:.1f} to {entry['end']:.1f}" for entry in entries]
    return (
        f'<div class="wide"><table><thead><tr><td></td>{names}</tr></thead><tbody>{"".join(rows)}</tbody>'
        f"<tfoot>{_table_row('seconds', times)}</tfoot></table></div>"
    )


def _csv_links(recognition: Recognition, answer: RecognitionAnswer) -> str:
    numbers = f"{recognition.kind.word}s"
    tables = {
        f"mean-{numbers}.csv": ("Download this table (CSV)", answer.people),
        f"{numbers}-over-time.csv": (f"Download the {numbers} over time (CSV)", answer.windows),
    }
    links = []
    for name, (text, rows) in tables.items():
        address = _data_address("text/csv;charset=utf-8", as_csv(recognition, rows).encode())
        links.append(f'<a href="{address}" download="{name}">{text}</a>')
    return f"<p>{'<br>'.join(links)}</p>"


def as_csv(recognition: Recognition, rows: list[list]) -> str:
    """A table as CSV. Spreadsheets run no cell as a formula (`as_text_cell`)."""
    exact = recognition.kind.exact
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(as_text_cell, recognition.columns))
    for person, start, end, *cells in rows:
        texts = (exact(cell) if isinstance(cell, float) else cell for cell in cells)
        writer.writerow(map(as_text_cell, [person, start, end, *texts]))
    return file.getvalue()


def _table_row(name: str, cells: list[str]) -> str:
    return f"<tr><th scope=row>{html.escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _score(recognition: Recognition, score: float) -> str:
    """A score as text. A bar beside a percentage shows it too."""
    text = f'<span class="number">{recognition.kind.shown(score)}</span>'
    bar = f'<span class="bar"><span style="width: {score:.1%}"></span></span>'
    return bar + text if recognition.kind.is_probability else text


def _data_address(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
