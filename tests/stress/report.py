"""What was tried, how often, and how many were wrong."""

import json
import platform
import random
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path


class Report:
    """Counts outcomes, prints progress, saves inputs that failed.

    Args:
        seed: Seed of all draws.
        scratch: Folder for files of the run.
        failures: Folder for inputs and logs of wrong outcomes.

    Attributes:
        rows (`dict`): `[tried, wrong]` by tool and kind, such as `("kill", "finetune on a list: signals sent")`.
        wrong (`list[str]`): A sentence for each wrong outcome.
    """

    def __init__(self, seed: int, scratch: Path, failures: Path):
        self.seed, self.scratch, self.failures = seed, scratch, failures
        self.rows: dict[tuple[str, str], list[int]] = {}
        self.wrong: list[str] = []
        self.tool, self.case, self._start = "", 0, time.monotonic()

    def draw(self) -> random.Random:
        """The random generator of the current case."""
        return random.Random(f"{self.seed} {self.tool} {self.case}")

    def count(self, kind: str, problem: str | None = None, saved: list[Path] = (), tried: int = 1):
        """Count an outcome. It is wrong if there is a problem. `saved` are files and folders to save then."""
        row = self.rows.setdefault((self.tool, kind), [0, 0])
        row[0] += tried
        if problem is None:
            return
        row[1] += 1
        folder = self.failures / f"{self.tool}-{self.case}-{len(self.wrong) + 1}"
        for path in saved:
            _copy(path, folder / path.name)
        repeat = f"python tests/stress {self.tool} --seed {self.seed} --case {self.case}"
        problem = " ".join(problem.split())
        self.wrong.append(f"{self.tool}, {kind}: {problem}. Files: {folder}. To repeat: `{repeat}`")
        print(f"WRONG {self.wrong[-1]}", flush=True)

    def print_progress(self):
        """Print the counts of the current tool."""
        rows = [counts for (tool, _), counts in self.rows.items() if tool == self.tool]
        tried, wrong = (sum(column) for column in zip(*rows, strict=True)) if rows else (0, 0)
        minutes = (time.monotonic() - self._start) / 60
        print(f"{minutes:6.1f} min  {self.tool} case {self.case}: {tried} tried, {wrong} wrong", flush=True)

    def write(self, folder: Path, command: str):
        """Write `stress.md` and `stress.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        minutes = (time.monotonic() - self._start) / 60
        packages = {name: version(name) for name in ("torch", "transformers", "av", "hypothesis")}
        rows = [
            {"tool": tool, "what": kind, "tried": tried, "wrong": wrong}
            for (tool, kind), (tried, wrong) in sorted(self.rows.items())
        ]
        facts = {"command": command, "seed": self.seed, "minutes": round(minutes, 1)}
        facts |= {"python": platform.python_version(), **packages, "rows": rows, "wrong": self.wrong}
        (folder / "stress.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        libraries = ", ".join(f"{name} {number}" for name, number in packages.items())
        lines = [
            "# What was broken on purpose",
            "",
            f"`{command}`, {minutes:.1f} minutes, Python {platform.python_version()}, {libraries}.",
            "",
            "| Tool | What was tried | How often | Wrong |",
            "| --- | --- | --- | --- |",
            *(f"| {row['tool']} | {row['what']} | {row['tried']:,} | {row['wrong']:,} |" for row in rows),
        ]
        if self.wrong:
            lines += ["", "Wrong outcomes:", "", *(f"- {sentence}" for sentence in self.wrong)]
        text = "\n".join(lines) + "\n"
        (folder / "stress.md").write_text(text, encoding="utf-8")
        print(text, end="", file=sys.stdout, flush=True)


def _copy(source: Path, target: Path):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)
