"""`lgi-former evaluate`: metrics and predictions of a model on labelled videos. Also for `accelerate launch -m`."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate.utils import get_int_from_env
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from ..conversion import model_folder
from ..files import only_writer
from ..hub.answer_kind import THRESHOLD
from ..hub.model_names import split_revision, with_revision
from ..image_processing import LGIFormerVideoProcessor, processor_for
from ..inference import ExportedModel
from ..inference.loading import load_classifier
from ..inference.prediction import labels_of
from ..messages import ADVICE_FOR_EVALUATION, announce_if_slow, note, suggest
from .data.classes import warn_of_empty_classes
from .data.clips import ViewDataset
from .data.collators import ViewCollator
from .data.skipped_videos import SkippedVideos
from .data.tasks import PROBLEM_TYPES, task_of
from .data.video_rows import count_distinct
from .evaluation.evaluate_views import evaluate_views
from .evaluation.report import METRICS_FILE, evaluation_files
from .run.arguments import RecipeTrainingArguments, check_reading, check_sampling
from .run.entry_point import run_entry_point
from .run.lifecycle import report_skipped
from .run.run_data import check_frames, open_videos
from .trainer import LGIFormerTrainer


RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
"""Launchers set one of these variables to the number of the process."""


@dataclass
class EvaluationArguments:
    """Options of an evaluation: the model, the videos, how frames are sampled."""

    model: str | None = field(
        default=None,
        metadata={
            "help": "A fine-tuned or exported model: its folder, a Hub repository, or a name that `lgi-former "
            "download` lists."
        },
    )
    revision: str | None = field(
        default=None, metadata={"help": "Branch, tag or commit of a model on the Hub; also --model owner/name@REV."}
    )
    data: str | None = field(
        default=None,
        metadata={
            "help": "Labelled videos: a file with a line 'path label' each, a CSV file, class folders, or tar shards "
            "by their index.json."
        },
    )
    data_root: str | None = field(
        default=None, metadata={"help": "Where relative paths begin (default: the annotation file's folder)."}
    )
    output_dir: str | None = field(
        default=None, metadata={"help": "Folder of the report (default: evaluation, in the model's directory)."}
    )
    overwrite: bool = field(default=False, metadata={"help": "Replace an earlier evaluation in --output_dir."})
    task: str | None = field(
        default=None,
        metadata={
            "help": "What the labels are (default: what the model predicts). 'distribution': shares or votes of "
            "classes, for a model of one class.",
            "choices": ["single_label", "multi_label", "regression", "distribution"],
        },
    )
    threshold: float = field(
        default=0.5,
        metadata={"help": "Smallest probability of a predicted label, if a video can have several labels."},
    )
    num_segments: int | None = field(
        default=None,
        metadata={"help": "Clips of a video that are averaged (default: the processor's)."},
    )
    sampling_rate: int | None = field(
        default=None,
        metadata={"help": "Step between the frames of a clip (default: the processor's)."},
    )
    sampling_frame_rate: float | None = field(
        default=None,
        metadata={
            "help": "Count the step in time, as if every video had so many frames per second. 0 counts frames "
            "(default: the processor's)."
        },
    )
    backend: str | None = field(
        default=None,
        metadata={
            "help": "Library that decodes video files (default: the processor's).",
            "choices": ["pyav", "decord", "torchcodec"],
        },
    )
    frame_order: str | None = field(
        default=None,
        metadata={
            "help": "Order of the frames of a folder: 'natural' or 'name' (default: the processor's).",
            "choices": ["natural", "name"],
        },
    )
    batch_size: int = field(default=8, metadata={"help": "Videos that a device evaluates at once."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read videos, for each device."})
    max_skipped_fraction: float = field(
        default=0.01,
        metadata={
            "help": "Share of videos that may be unreadable; with more, the run stops. Five always may, or a tenth of "
            "fewer than 50; with 0, none may."
        },
    )
    use_cpu: bool = field(default=False, metadata={"help": "Use the CPU, also if there is an accelerator."})
    bf16: bool = field(default=None, metadata={"help": "Mixed precision (default: where the device has bfloat16)."})

    def __post_init__(self):
        for name in ("model", "data"):
            if getattr(self, name) is None:
                raise ValueError(f"--{name} is needed.")
        check_reading(self.backend, self.frame_order)
        check_sampling(self.sampling_frame_rate)
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold={self.threshold:g} must be between 0 and 1.")
        if self.output_dir is None:
            self.output_dir = str(Path(self.model, "evaluation")) if Path(self.model).is_dir() else "evaluation"


def evaluate(arguments: EvaluationArguments) -> int:
    """Evaluate a fine-tuned model on labelled videos. Predictions are averaged over the distinct views of each video.

    Writes the files of `evaluation_files`, and if videos are unreadable `skipped_videos.csv`.

    Returns:
        The exit status of the command.

    Raises:
        ValueError, OSError: If an option, the model or the data are wrong.
        TooManySkippedVideosError: If too many videos cannot be read.
    """
    with only_evaluation_in(arguments):
        return _evaluate(arguments)


@contextlib.contextmanager
def only_evaluation_in(arguments: EvaluationArguments) -> Iterator[None]:
    """Hold the lock of the output folder in a `with` block. One process of several holds it.

    Raises:
        ValueError: If the folder has an evaluation that may not be replaced, or another process writes to it.
        NotWrittenError: If something in the block cannot be written. It is an `OSError`.
    """
    if get_int_from_env(RANKS, 0) > 0:  # a `PartialState` would fix the device too early
        yield
        return
    folder = Path(arguments.output_dir)
    with only_writer(folder):
        if (folder / METRICS_FILE).exists() and not arguments.overwrite:
            raise ValueError(
                f"'{folder}' holds an evaluation already. Choose another --output_dir, or pass --overwrite."
            )
        yield


def _evaluate(arguments: EvaluationArguments) -> int:
    with announce_if_slow("Loading the model ..."):
        model, processor = load_for_evaluation(arguments)
    task = task_to_evaluate(arguments, model.config)
    label_names = labels_of(model.config)
    with announce_if_slow("Opening the videos ..."):
        frame_level = getattr(model.config, "frame_level", False)
        videos = open_videos(arguments.data, arguments.data_root, label_names, task=task, frame_level=frame_level)
    if "label" not in videos.column_names:
        raise ValueError(
            f"'{arguments.data}' has no labels to evaluate on: write 'path label' in each line. If its columns are "
            "labels, give their --task, such as distribution for votes."
        )
    check_frames(f"'{arguments.data}'", videos, task, model.config)
    warn_of_empty_classes(f"'{arguments.data}'", videos, label_names, task)
    skipped = SkippedVideos(arguments.output_dir, count_distinct([videos]), arguments.max_skipped_fraction)
    trainer = LGIFormerTrainer(
        model,
        RecipeTrainingArguments(
            output_dir=arguments.output_dir,
            per_device_eval_batch_size=arguments.batch_size,
            dataloader_num_workers=arguments.num_workers,
            use_cpu=arguments.use_cpu,
            bf16=False if isinstance(model, ExportedModule) else arguments.bf16,
            report_to="none",
        ),
        data_collator=ViewCollator(),
    )
    if trainer.is_world_process_zero():
        skipped.clear()
    trainer.accelerator.wait_for_everyone()
    views = ViewDataset(videos, processor, skipped=skipped, task=task)
    evaluate_views(trainer, views, arguments.output_dir, label_names, task, arguments.threshold)
    report_skipped(trainer, skipped)
    if trainer.is_world_process_zero():
        note(f"Wrote {', '.join(evaluation_files(task))} to '{arguments.output_dir}'.")
        model_name = with_revision(*split_revision(arguments.model, arguments.revision))
        suggest("lgi-former", "predict", "VIDEO", "--model", model_name)
    return 0


def task_to_evaluate(arguments: EvaluationArguments, config: PreTrainedConfig) -> str:
    """The task of the labels: `--task`, or that of the model.

    Raises:
        ValueError: If the model does another task, or `--threshold` is given for it.
    """
    of_model = task_of(config)
    task = arguments.task or of_model
    if PROBLEM_TYPES[task] != PROBLEM_TYPES[of_model]:
        raise ValueError(
            f"--task {task} does not fit '{arguments.model}', whose problem_type is {PROBLEM_TYPES[of_model]!r}. "
            f"Evaluate it with --task {of_model}."
        )
    if task != "multi_label" and arguments.threshold != THRESHOLD:
        raise ValueError("--threshold is for models that predict several labels a video (--task multi_label).")
    return task


class ExportedModule(nn.Module):
    """An exported model as a module without weights, for the trainer. It computes on the CPU, in float32."""

    dtype = torch.float32

    def __init__(self, model: ExportedModel):
        super().__init__()
        self.config = model.config
        self._compute = model

    def forward(self, pixel_values: torch.Tensor) -> ModelOutput:
        return self._compute(pixel_values)


def load_for_evaluation(
    arguments: EvaluationArguments,
) -> tuple[PreTrainedModel | ExportedModule, LGIFormerVideoProcessor]:
    """Load the model and its processor, with the settings of the options.

    A VideoMAE that was not fine-tuned here has a processor that does not sample frames. It gets a new one.

    Raises:
        ValueError, OSError: If there is no such model, it was never fine-tuned, or `bf16` is set for an
            exported model.
    """
    name = model_folder(arguments.model, arguments.revision)
    model, processor = load_classifier(name, device="cpu")  # the trainer moves it
    if isinstance(model, ExportedModel):
        if arguments.bf16:
            raise ValueError("An exported model computes in float32: leave out --bf16.")
        model = ExportedModule(model)
    names = ("sampling_rate", "num_segments", "backend", "frame_order")
    settings = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if arguments.sampling_frame_rate is not None:
        settings["sampling_frame_rate"] = arguments.sampling_frame_rate or None  # 0 counts frames
    if not isinstance(processor, LGIFormerVideoProcessor):
        return model, processor_for(model.config, **settings)
    return model, LGIFormerVideoProcessor.from_dict(processor.to_dict() | settings)


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, or with the arguments of the process. Returns the exit status."""
    return run_entry_point(evaluate, EvaluationArguments, argv=argv, memory_advice=ADVICE_FOR_EVALUATION)


if __name__ == "__main__":
    sys.exit(main())
