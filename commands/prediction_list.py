"""`lgi-former predict --data`: predicts the videos of a list, and continues where an earlier run stopped."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from ..files import Journal, check_settings, only_writer, whole_file
from ..inference.many_videos import predict_videos
from ..messages import announce_if_slow, escaped, fail, note, shows_progress
from .listed_videos import SECONDS_FOR_LOCK, ListedVideos, journal_path, list_videos, run_settings
from .options import num_cpus
from .prediction_model import LoadedModel, load_model, pipeline_settings
from .prediction_table import SUFFIXES, PredictionColumns, read_rows, read_settings, windows_beside, write_table


def predict_list(args) -> int:
    """Predict the videos of `--data`. Returns the exit status."""
    output = Path(args.output)
    with announce_if_slow("Reading the list ..."):
        listed = list_videos(args.data, args.data_root).shard(args.num_shards, args.shard)
    _check_output(output, listed, args)
    with announce_if_slow("Loading the model ..."):
        loaded = load_model(args)
        columns = PredictionColumns(loaded.kind, listed.columns.schema, has_windows=args.num_segments is None)
        settings = _settings(loaded, listed, args)
    with only_writer(output.parent, f".{output.name}.lock", SECONDS_FOR_LOCK):
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
    may_continue = journal_path(output).exists() or (output.exists() and output.suffix == ".parquet")
    existing = next((path for path in files if path.exists()), None)
    if existing is not None and not (may_continue or args.overwrite):
        raise ValueError(f"'{existing}' is there already. Choose another --output, or pass --overwrite.")


def _settings(loaded: LoadedModel, listed: ListedVideos, args) -> dict:
    """Everything that predictions depend on."""
    settings = run_settings(loaded.model, loaded.processor, loaded.folder, listed.videos, args)
    faces = None if loaded.cropper is None else loaded.cropper.settings
    return settings | pipeline_settings(args) | {"num_segments": args.num_segments, "faces": faces}


class _ListRun:
    """Predicts the videos of a list into two tables."""

    def __init__(self, output: Path, listed: ListedVideos, columns: PredictionColumns, settings: dict, args):
        self.output, self.listed, self.columns, self.settings, self.args = output, listed, columns, settings, args
        self.errors = {video: listed.problems[video] for video in listed.videos if video in listed.problems}

    def run(self, loaded: LoadedModel) -> int:
        """Predict the videos that are not finished, and write the tables. Returns the exit status."""
        journal = self._open_journal()
        try:
            self._predict(loaded, journal)
            if self.columns.has_windows:
                self._write(windows_beside(self.output), self.columns.windows, self._window_rows(journal))
            self._write(self.output, self.columns.videos, self._video_rows(journal))
        except (KeyboardInterrupt, OSError, RuntimeError):
            note(f"The finished videos are in '{journal.path}'. The same command continues.")
            raise
        finally:
            journal.close()
        journal.path.unlink()
        num_failed = sum(video in self.errors for video in self.listed.videos)
        windows = f" Their windows are in {windows_beside(self.output)}." if self.columns.has_windows else ""
        print(f"{self.output}: {len(self.listed.videos)} rows, {num_failed} failed.{windows}")
        return 1 if num_failed else 0

    def _open_journal(self) -> Journal:
        path = journal_path(self.output)
        if self.args.overwrite:
            path.unlink(missing_ok=True)
        elif self.output.exists() and not path.exists():
            self._restore_journal(path)
        journal = Journal(path, self.settings)
        if journal.num_damaged:
            note(f"'{path}' has {journal.num_damaged} damaged lines. Their videos are predicted again.")
        return journal

    def _restore_journal(self, path: Path):
        """Write the journal of a complete output, to add videos that failed or are new in the list."""
        for table in (self.output, windows_beside(self.output))[: 1 + self.columns.has_windows]:
            check_settings(table, read_settings(table), self.settings)
        names = {escaped(video): video for video in self.listed.videos}
        by_video = itertools.groupby(self._earlier_windows(), key=lambda window: window.pop("video"))
        video_of_windows, windows = next(by_video, (None, None))
        with whole_file(path) as new:
            new.unlink(missing_ok=True)
            journal = Journal(new, self.settings)
            for row in read_rows(self.output):
                video = names.get(row["video"], row["video"])
                if row["error"] is not None or video in journal:
                    continue
                record = {"row": {name: row[name] for name in self.columns.computed.names}, "windows": []}
                if row["video"] == video_of_windows:
                    record["windows"] = list(windows)
                    video_of_windows, windows = next(by_video, (None, None))
                journal.append(video, record)
            journal.close()

    def _earlier_windows(self) -> Iterator[dict]:
        return read_rows(windows_beside(self.output)) if self.columns.has_windows else iter(())

    def _predict(self, loaded: LoadedModel, journal: Journal):
        videos = list(dict.fromkeys(self.listed.videos))
        todo = [video for video in videos if video not in journal and video not in self.errors]
        for problem in self.errors.values():
            fail(problem)
        if len(todo) + len(self.errors) < len(videos):
            note(f"{len(videos) - len(todo) - len(self.errors)} of {len(videos)} videos are finished already.")
        outcomes = predict_videos(
            loaded.model,
            loaded.processor,
            todo,
            face_cropper=loaded.cropper,
            num_segments=self.args.num_segments,
            batch_size=self.args.batch_size,
            num_workers=num_cpus() if self.args.num_workers is None else self.args.num_workers,
            **pipeline_settings(self.args),
        )
        with tqdm(
            total=len(videos), initial=len(videos) - len(todo), unit="video", disable=not shows_progress()
        ) as progress:
            for outcome in outcomes:
                if outcome.error is None:
                    journal.append(outcome.video, self.columns.record(outcome.result))
                else:
                    self._report(outcome.video, outcome.error)
                progress.update()

    def _report(self, video: str, error: str):
        self.errors[video] = error
        with tqdm.external_write_mode():
            fail(error if video in error else f"{video}: {error}")

    def _write(self, path: Path, schema: pa.Schema, rows: Iterator[dict]):
        write_table(path, schema, rows, self.settings)

    def _video_rows(self, journal: Journal) -> Iterator[dict]:
        table = self.listed.columns.rename_columns(self.columns.listed.names)
        listed = (row for batch in table.to_batches(1000) for row in batch.to_pylist())
        for video in self.listed.videos:
            error = self.errors.get(video)
            row = {"error": escaped(error)} if error is not None else journal.read(video)["row"]
            yield {"video": escaped(video)} | (next(listed) if table.num_columns else {}) | row

    def _window_rows(self, journal: Journal) -> Iterator[dict]:
        """The windows of each video once, in the order of the list."""
        for video in dict.fromkeys(self.listed.videos):
            if video not in self.errors:
                for window in journal.read(video)["windows"]:
                    yield {"video": escaped(video)} | window
