"""`lgi-former predict --data`: predicts the videos of a list, and continues where an earlier run stopped."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from ..files import Journal
from ..inference.many_videos import VideoOutcome, predict_videos
from ..messages import announce_if_slow, escaped, fail, shows_progress
from .list_journal import first_rows, may_continue, open_journal, unfinished_rows
from .listed_videos import SECTION_COLUMNS, ListedVideos, key_of_result, list_videos, run_settings
from .options import num_cpus
from .prediction_model import LoadedModel, load_model, pipeline_settings
from .prediction_table import SUFFIXES, PredictionColumns, read_rows, windows_beside, write_table


def predict_list(args) -> int:
    """Predict the videos of `--data`. Returns the exit status."""
    output = Path(args.output)
    with announce_if_slow("Reading the list ..."):
        listed = list_videos(args).shard(args.num_shards, args.shard)
    _check_output(output, listed, args)
    with announce_if_slow("Loading the model ..."):
        loaded = load_model(args)
        has_windows, has_sections = args.num_segments is None, listed.sections is not None
        columns = PredictionColumns(loaded.kind, listed.columns.schema, has_windows, has_sections)
        settings = _settings(loaded, listed, args)
    return _ListRun(output, listed, columns, settings, args).run(loaded)


def _check_output(output: Path, listed: ListedVideos, args):
    """
    Raises:
        ValueError: If the output cannot be written, or exists and cannot be continued.
    """
    if output.suffix not in SUFFIXES:
        raise ValueError(f"--output {output} should end in {' or '.join(SUFFIXES)}, because --data is given.")
    files = (output, windows_beside(output))
    for path in files:
        if path.is_dir():
            raise ValueError(f"'{path}' is a folder. Choose another --output.")
        if os.path.realpath(path) == os.path.realpath(args.data):
            raise ValueError(f"'{path}' is the list itself, and would be replaced. Choose another --output.")
    if output.suffix == ".csv":
        nested = [column.name for column in listed.columns.schema if pa.types.is_nested(column.type)]
        if nested:
            raise ValueError(
                f"The column '{nested[0]}' of the list does not fit into CSV. Use an --output of Parquet."
            )
    existing = next((path for path in files if path.exists()), None)
    if existing is not None and not (args.overwrite or may_continue(output)):
        raise ValueError(
            f"'{existing}' is there already, and this command did not write it. Choose another --output, or pass "
            "--overwrite."
        )


def _settings(loaded: LoadedModel, listed: ListedVideos, args) -> dict:
    """Everything that predictions depend on."""
    settings = run_settings(loaded.model, loaded.processor, loaded.folder, listed.videos, args)
    faces = None if loaded.cropper is None else loaded.cropper.settings
    return settings | pipeline_settings(args) | {"num_segments": args.num_segments, "faces": faces}


class _ListRun:
    """Predicts the videos of a list into two tables."""

    def __init__(self, output: Path, listed: ListedVideos, columns: PredictionColumns, settings: dict, args):
        self.output, self.listed, self.columns, self.settings, self.args = output, listed, columns, settings, args
        self.keys = listed.keys
        self.errors = {video: listed.problems[video] for video in listed.videos if video in listed.problems}

    def run(self, loaded: LoadedModel) -> int:
        """Predict the videos that are not finished, and write the tables. Returns the exit status."""
        tables = {self.output: (self.columns.videos, self._video_rows)}
        if self.columns.has_windows:
            tables[windows_beside(self.output)] = self.columns.windows, self._window_rows
        # CSV cannot hold settings, so its journal stays.
        earlier = self._earlier if self.output.suffix == ".parquet" else None
        with open_journal(list(tables), self.settings, earlier, self.args.overwrite) as journal:
            self._predict(loaded, journal)
            for path, (schema, rows) in reversed(tables.items()):
                write_table(path, schema, rows(journal), self.settings)
        num_failed = sum(key in self.errors for key in self.keys)
        windows = f" Their windows are in {windows_beside(self.output)}." if self.columns.has_windows else ""
        print(f"{self.output}: {len(self.keys)} rows, {num_failed} failed.{windows}")
        return 1 if num_failed else 0

    def _earlier(self) -> Iterator[tuple[str, dict]]:
        """The finished videos of complete tables, to add videos that failed or are new in the list."""
        names = {escaped(video): video for video in self.listed.videos}

        def key_of(row: dict) -> str:
            return key_of_result(names.get(row["video"], row["video"]), row)

        rows = read_rows(windows_beside(self.output)) if self.columns.has_windows else iter(())
        windows_by_key = itertools.groupby(rows, key_of)
        key_of_windows, windows = next(windows_by_key, (None, None))
        for row in read_rows(self.output):
            if row["error"] is not None:
                continue
            record = {"row": {name: row[name] for name in self.columns.computed.names}, "windows": []}
            if key_of(row) == key_of_windows:
                names_of_source = ("video", *SECTION_COLUMNS)
                record["windows"] = [
                    {name: window[name] for name in window if name not in names_of_source} for window in windows
                ]
                key_of_windows, windows = next(windows_by_key, (None, None))
            yield key_of(row), record

    def _predict(self, loaded: LoadedModel, journal: Journal):
        for problem in self.errors.values():
            fail(problem)
        todo = [row for row in unfinished_rows(self.keys, journal) if self.keys[row] not in self.errors]
        outcomes = predict_videos(
            loaded.model,
            loaded.processor,
            self.listed.sources(todo),
            face_cropper=loaded.cropper,
            num_segments=self.args.num_segments,
            batch_size=self.args.batch_size,
            num_workers=num_cpus() if self.args.num_workers is None else self.args.num_workers,
            **pipeline_settings(self.args),
        )
        with tqdm(total=len(todo), unit="video", disable=not shows_progress()) as progress:
            for outcome in outcomes:
                key = self.keys[todo[outcome.index]]
                if outcome.error is None:
                    journal.append(key, self.columns.record(outcome.result))
                else:
                    self._report(key, outcome)
                progress.update()

    def _report(self, key: str, outcome: VideoOutcome):
        self.errors[key] = outcome.error
        with tqdm.external_write_mode():
            fail(outcome.error if outcome.video in outcome.error else f"{outcome.video}: {outcome.error}")

    def _video_rows(self, journal: Journal) -> Iterator[dict]:
        table = self.listed.columns.rename_columns(self.columns.listed.names)
        listed = (row for batch in table.to_batches(1000) for row in batch.to_pylist())
        for index, key in enumerate(self.keys):
            error = self.errors.get(key)
            row = {"error": escaped(error)} if error is not None else journal.read(key)["row"]
            yield self._source(index) | (next(listed) if table.num_columns else {}) | row

    def _window_rows(self, journal: Journal) -> Iterator[dict]:
        """The windows of each video or section once, in the order of the list."""
        for index in first_rows(self.keys):
            if self.keys[index] not in self.errors:
                for window in journal.read(self.keys[index])["windows"]:
                    yield self._source(index) | window

    def _source(self, row: int) -> dict:
        return {"video": escaped(self.listed.videos[row])} | self.listed.times(row)
