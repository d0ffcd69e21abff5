"""Options of the training commands. `recipe_parser.py` reads them from a recipe and the command line.

Options have the names of Transformers' examples and of `TrainingArguments` where these exist. `help.py` reads this
file without importing it, so that `--help` is fast. Defaults, help texts and choices must therefore be literals.
"""

import json
from dataclasses import dataclass, field

import torch

from ...image_processing.decoding.decoder_backends import chosen_backend
from ...image_processing.decoding.frame_folders import check_frame_order
from ...image_processing.decoding.section import check_frame_rate
from ...messages import shows_progress
from ..data.mixed_order import check_shares
from ..trainer.arguments import LGIFormerTrainingArguments
from .precision import device_has_bf16


def check_reading(backend: str | None, frame_order: str | None):
    """
    Raises:
        ValueError: If the frame order is unknown, or the backend is unknown or not installed. Recipes are not checked
            by the parser.
    """
    check_frame_order(frame_order or "natural")
    if backend is not None:
        chosen_backend(backend)


def check_sampling(sampling_frame_rate: float | None):
    """
    Raises:
        ValueError: If it is neither None, 0 nor a positive, finite number.
    """
    if sampling_frame_rate != 0 or isinstance(sampling_frame_rate, bool):
        check_frame_rate("sampling_frame_rate", sampling_frame_rate)


