"""The plan, the progress and the measurements of a quickstart."""

import contextlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...files import whole_file


PROGRESS_FILE = "progress.json"


@dataclass(frozen=True)
class Plan:
    """Sizes of a quickstart: videos of the parts of its corpus, and steps of its stages.

    Pre-training uses the unlabelled videos, and the labelled ones without their labels.
    """

    num_unlabelled: int
    num_labelled: int
    num_tested: int
    pretraining_steps: int
    finetuning_steps: int


DEFAULT_PLAN = Plan(num_unlabelled=704, num_labelled=896, num_tested=280, pretraining_steps=600, finetuning_steps=240)
QUICK_PLAN = Plan(num_unlabelled=64, num_labelled=126, num_tested=70, pretraining_steps=40, finetuning_steps=20)
"""A plan that shows that everything works. Its models learn little."""


@dataclass
class Outcome:
    """Measurements of a quickstart, for its report.

    Attributes:
        finished: Names of the finished stages.
        seconds: Duration of each stage, without what a killed process spent on it.
        figures: Metrics of each classifier, as from `write_evaluation`, and `time_order_uar`.
        histories: `log_history` of each training run.
    """

    seed: int
    plan: Plan
    finished: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, dict] = field(default_factory=dict)
    histories: dict[str, list[dict]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Outcome":
        """Read the progress of an earlier start.

        Raises:
            ValueError: If the folder has no readable progress file.
        """
        path = folder / PROGRESS_FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(**fields | {"plan": Plan(**fields["plan"])})
        except FileNotFoundError as error:
            raise ValueError(
                f"'{folder}' has no quickstart to resume: there is no {PROGRESS_FILE}. Start one without --resume."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"'{path}' is damaged or from another version. Choose another --output, without --resume."
            ) from error

    def save(self, folder: Path):
        """Write the progress file. It is replaced as a whole."""
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / PROGRESS_FILE) as file:
            file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @contextlib.contextmanager
    def stage(self, name: str, folder: Path):
        """Print the name of a stage, record how long it takes, and save that it is finished."""
        print(f"\n== {name} ==", flush=True)
        start = time.monotonic()
        try:
            yield
            if name not in self.finished:
                self.finished.append(name)
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start
            self.save(folder)
