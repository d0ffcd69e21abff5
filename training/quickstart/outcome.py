"""The plan and the measurements of a quickstart."""

import contextlib
import time
from dataclasses import dataclass, field


@dataclass
class Plan:
    """Sizes of a quickstart: videos of the parts of its corpus, and steps of its stages."""

    num_unlabelled: int
    num_labelled: int
    num_tested: int
    pretraining_steps: int
    finetuning_steps: int


@dataclass
class Outcome:
    """Measurements of a quickstart, for its report.

    Attributes:
        seconds: Duration of each stage.
        figures: Metrics of each classifier, as from `write_evaluation`, and `time_order_uar`.
        histories: `log_history` of each training run.
    """

    seed: int
    plan: Plan
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, dict] = field(default_factory=dict)
    histories: dict[str, list[dict]] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, stage: str):
        """Print the name of a stage, and record how long it takes."""
        print(f"\n== {stage} ==", flush=True)
        start = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - start
