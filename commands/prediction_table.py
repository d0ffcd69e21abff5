"""Tables of the predictions of a list: a row for each video, and a row for each window beside it.

Scores have their full precision, and people are counted from 1.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from ..files import whole_file
from ..hub.answer_kind import SEPARATOR, AnswerKind
from ..inference.stored_settings import metadata_of
from ..inference.timeline import shown_number
from .listed_videos import SECTION_COLUMNS
from .result_files import report_cell


SUFFIXES = (".parquet", ".csv")
ROWS_AT_ONCE = 1000


def windows_beside(output: Path) -> Path:
    """The table of windows: `results.windows.parquet` for `results.parquet`."""
    return output.with_suffix(f".windows{output.suffix}")


class PredictionColumns:
    """The columns of the two tables.

    The videos have `video`, the columns of the list, `duration` (seconds) and `people` (their number), `expression`
    (the predicted labels), one for each label, `note` and `error`. Windows have `video`, `person`, `start`, `end`
    (seconds), `expression` and one for each label. With views instead of windows, videos have `num_views` instead of
    duration and people. If the list has sections, both have `SECTION_COLUMNS`. Columns of the list that have the name
    of another column get `list_` before it, more than once if another column of the list has that name.

    Args:
        kind: What the scores are.
        listed: The columns of the list, without the videos.
        has_windows: Whether there are windows, or else views.
        has_sections: Whether the list has sections.
    """

    def __init__(self, kind: AnswerKind, listed: pa.Schema, has_windows: bool, has_sections: bool):
        self.kind, self.has_windows = kind, has_windows
        facts = {"duration": pa.float64(), "people": pa.int64()} if has_windows else {"num_views": pa.int64()}
        fixed = {"video", *SECTION_COLUMNS, *facts, "person", "start", "end", "expression", "note", "error"}
        self.titles = kind.titles(fixed)
        scores = {title: pa.float64() for title in self.titles.values()}
        last = {"note": pa.string(), "error": pa.string()}
        self.computed = pa.schema({**facts, "expression": pa.string(), **scores, **last})
        source = {"video": pa.string()} | dict.fromkeys(SECTION_COLUMNS if has_sections else (), pa.float64())
        names = _names_beside(("video", *SECTION_COLUMNS, *self.computed.names), listed.names)
        self.listed = pa.schema(list(zip(names, listed.types, strict=True)))
        self.videos = pa.schema([*source.items(), *self.listed, *self.computed])
        times = {"person": pa.int64(), "start": pa.float64(), "end": pa.float64()}
        self.windows = pa.schema({**source, **times, "expression": pa.string(), **scores})

    def record(self, result: dict) -> dict:
        """What a journal stores of a result of `predict_videos`."""
        row = self._scores(result["scores"]) | {"note": result.get("note")}
        if not self.has_windows:
            return {"row": row | {"num_views": result["num_views"]}, "windows": []}
        row |= {"duration": result["duration"], "people": len(result["people"])}
        return {"row": row, "windows": [self._window(entry) for entry in result["timeline"]]}

    def _window(self, entry: dict) -> dict:
        times = {"person": shown_number(entry["person"]), "start": entry["start"], "end": entry["end"]}
        return times | self._scores(entry["scores"])

    def _scores(self, scores: dict[str, float] | None) -> dict:
        if scores is None:
            return {}
        expression = SEPARATOR.join(self.kind.top(scores))
        return {"expression": expression} | {self.titles[label]: score for label, score in scores.items()}


def _names_beside(columns: Iterable[str], listed: list[str]) -> list[str]:
    """The names of the columns of a list beside other columns. No two are equal."""
    taken = {name.casefold() for name in columns}
    unchanged = {name.casefold() for name in listed} - taken
    names = []
    for name in listed:
        if name.casefold() in taken:
            name = f"list_{name}"
            while name.casefold() in taken | unchanged:
                name = f"list_{name}"
            taken.add(name.casefold())
        names.append(name)
    return names


def write_table(path: Path, schema: pa.Schema, rows: Iterable[dict], settings: dict):
    """Write a Parquet or CSV file atomically. Keys that a row lacks are empty. Cells of CSV are `report_cell`.

    Args:
        settings: Stored in the metadata of a Parquet file.

    Raises:
        OSError: If the file cannot be written.
    """
    is_parquet = path.suffix == ".parquet"
    schema = schema.with_metadata(metadata_of(settings))
    rows = iter(rows)
    if not is_parquet:
        schema = pa.schema([field.with_name(report_cell(field.name)) for field in schema])
        rows = ({report_cell(name): report_cell(cell) for name, cell in row.items()} for row in rows)
    with (
        whole_file(path) as unfinished,
        (pq.ParquetWriter if is_parquet else csv.CSVWriter)(unfinished, schema) as writer,
    ):
        while some := list(itertools.islice(rows, ROWS_AT_ONCE)):
            writer.write(pa.RecordBatch.from_pylist(some, schema))


def read_rows(path: Path) -> Iterator[dict]:
    """The rows of a Parquet file."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            yield from batch.to_pylist()
