"""Predicts video by video for `lgi-former predict`: prints results, writes files, reports failures."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from ..files import only_writer, only_writer_of
from ..messages import discard_stdout, fail, first_line, note, shows_progress
from .find_videos import FoundVideo
from .prediction_output import CsvColumns, CsvPrinter, JsonPrinter, TablePrinter
from .result_files import TABLE_FILE, VideoFiles, check_folder, plan_files, write_table


def planned_files(videos: list[FoundVideo], args) -> list[VideoFiles]:
    """The files of each video, checked before anything is computed.

    Raises:
        ValueError: If a file cannot be written, or there are several videos but a file for one.
    """
    if args.output is None:
        if len(videos) > 1 and (args.timeline or args.annotate):
            name = "--timeline" if args.timeline else "--annotate"
            raise ValueError(f"{name} is for one video, but {len(videos)} were found. Name a folder with --output.")
        timeline, annotated = (None if name is None else Path(name) for name in (args.timeline, args.annotate))
        return [VideoFiles(None, timeline, annotated) for _ in videos]
    folder = Path(args.output)
    files = plan_files(videos, folder, args.annotate is not None)
    if args.num_segments is not None:  # there are no windows, so the table of all videos says everything
        files = [VideoFiles() for _ in videos]
    check_folder(folder, files, videos, args.overwrite)
    return files


@contextlib.contextmanager
def only_writer_of_results(files: list[VideoFiles], args) -> Iterator[None]:
    """Hold the locks of `--output`, or of the files of a single video, in a `with` block.

    Raises:
        ValueError: If another process writes there.
    """
    with contextlib.ExitStack() as locks:
        if args.output is not None:
            locks.enter_context(only_writer(Path(args.output)))
        else:
            for path in (path for each in files for path in each.paths()):
                locks.enter_context(only_writer_of(path))
        yield


class PredictionRun:
    """Predicts, prints and writes.

    Args:
        predict: From a video to its result.
        columns: Columns of CSV tables.
        reading: Settings of `open_frames`.
        args: Options of the command.
    """

    def __init__(self, predict: Callable[[str], dict], columns: CsvColumns, reading: dict, args):
        self.predict, self.columns, self.reading, self.args = predict, columns, reading, args
        self.printer = CsvPrinter(columns) if args.csv else JsonPrinter() if args.json else TablePrinter(columns.kind)
        self.rows = []
        self.written = {}  # paths, in order
        self.num_failures = 0

    def run(self, videos: list[FoundVideo], files: list[VideoFiles]) -> int:
        """Predict all videos. Returns the exit status."""
        if self.args.output is not None:
            _, failure = _attempt(os.makedirs, self.args.output, exist_ok=True)
            if failure is not None:
                return fail(f"--output {self.args.output}: {first_line(failure)}")
        pairs = list(zip(videos, files, strict=True))
        for video, its_files in tqdm(pairs, unit="video", disable=len(pairs) == 1 or not shows_progress()):
            try:
                self._predict_one(video, its_files)
            except BrokenPipeError:
                raise  # `main` handles it
            except OSError as error:  # a full disk fails for all later videos too
                discard_stdout()
                lost = f"The results of '{video.video}' and later are lost."
                return fail(f"stdout cannot be written: {error.strerror}. {lost}")
        if self.args.output is not None:
            self._write(write_table, Path(self.args.output, TABLE_FILE), self.columns.of_videos, self.rows)
        if self.written:
            note(self._summary())
        return 1 if self.num_failures else 0

    def _predict_one(self, video: FoundVideo, files: VideoFiles):
        """Predict a video, print its result and write its files.

        Raises:
            OSError: If stdout cannot be written.
        """
        failure = None if video.problem is None else ValueError(video.problem)
        if failure is None:
            result, failure = _attempt(self.predict, video.video)
        if failure is not None:
            with tqdm.external_write_mode():
                self.printer.print_failure(video.video, first_line(failure))
            self.rows.append(self.columns.failure_row(video.video, first_line(failure)))
            self._report(video.video, failure)
            return
        with tqdm.external_write_mode():
            scores = result["scores"] and dict(list(result["scores"].items())[: self.args.top_k])
            self.printer.print_result(result | {"scores": scores})
        row = self.columns.video_row(result)
        self.rows.append(row)
        failures = self._write_files(video.video, result, files)
        if files.windows is not None and files.windows in self.written:
            row["file"] = files.windows.name
        row["note"] = " ".join(filter(None, [row["note"], *map(first_line, failures)]))

    def _write_files(self, video: str, result: dict, files: VideoFiles) -> list[Exception]:
        """Write the files of a video. Returns the errors, which are also reported."""
        failures = []
        if files.windows is not None:
            rows = self.columns.window_rows(result)
            failures.append(self._write(write_table, files.windows, self.columns.of_windows, rows, video=video))
        if files.timeline is not None:
            failures.append(self._write(self._draw_timeline, files.timeline, result, video=video))
        if files.annotated is not None:
            failures.append(self._write(self._annotate, files.annotated, video, result, video=video))
        return [failure for failure in failures if failure is not None]

    def _draw_timeline(self, path: Path, result: dict):
        from ..inference.timeline_figure import draw_timeline, save_timeline

        model = "/".join(Path(self.args.model).parts[-2:])  # the name of a repository has two parts, too
        save_timeline(draw_timeline(result, f"{os.path.basename(result['video'])}\n{model}"), path)

    def _annotate(self, path: Path, video: str, result: dict):
        from ..inference.annotated_video import annotate_video

        annotate_video(video, result, path, self.args.frame_rate, show_progress=shows_progress(), **self.reading)

    def _write(self, write, path: Path, *arguments, video: str | None = None) -> Exception | None:
        """Write a file. Returns the error, if any, after reporting it: other files must still be written."""
        _, failure = _attempt(write, path, *arguments)
        if failure is None:
            self.written[path] = True
        else:
            self._report(video or str(path), failure)
        return failure

    def _report(self, name: str, failure: Exception):
        self.num_failures += 1
        message = first_line(failure)
        with tqdm.external_write_mode():
            fail(message if name in message else f"{name}: {message}")

    def _summary(self) -> str:
        """What was written, and what to do next."""
        if self.args.output is None:
            files = " and ".join(f"'{path}'" for path in self.written)
            return f"Wrote {files}. For many videos at once, name a folder for the results with --output."
        kinds = {".csv": "table", ".png": "timeline", ".mp4": "annotated video"}
        counts = []
        for suffix, kind in kinds.items():
            number = sum(path.suffix == suffix for path in self.written)
            counts += [f"{number} {kind}{'s' if number > 1 else ''}"] if number else []
        listed = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
        table = Path(self.args.output, TABLE_FILE)
        return f"Wrote {listed} to '{self.args.output}'. Begin with '{table}', which has a row for each video."


def _attempt(function, *arguments, **keywords):
    """The result of a function, or None, and its error, or None. An error must not stop the other videos."""
    try:
        return function(*arguments, **keywords), None
    except Exception as error:
        return None, error
