"""Prints predictions: as tables for people, JSON lines for programs, CSV for spreadsheets.

A printer takes a result of `FacialExpressionPipeline`, or the fields of a `VideoPrediction` as a dictionary.
"""

import csv
import json
import sys
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..inference.timeline import stretches


class TablePrinter:
    """Prints the overall scores and a short timeline."""

    def __init__(self):
        self.console = Console(highlight=False)

    def print_result(self, result: dict):
        """Print the scores of a video, or why it has none. Other notes are already on stderr as warnings."""
        self.console.print(Text(result["video"]), soft_wrap=True)
        if result["scores"] is None:
            hint = "If the video is cropped to a face already, add --no_crop_faces."
            self.console.print(f"{result['note']} {hint}", soft_wrap=True)
            return
        table = Table(box=box.SIMPLE)
        table.add_column("expression", overflow="fold")  # on several lines rather than cut
        table.add_column("score", justify="right", min_width=6)
        for label, score in result["scores"].items():
            table.add_row(Text(label), f"{score:.4f}")
        self.console.print(table)
        if len(result.get("timeline", [])) > 1:
            self.console.print(_timeline_table(result["timeline"]))

    def print_failure(self, video: str, message: str):
        """Print nothing: the command reports failures on stderr."""


def _timeline_table(timeline: list[dict]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("seconds", min_width=10)
    table.add_column("person", min_width=6)
    table.add_column("expression", overflow="fold")
    table.add_column("score", justify="right", min_width=6)
    for stretch in stretches(timeline):
        seconds = f"{stretch['start']:.1f} to {stretch['end']:.1f}"
        table.add_row(seconds, str(stretch["person"]), Text(stretch["label"]), f"{stretch['score']:.4f}")
    return table


class JsonPrinter:
    """Prints each result as a line of JSON, and each failure as a line with `video` and `error`."""

    def print_result(self, result: dict):
        """Print the result of a video."""
        print(json.dumps(result), flush=True)

    def print_failure(self, video: str, message: str):
        """Print that a video failed."""
        print(json.dumps({"video": video, "error": message}), flush=True)


class CsvPrinter:
    """Prints a row for each window: video, person, start and end in seconds, a column for each label, and a note.

    A video without a timeline has one row without times. A video without a face has one row with empty scores, and so
    has a video that failed. The note says why. It also says if the end of a video is missing.

    Args:
        labels: Labels of the model. Their columns are in alphabetical order. The column of a label that has the name
            of another column is called "score of ...".
    """

    COLUMNS = ("video", "person", "start", "end")

    def __init__(self, labels: Iterable[str]):
        self.titles = {}
        taken = {*self.COLUMNS, "note"}
        for label in sorted(set(labels)):
            title = label
            while title in taken:
                title = f"score of {title}"
            taken.add(title)
            self.titles[label] = title
        columns = [*self.COLUMNS, *self.titles.values(), "note"]
        self.writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        self.has_header = False

    def print_result(self, result: dict):
        """Print the rows of a video."""
        rows = []
        for entry in result.get("timeline") or [{"scores": result["scores"] or {}}]:
            times = {name: entry[name] for name in self.COLUMNS if name in entry}
            scores = {self.titles[label]: score for label, score in entry["scores"].items()}
            rows.append({"video": result["video"], **times, **scores, "note": result.get("note", "")})
        self._print(rows)

    def print_failure(self, video: str, message: str):
        """Print that a video failed."""
        self._print([{"video": video, "note": message}])

    def _print(self, rows: list[dict]):
        if not self.has_header:
            self.writer.writeheader()
            self.has_header = True
        self.writer.writerows(rows)
        sys.stdout.flush()
