"""Runs commands on a full disk, in a folder that is read-only, and with a limit on the size of files.

A command must end with a sentence that names the path. Files that were there before must be whole.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import kill
from running import run_command
from workplace import RELEASED


PAGE = 4096  # bytes, the unit of tmpfs
FAULTS = ("full disk", "full disk", "read-only folder", "limit of file size")
QUICKSTART = "quickstart"  # takes a minute on a disk with space


class Job(NamedTuple):
    """A command that writes.

    Attributes:
        words: Function from the output to the words of the command.
        before: Function from the output to the words of an earlier run, whose files must survive.
        setup: As in `kill.Job`.
    """

    words: Callable[[Path], list]
    before: Callable[[Path], list] | None = None
    setup: Callable[[Path], Callable] | None = None


class Tool:
    """Cases of the commands in turn."""

    def __init__(self, report, workplace):
        self.report, self.folder = report, report.scratch / "disk"
        self.folder.mkdir()
        self.can_mount = _can_mount(self.folder)
        self._usual: dict[str, tuple[int, set[str]]] = {}
        self.jobs = self._jobs(workplace)

    def run_case(self, number: int):
        """Run a command with a fault."""
        name, draw = list(self.jobs)[number % len(self.jobs)], self.report.draw()
        job, fault = self.jobs[name], draw.choice(FAULTS)
        if not self.can_mount and (fault == "full disk" or os.geteuid() == 0):  # root may write to read-only folders
            fault = "limit of file size"
        needed, written = self._usual_output(name, job)
        place, log = self.folder / f"{number}" / "output", self.folder / f"{number}" / "log.txt"
        place.mkdir(parents=True)
        before = self.folder / f"{number}" / "before"
        before.mkdir()
        if job.before is not None and draw.random() < 0.7:
            self._run(job, job.before(place), place, log)
            shutil.move(place, before)
            place.mkdir()
            before = before / "output"
        log.unlink(missing_ok=True)
        space = draw.randrange(needed)
        with self._faulty(fault, place, before, space) as limit:
            outcome = self._run(job, job.words(place), place, log, limit)
            problem = outcome.problem or _problem(outcome, place, written) or _damage(before, place)
        self.report.count(f"{name}: {fault}", problem, [log])
        shutil.rmtree(self.folder / f"{number}", ignore_errors=True)

    def _run(self, job: Job, words: list, place: Path, log: Path, limit: Callable | None = None):
        setups = [job.setup(place)] if job.setup is not None else []
        setups += [limit] if limit is not None else []

        def setup():
            for each in setups:
                each()

        return run_command(words, log, setup=setup)

    def _usual_output(self, name: str, job: Job) -> tuple[int, set[str]]:
        """Bytes and files that a command writes when nothing is wrong."""
        if name == QUICKSTART:
            return 2**20, set()
        if name not in self._usual:
            place = self.folder / f"usual {name}"
            place.mkdir()
            outcome = self._run(job, job.words(place), place, self.folder / f"usual {name}.log")
            usual = _bytes_in(place), kill.files(place)
            shutil.rmtree(place)
            if outcome.status not in (0, 1):
                raise RuntimeError(f"{name} fails without a fault:\n{outcome.text}")
            self._usual[name] = usual
        return self._usual[name]

    @contextlib.contextmanager
    def _faulty(self, fault: str, place: Path, before: Path, space: int) -> Iterator[Callable | None]:
        """Make a place with the files of `before` faulty. Yields what the fork calls first."""
        if fault == "limit of file size":
            shutil.copytree(before, place, dirs_exist_ok=True)
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (space, space))
            return
        is_full = fault == "full disk"
        with self._mounted(place, (_bytes_in(before) if is_full else 2**30) + space):
            shutil.copytree(before, place, dirs_exist_ok=True)
            with contextlib.nullcontext() if is_full else self._read_only(place):
                yield None

    @contextlib.contextmanager
    def _mounted(self, place: Path, size: int) -> Iterator[None]:
        if not self.can_mount:
            yield
            return
        _mount(place, f"size={-(-size // PAGE) * PAGE}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)

    @contextlib.contextmanager
    def _read_only(self, place: Path) -> Iterator[None]:
        if self.can_mount:  # root may write to any folder that is not mounted read-only
            _mount(place, "remount,ro")
            yield
            return
        place.chmod(0o555)
        try:
            yield
        finally:
            place.chmod(0o755)

    def _jobs(self, workplace) -> dict[str, Job]:
        path, training = workplace.path, workplace.training
        model = ["--model", path("finetuned"), "--device", "cpu"]
        video = path("videos") / "00000.mp4"
        saved = ["--save_strategy", "steps", "--save_steps", 2, "--resume_from_checkpoint", "true", "--max_steps"]

        def same(words, setup=None):
            return Job(words, words, setup)

        def trained(command):
            def words(steps):
                data = path("videos.csv")
                return lambda place: training(command, data, *saved, steps, "--output_dir", place / "run")

            return Job(words(4), words(2))

        predict = ["predict", video, *model, "--no_crop_faces", "--overwrite"]
        listed = ["--data", path("videos.csv"), "--overwrite"]
        return {
            "predict --output": same(lambda place: [*predict, "--output", place / "results", "--annotate"]),
            "finetune": trained("finetune"),
            "predict --data": same(
                lambda place: ["predict", *listed, *model, "--no_crop_faces", "--output", place / "table.parquet"]
            ),
            "prepare faces": Job(lambda place: ["prepare", "faces", path("faces"), place / "out", "--num_workers", 1]),
            "embed": same(lambda place: ["embed", *listed, *model, "--output", place / "vectors.npy"]),
            "prepare shards": Job(
                lambda place: ["prepare", "shards", path("videos.csv"), place / "out", "--num_workers", 1]
            ),
            "convert": same(
                lambda place: ["convert", path("checkpoint.pth"), place / "model", "--dataset", "dfew", "--overwrite"]
            ),
            "download": Job(lambda place: ["download", RELEASED], setup=workplace.with_drive),
            "pretrain": trained("pretrain"),
            "evaluate": same(
                lambda place: [
                    *("evaluate", "--model", path("finetuned"), "--data", path("videos.csv"), "--bf16", "false"),
                    *("--output_dir", place / "report", "--overwrite", "true", "--use_cpu", "true"),
                ]
            ),
            "prepare index": same(lambda place: ["prepare", "index", place / "all", path("shards")]),
            "prepare dfew": same(
                lambda place: [
                    *("prepare", "dfew", "--root", path("dfew"), "--overwrite", "--output", place / "lists")
                ]
            ),
            "predict --annotate": same(lambda place: [*predict, "--annotate", place / "a.mp4"]),
            "predict --timeline": same(lambda place: [*predict, "--timeline", place / "a.png"]),
            "reconstruct": same(
                lambda place: [
                    *("reconstruct", video, "--model", path("pretrained"), "--overwrite", "--output", place / "a.png")
                ]
            ),
            "visualize": same(
                lambda place: [
                    *("visualize", "losses", path("pretrained"), "--overwrite", "--output", place / "a.svg")
                ]
            ),
            "export": Job(lambda place: ["export", path("finetuned"), place / "program", "--format", "torch"]),
            "demo --export_space": Job(
                lambda place: ["demo", "--model", path("finetuned"), "--export_space", place / "space"]
            ),
            QUICKSTART: Job(lambda place: [QUICKSTART, "--quick", "--output", place / "run"]),
        }


def _problem(outcome, place: Path, written: set[str]) -> str | None:
    """What is wrong with the message. A command that needed less space than usual may succeed."""
    if "Traceback (most recent call last)" in outcome.text:
        return f"a traceback: {outcome.text.strip().splitlines()[-1]}"
    if outcome.status == 0:
        missing = written - kill.files(place)
        return f"success is reported, but files are missing: {', '.join(sorted(missing))}" if missing else None
    if outcome.status not in (1, 2):
        return f"exit status {outcome.status}"
    sentences = [line for line in outcome.text.splitlines() if line.startswith("lgi-former")]
    if any(str(place) in line for line in sentences):
        return None
    return f"no sentence names the path: {sentences or outcome.text[-500:]}"


def _damage(before: Path, place: Path) -> str | None:
    """How files that were there before are damaged. A new version of a file is not damage if it is whole."""
    missing = kill.files(before) - kill.files(place)
    if missing:
        return f"lost: {', '.join(sorted(missing))}"
    for file in sorted(kill.files(before)):
        old, new = (folder / file for folder in (before, place))
        if old.read_bytes() != new.read_bytes() and not _is_whole(new):
            return f"damaged: {file}"
    return None


def _is_whole(path: Path) -> bool:
    """Whether a file is complete as far as its format shows."""
    try:
        if path.suffix in (".json", ".jsonl"):
            for line in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
                json.loads(line)
        elif path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "np") as file:
                file.keys()
        elif path.suffix == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.ParquetFile(path).close()
    except Exception:  # each format has its own errors
        return False
    return path.stat().st_size > 0


def _bytes_in(folder: Path) -> int:
    """Bytes on tmpfs of all files and folders."""
    paths = [folder, *folder.rglob("*")]
    return sum(-(-path.lstat().st_size // PAGE) * PAGE if path.is_file() else PAGE for path in paths)


def _can_mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    place = folder / "trial"
    place.mkdir()
    if _try_mount(place, "size=64k"):
        subprocess.run(["umount", place], check=True)
        return True
    return False


def _try_mount(place: Path, options: str) -> bool:
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], stderr=subprocess.DEVNULL).returncode
        == 0
    )


def _mount(place: Path, options: str):
    if not _try_mount(place, options):
        raise OSError(f"'{place}' cannot be mounted.")
