"""Kills commands at random moments, runs them again, and compares the end with a run that was never stopped."""

import filecmp
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from running import Stop, run_command
from workplace import RELEASED


SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_STOPS = 6
LATEST_STOP = 0.7  # of the time of a whole run, because a run that goes on after a stop is shorter

# Files whose contents hold times, so that two uninterrupted runs differ. All others are equal.
MAY_HOLD_TIMES = {".json", ".jsonl", ".md", ".bin", ".yaml"}


class Job(NamedTuple):
    """A command to kill.

    Attributes:
        words: Function from the output to the words of the command.
        setup: Function from the output to what the fork calls before the command.
    """

    words: Callable[[Path], list]
    setup: Callable[[Path], Callable] | None = None


class Reference(NamedTuple):
    """The output of a run that was never stopped."""

    folder: Path
    status: int
    seconds: float
    varying: set[str]


class Tool:
    """Cases of the jobs in turn. A case is a run that is stopped up to six times."""

    def __init__(self, report, workplace):
        self.report, self.folder = report, report.scratch / "kill"
        self.folder.mkdir()
        self._references: dict[str, Reference] = {}
        self.jobs = self._jobs(workplace)

    def run_case(self, number: int):
        """Stop a job at random moments, finish it, and compare its output."""
        name, draw = list(self.jobs)[number % len(self.jobs)], self.report.draw()
        job, reference = self.jobs[name], self._reference(name)
        output, log = self.folder / f"{number}" / "output", self.folder / f"{number}" / "log.txt"
        output.mkdir(parents=True)
        stops, problem, outcome = [], None, None
        for _ in range(draw.randint(1, MOST_STOPS)):
            stop = Stop(draw.choice(SIGNALS), draw.uniform(0, LATEST_STOP * reference.seconds), draw.random() < 0.5)
            outcome = self._run(job, output, log, stop)
            stops += [f"{stop.number.name} after {stop.after:.2f} s"] if outcome.was_stopped else []
            problem = problem or outcome.problem
            if not outcome.was_stopped:
                break
        if problem is None and outcome.was_stopped:
            outcome = self._run(job, output, log)
            problem = outcome.problem
        if problem is None and outcome.status != reference.status:
            problem = f"the last run ended with {outcome.status} instead of {reference.status}"
        problem = problem or differences(reference, output)
        if problem is not None:
            problem += f" ({', '.join(stops)})"
        self.report.count(f"{name}: signals", tried=len(stops))
        self.report.count(f"{name}: runs to the end", problem, [output, log])
        shutil.rmtree(output.parent)

    def _run(self, job: Job, output: Path, log: Path, stop: Stop | None = None):
        return run_command(job.words(output), log, stop, job.setup and job.setup(output))

    def _reference(self, name: str) -> Reference:
        if name not in self._references:
            folders, outcomes = [], []
            for copy in ("first", "second"):
                folder = self.folder / "references" / f"{len(self._references)} {copy}" / "output"
                folder.mkdir(parents=True)
                outcomes.append(self._run(self.jobs[name], folder, folder.parent / "log.txt"))
                folders.append(folder)
                if outcomes[-1].problem or outcomes[-1].status not in (0, 1):
                    raise RuntimeError(f"{name} fails without a signal:\n{outcomes[-1].text}")
            varying = {
                file for file in files(folders[0]) & files(folders[1]) if not _equal(file, folders[0], folders[1])
            }
            seconds = min(outcome.seconds for outcome in outcomes)
            self._references[name] = Reference(folders[0], outcomes[0].status, seconds, varying)
        return self._references[name]

    def _jobs(self, workplace) -> dict[str, Job]:
        path = workplace.path
        resumed = ["--resume_from_checkpoint", "true", "--save_strategy", "steps", "--save_steps", 2]
        resumed += ["--num_train_epochs", 3, "--seed", 0, "--output_dir"]

        def training(command, data, *options):
            return Job(lambda output: [*workplace.training(command, path(data), *options, *resumed), output / "run"])

        shards = training("finetune", "shards")
        return {
            "finetune on a list": training("finetune", "videos.csv"),
            "prepare faces": Job(
                lambda output: ["prepare", "faces", path("faces"), output / "faces", "--size", 32, "--num_workers", 2]
            ),
            "predict --data": Job(
                lambda output: [
                    *("predict", "--data", path("videos.csv"), "--model", path("finetuned"), "--no_crop_faces"),
                    *("--output", output / "table.parquet", "--num_workers", 2, "--batch_size", 1, "--device", "cpu"),
                ]
            ),
            "pretrain": training("pretrain", "videos.csv"),
            "prepare shards": Job(
                lambda output: [
                    *("prepare", "shards", path("videos.csv"), output / "shards", "--clips_per_shard", 3),
                    *("--num_workers", 2, "--size", 32),
                ]
            ),
            "download": Job(lambda output: ["download", RELEASED], workplace.with_drive),
            "finetune on shards": shards,
        }


def differences(reference: Reference, output: Path) -> str | None:
    """How an output differs from that of the uninterrupted run."""
    expected, found = files(reference.folder), files(output)
    if more := found - expected:
        return f"files are left: {', '.join(sorted(more))}"
    if missing := expected - found:
        return f"files are missing: {', '.join(sorted(missing))}"
    if varying := {file for file in reference.varying if Path(file).suffix not in MAY_HOLD_TIMES}:
        return f"two uninterrupted runs differ: {', '.join(sorted(varying))}"
    other = {file for file in expected - reference.varying if not _equal(file, reference.folder, output)}
    other = {file for file in other if Path(file).suffix not in MAY_HOLD_TIMES}
    return f"files differ: {', '.join(sorted(other))}" if other else None


def files(folder: Path) -> set[str]:
    """Relative paths of all files in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def _equal(file: str, first: Path, second: Path) -> bool:
    if file.endswith(".csv"):  # workers finish in any order, so the rows have any order
        first_rows, second_rows = (sorted((folder / file).read_bytes().splitlines()) for folder in (first, second))
        return first_rows == second_rows
    return filecmp.cmp(first / file, second / file, shallow=False)
