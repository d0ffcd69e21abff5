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

from ..hub.answer_kind import SEPARATOR, THRESHOLD, AnswerKind
from ..inference.timeline import shown_number, stretches
from ..messages import console, printable
from .result_files import report_cell


class TablePrinter:
    """Prints the overall scores and a short timeline.

    Args:
        kind: What the numbers are.
    """

    def __init__(self, kind: AnswerKind):
        self.kind = kind
        self.console = console()

    def print_result(self, result: dict):
        """Print the scores of a video, or why it has none. Other notes are already on stderr as warnings."""
        self.console.print(Text(printable(result["video"], keeps="")), soft_wrap=True)
        if result["scores"] is None:
            hint = "If the video is cropped to a face already, add --no_crop_faces."
            self.console.print(Text(printable(f"{result['note']} {hint}")), soft_wrap=True)
            return
        timeline = result.get("timeline", [])
        if not self.kind.is_probability:
            self.console.print(self._quantities(result["scores"], timeline))
            self.console.print(Text(self.kind.units_in_words), soft_wrap=True)
            return
        table = _table("expression", self.kind.word)
        for label, score in result["scores"].items():
            table.add_row(Text(label), self.kind.exact(score))
        self.console.print(table)
        if not self.kind.sums_to_1:
            top = ", ".join(self.kind.top(result["scores"])) or "none"
            self.console.print(Text(f"Labels with a score of at least {THRESHOLD:g}: {top}."), soft_wrap=True)
        if len(timeline) > 1:
            self.console.print(self._stretches(timeline))

    def print_failure(self, video: str, message: str):
        """Print nothing: the command reports failures on stderr."""

    def _quantities(self, values: dict[str, float], timeline: list[dict]) -> Table:
        """A row for each quantity. With several windows, also the lowest and the highest value."""
        has_range = len(timeline) > 1
        table = _table("quantity", *(("mean", "lowest", "highest") if has_range else (self.kind.word,)))
        for label, value in values.items():
            over_time = [entry["scores"][label] for entry in timeline]
            numbers = [value, *((min(over_time), max(over_time)) if has_range else ())]
            table.add_row(Text(label), *map(self.kind.exact, numbers))
        return table

    def _stretches(self, timeline: list[dict]) -> Table:
        table = _table("seconds", "person", "expression", self.kind.word, texts=3)
        for stretch in stretches(timeline, self.kind):
            seconds = f"{stretch['start']:.1f} to {stretch['end']:.1f}"
            scores = stretch["scores"]
            labels, numbers = "\n".join(scores) or self.kind.none, "\n".join(map(self.kind.exact, scores.values()))
            table.add_row(seconds, str(shown_number(stretch["person"])), Text(labels), numbers)
        return table


def _table(*titles: str, texts: int = 1) -> Table:
    """A table. The first `texts` columns have texts, the others numbers."""
    table = Table(box=box.SIMPLE)
    for index, title in enumerate(titles):
        # Long labels are on several lines rather than cut.
        options = {"overflow": "fold"} if index == texts - 1 else {"min_width": 10 if title == "seconds" else 6}
        table.add_column(title, justify="left" if index < texts else "right", **options)
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

    Windows have the columns `video`, `person` (from 1), `start`, `end` (seconds), `expression` (the predicted labels,
    empty for quantities), one for each label, and `note`. Videos have `duration` (seconds), `people` (their number)
    and `file` instead of person and times. The note says why scores are missing, or what is unusual in the video.

    Args:
        kind: What the numbers are. Labels have columns in the order of the model. The column of a label that has the
            name of another column is called "score of ...", or "value of ..." for quantities.
    """

    WINDOW = ("video", "person", "start", "end", "expression")
    VIDEO = ("video", "duration", "people", "expression")
    LAST_OF_VIDEO = ("file", "note")

    def __init__(self, kind: AnswerKind):
        self.kind = kind
        self.titles = kind.titles({*self.WINDOW, *self.VIDEO, *self.LAST_OF_VIDEO})
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
            row |= {self.titles[label]: self.kind.exact(score) for label, score in scores.items()}
            row["expression"] = SEPARATOR.join(self.kind.top(scores))
        return row


class CsvPrinter:
    """Prints a row for each window. A video without a face, or one that failed, has one row with a note.

    Its cells are `report_cell`.

    Args:
        columns: The columns.
    """

    def __init__(self, columns: CsvColumns):
        self.columns = columns
        self.writer = csv.writer(sys.stdout, lineterminator="\n")
        self.has_header = False

    def print_result(self, result: dict):
        """Print the rows of a video."""
        self._print(self.columns.window_rows(result))

    def print_failure(self, video: str, message: str):
        """Print that a video failed."""
        self._print([self.columns.failure_row(video, message)])

    def _print(self, rows: list[dict]):
        if not self.has_header:
            self._write(self.columns.of_windows)
            self.has_header = True
        for row in rows:
            self._write(row.get(column) for column in self.columns.of_windows)
        sys.stdout.flush()

    def _write(self, cells: Iterable):
        self.writer.writerow(map(report_cell, cells))