@dataclass
class ModelArguments:
    """The model to train."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={
            "help": "Model to start from, an LGI-Former or VideoMAE: its folder, a Hub repository, a name that "
            "`lgi-former download` lists, or a published .pth file of MAE-DFER. Without it, --model_type is "
            "trained from scratch."
        },
    )
    revision: str | None = field(
        default=None,
        metadata={"help": "Branch, tag or commit of a model on the Hub; also --model_name_or_path owner/name@REV."},
    )
    model_type: str = field(
        default="lgi_former",
        metadata={"help": "Family of a model trained from scratch.", "choices": ["lgi_former", "videomae"]},
    )
    config_name: str | None = field(
        default=None,
        metadata={"help": "Configuration of a model trained from scratch: a directory, Hub repository or JSON file."},
    )
    config_overrides: str | None = field(
        default=None,
        metadata={"help": "Fields of the model's configuration, in JSON: '{\"hidden_size\": 256}'."},
    )
    image_size: int | None = field(
        default=None, metadata={"help": "Height and width of clips in pixels (default: the model's)."}
    )
    num_frames: int | None = field(default=None, metadata={"help": "Frames of a clip (default: the model's)."})

    def __post_init__(self):
        self.config_overrides = _parsed_fields(self.config_overrides)
        if self.revision is not None and self.model_name_or_path is None:
            raise ValueError(f"--revision {self.revision} needs a model on the Hub as --model_name_or_path.")

    @property
    def config_fields(self) -> dict:
        """All fields of the configuration that these options set."""
        sizes = {"image_size": self.image_size, "num_frames": self.num_frames}
        return self.config_overrides | {name: value for name, value in sizes.items() if value is not None}


@dataclass
class DataArguments:
    """The videos to train on, and how frames are sampled."""

    train_data: list[str] | None = field(
        default=None,
        metadata={
            "help": "Videos and images to train on: a file with a line 'path label' each, a CSV file, a folder of "
            "class folders, shards of `lgi-former prepare shards` (their folder or index.json, or its URL: hf://, "
            "s3://), or other tar shards in the format of WebDataset ('shards/*.tar'), which are streamed. Several "
            "sources are joined."
        },
    )
    mix: list[float] | None = field(
        default=None,
        metadata={
            "help": "Shares of the sources of --train_data: '1 2' draws two items of the second for one of the first. "
            "An epoch reads the first source once (default: all sources once)."
        },
    )
    data_root: str | None = field(
        default=None, metadata={"help": "Where relative paths begin (default: the annotation file's folder)."}
    )
    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "Name of the corpus for the model's card, which has the terms of dfew, ferv39k, mafw, crema-d, "
            "ravdess, enterface, voxceleb2, drawn-faces. It loads nothing."
        },
    )
    streaming: bool = field(
        default=False, metadata={"help": "Stream --train_data, a data set on the Hub. '*.tar' always is streamed."}
    )
    shuffle_buffer: int | None = field(
        default=None,
        metadata={
            "help": "Size of the shuffle buffer, in videos (default: 10000 for shards, 256 for a stream). The buffer "
            "of a stream is in the memory of each worker."
        },
    )
    sampling_rate: int | None = field(
        default=None,
        metadata={"help": "Step between the frames of a clip (default: the starting model's, else 4)."},
    )
    sampling_frame_rate: float | None = field(
        default=None,
        metadata={
            "help": "Count the step of --sampling_rate in time, as if every video had so many frames per second, such "
            "as 25. Videos of all frame rates then give the same moments. 0 counts frames (default: the starting "
            "model's, else 0)."
        },
    )
    backend: str | None = field(
        default=None,
        metadata={
            "help": "Library that decodes video files (default: pyav, which is exact; decord may return other frames "
            "than those requested).",
            "choices": ["pyav", "decord", "torchcodec"],
        },
    )
    frame_order: str = field(
        default="natural",
        metadata={
            "help": "Order of the frames of a folder: 'natural' (2.png before 10.png), or 'name' (10.png before "
            "2.png, as the published code sorts).",
            "choices": ["natural", "name"],
        },
    )
    max_skipped_fraction: float = field(
        default=0.01,
        metadata={
            "help": "Share of videos that may be unreadable; with more, the run stops. Five always may, or a tenth of "
            "fewer than 50; with 0, none may."
        },
    )
    check_data: bool = field(
        default=False,
        metadata={"help": "Do not train. Read every video once and write the list of the broken ones."},
    )

    def __post_init__(self):
        check_reading(self.backend, self.frame_order)
        check_sampling(self.sampling_frame_rate)
        if isinstance(self.train_data, str):  # from a recipe
            self.train_data = [self.train_data]
        if self.mix is not None:
            self.mix = self.mix if isinstance(self.mix, list) else [self.mix]
            check_shares(self.mix, len(self.train_data or []))

    @property
    def reading(self) -> dict:
        """Settings of `read_video`."""
        return {"backend": self.backend, "frame_order": self.frame_order}


@dataclass
class LabelledDataArguments(DataArguments):
    """How labelled videos are divided, and how classes of different sizes are balanced."""

    folds: list[int] | None = field(
        default=None,
        metadata={
            "help": "Cross-validate: train and evaluate each of these folds. The fold's number replaces {fold} in "
            "--train_data, --eval_data, --model_name_or_path and --output_dir. If --train_data has no {fold}, give "
            "one number: --train_data is divided into so many folds."
        },
    )
    eval_split: float | None = field(
        default=None,
        metadata={
            "help": "Share of --train_data to evaluate on instead of --eval_data, such as 0.2. Each class gives this "
            "share."
        },
    )
    group_column: str | None = field(
        default=None,
        metadata={
            "help": "Column of --train_data with the person in each video. --eval_split and --folds put no person "
            "into two parts (default: a column called person, subject, actor, speaker or similar; none: do not "
            "group)."
        },
    )
    class_weight: str | None = field(
        default=None,
        metadata={
            "help": "Weights of the classes in the training loss: 'balanced' (videos / (classes x videos of the "
            "class)) or 'effective' (Cui et al., 2019, beta 0.999). The mean weight of a video is 1.",
            "choices": ["balanced", "effective"],
        },
    )
    sampler: str = field(
        default="random",
        metadata={
            "help": "Videos of an epoch: 'random' (each once) or 'balanced' (each class equally often, as many videos "
            "in all).",
            "choices": ["random", "balanced"],
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if self.eval_split is not None and not 0 < self.eval_split < 1:
            raise ValueError(f"eval_split={self.eval_split:g} must be a share between 0 and 1, such as 0.2.")
        for name, choices in (("class_weight", (None, "balanced", "effective")), ("sampler", ("random", "balanced"))):
            if getattr(self, name) not in choices:  # recipes are not checked by the parser
                raise ValueError(f"{name}={getattr(self, name)!r} must be {' or '.join(filter(None, choices))}.")


@dataclass
class RecipeTrainingArguments(LGIFormerTrainingArguments):
    """Options of training with the defaults of the commands."""

    output_dir: str | None = field(
        default=None, metadata={"help": "Folder of the model, its checkpoints and logs. It is needed."}
    )
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={"help": "Checkpoint to resume from, or true: the newest whole checkpoint in --output_dir."},
    )
    total_batch_size: int | None = field(
        default=None,
        metadata={
            "help": "Clips of a step, on all processes together. It sets --gradient_accumulation_steps, so a resumed "
            "run may have more or fewer processes."
        },
    )
    disable_tqdm: bool | None = field(
        default=None, metadata={"help": "Show no progress bars (default: where the output is not a terminal)."}
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata={
            "help": "Stop after so many evaluations without a better --metric_for_best_model (default: the loss). "
            "Evaluates and saves after each epoch, and loads the best model at the end."
        },
    )
    # None means that the user did not choose.
    bf16: bool = field(
        default=None,
        metadata={"help": "Mixed precision with bfloat16 (default: where the device has it, unless --fp16)."},
    )
    eval_strategy: str | None = field(
        default=None,
        metadata={"help": "When to evaluate: no, steps or epoch (default: no; epoch with --early_stopping_patience)."},
    )
    save_strategy: str | None = field(
        default=None,
        metadata={
            "help": "When to save a checkpoint: no, steps, epoch or best (default: steps; as --eval_strategy with "
            "--early_stopping_patience)."
        },
    )
    load_best_model_at_end: bool | None = field(
        default=None,
        metadata={
            "help": "Load the best checkpoint at the end (default: false; true with --early_stopping_patience)."
        },
    )
    ddp_find_unused_parameters: bool | None = field(
        default=False, metadata={"help": "As in TrainingArguments. LGI-Former has no parameters without gradients."}
    )
    dataloader_persistent_workers: bool = field(
        default=True,
        metadata={
            "help": "Reuse the processes that read videos in the next epoch. They hold their memory, but new "
            "processes take seconds to start where they are not forked."
        },
    )
    lr_scheduler_type: str = field(
        default="cosine_with_min_lr", metadata={"help": "Schedule of the learning rate, as in TrainingArguments."}
    )

    def __post_init__(self):
        if self.output_dir is None:
            raise ValueError("output_dir is missing: say where the model and its checkpoints go.")
        # TrainingArguments accepts bf16 on the CPU only if use_cpu is set.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        # Data loaders refuse persistent workers if there are no workers.
        self.dataloader_persistent_workers = self.dataloader_persistent_workers and self.dataloader_num_workers > 0
        if self.disable_tqdm is None:
            self.disable_tqdm = not shows_progress()
        if self.bf16 is None:
            self.bf16 = not self.fp16 and device_has_bf16(self.use_cpu)
        self._choose_strategies()
        super().__post_init__()
        if self.total_batch_size is not None:
            self.gradient_accumulation_steps = self._steps_to_accumulate()

    def _steps_to_accumulate(self) -> int:
        """The steps of gradient accumulation that give `total_batch_size`.

        Raises:
            ValueError: If no number of steps does, or one is given.
        """
        if self.gradient_accumulation_steps != 1:
            raise ValueError("total_batch_size sets gradient_accumulation_steps. Give one of the two.")
        at_once = self.train_batch_size * self.world_size
        if self.total_batch_size < 1 or self.total_batch_size % at_once:
            raise ValueError(
                f"total_batch_size={self.total_batch_size} is not a multiple of the {at_once} clips that "
                f"{self.world_size} processes take at once. Change per_device_train_batch_size, which is "
                f"{self.per_device_train_batch_size}."
            )
        return self.total_batch_size // at_once

    def _choose_strategies(self):
        """Set the defaults of evaluation and saving.

        Raises:
            ValueError: If a choice clashes with `early_stopping_patience`.
        """
        stops_early = self.early_stopping_patience is not None
        if self.eval_strategy is None:
            self.eval_strategy = "epoch" if stops_early else "no"
        if self.save_strategy is None:
            self.save_strategy = self.eval_strategy if stops_early else "steps"
        if self.load_best_model_at_end is None:
            self.load_best_model_at_end = stops_early
        if not stops_early:
            return
        if self.early_stopping_patience < 1:
            raise ValueError(f"early_stopping_patience={self.early_stopping_patience} must be at least 1.")
        for name, clashes in (
            ("eval_strategy", self.eval_strategy == "no"),
            ("save_strategy", self.save_strategy == "no"),
            ("load_best_model_at_end", not self.load_best_model_at_end),
        ):
            if clashes:
                raise ValueError(
                    f"{name}={str(getattr(self, name)).lower()} clashes with early_stopping_patience, which needs "
                    f"evaluations and the best model. Leave out {name} or early_stopping_patience."
                )


def _parsed_fields(text: str | None) -> dict:
    try:
        parsed = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"config_overrides={text!r} is not JSON ({error}).") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"config_overrides={text!r} must be a JSON object of the configuration's fields.")
    return parsed
