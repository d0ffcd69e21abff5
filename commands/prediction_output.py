"""Prints predictions: as tables for people, JSON lines for programs, CSV for spreadsheets.

A printer takes a result of `FacialExpressionPipeline`, or the fields of a `VideoPrediction` as a dictionary.
"""

import csv
import json
import sys
from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from ..inference.timeline import best_label, shown_number, stretches
from ..messages import console


class TablePrinter:
    """Prints the overall scores and a short timeline."""

    def __init__(self):
        self.console = console()

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
        table.add_row(seconds, str(shown_number(stretch["person"])), Text(stretch["label"]), f"{stretch['score']:.4f}")
    return table


class JsonPrinter:
    """Prints each result as a line of JSON, and each failure as a line with `video` and `error`."""

    def print_result(self, result: dict):
        """Print the result of a video."""
        print(json.dumps(result), flush=True)

    def print_failure(self, video: str, message: str):
        """Print that a video failed."""
        print(json.dumps({"video": video, "error": message}), flush=True)


class CsvColumns:
    """Columns and rows of CSV tables: one row for each window, or one for each video.

    Windows have the columns `video`, `person` (from 1), `start`, `end` (seconds), `expression` (the label with the
    highest score), one for each label, and `note`. Videos have `duration` (seconds), `people` (their number) and
    `file` instead of person and times. The note says why scores are missing, or what is unusual in the video.

    Args:
        labels: Labels of the model, in the order of their columns. The column of a label that has the name of another
            column is called "score of ...".
        has_expressions: Whether the highest score names an expression. False for regression: then the column is empty.
    """

    WINDOW = ("video", "person", "start", "end", "expression")
    VIDEO = ("video", "duration", "people", "expression")
    LAST_OF_VIDEO = ("file", "note")

    def __init__(self, labels: Iterable[str], has_expressions: bool = True):
        self.has_expressions = has_expressions
        self.titles = {}
        taken = {*self.WINDOW, *self.VIDEO, *self.LAST_OF_VIDEO}
        for label in labels:
            title = label
            while title in taken:
                title = f"score of {title}"
            taken.add(title)
            self.titles[label] = title
        self.of_windows = [*self.WINDOW, *self.titles.values(), "note"]
        self.of_videos = [*self.VIDEO, *self.titles.values(), *self.LAST_OF_VIDEO]

    def window_rows(self, result: dict) -> list[dict]:
        """The rows of a result. A result without a timeline has one row without times."""
        rows = []
        for entry in result.get("timeline") or [{"scores": result["scores"]}]:
            row = self._row(result, entry["scores"])
            if "person" in entry:
                row |= {"person": shown_number(entry["person"]), "start": entry["start"], "end": entry["end"]}
            rows.append(row)
        return rows

    def video_row(self, result: dict) -> dict:
        """The row of a result in the table of all videos."""
        people = {"people": len(result["people"]), "duration": result["duration"]} if "people" in result else {}
        return self._row(result, result["scores"]) | people

    @staticmethod
    def failure_row(video: str, message: str) -> dict:
        """The row of a video that failed, in both tables."""
        return {"video": video, "note": message}

    def _row(self, result: dict, scores: dict[str, float] | None) -> dict:
        row = {"video": result["video"], "note": result.get("note", "")}
        if scores:
            row |= {self.titles[label]: f"{score:.4f}" for label, score in scores.items()}
            row["expression"] = best_label({"scores": scores}) if self.has_expressions else ""
        return row


class CsvPrinter:
    """Prints a row for each window. A video without a face, or one that failed, has one row with a note.

    Args:
        columns: The columns.
    """

    def __init__(self, columns: CsvColumns):
        self.columns = columns
        self.writer = csv.DictWriter(sys.stdout, columns.of_windows, lineterminator="\n")
        self.has_header = False

    def print_result(self, result: dict):
        """Print the rows of a video."""
        self._print(self.columns.window_rows(result))

    def print_failure(self, video: str, message: str):
        """Print that a video failed."""
        self._print([self.columns.failure_row(video, message)])

    def _print(self, rows: list[dict]):
        if not self.has_header:
            self.writer.writeheader()
            self.has_header = True
        self.writer.writerows(rows)
        sys.stdout.flush()
