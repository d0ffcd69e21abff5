"""`lgi-former finetune`: facial expression recognition from labelled videos. Also for `accelerate launch -m`."""

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

from transformers import PreTrainedModel, set_seed

from ..hub.model_card import ModelFacts
from ..image_processing import processor_for
from ..image_processing.augmentation import FinetuningAugmentation
from ..image_processing.training_frame_sampling import finetuning_frame_indices
from ..messages import announce_if_slow, note
from .data.classes import check_classes_to_train, names_of_classes, warn_of_empty_classes
from .data.clips import ViewDataset, frame_sampling
from .data.groups import NO_GROUPS
from .data.read_labels import task_of_videos, task_sentence
from .data.skipped_videos import SkippedVideos
from .data.tasks import check_task
from .evaluation.evaluate_views import evaluate_views
from .run.arguments import LabelledDataArguments, ModelArguments, RecipeTrainingArguments
from .run.balance import class_weights_of, order_of
from .run.cross_validation import cross_validate, refuse_placeholder
from .run.divided_data import Division, check_lists, divide, divides, write_lists
from .run.entry_point import run_entry_point
from .run.lifecycle import (
    only_run_in,
    publish,
    report_skipped,
    report_written,
    train_and_save,
    warn_of_selection,
)
from .run.option_checks import check_dataset_name, check_that_labels_are_there, check_units
from .run.run_data import (
    ListedVideos,
    TrainingVideos,
    check_frames,
    check_videos,
    count_videos,
    name_of_source,
    open_training_videos,
    open_videos,
    training_clips,
)
from .run.starting_commit import pin_starting_model
from .run.starting_model import load_model_to_finetune, predicts_frames
from .run.trainers import finetuning_trainer
from .trainer import LGIFormerTrainer


@dataclass
class FinetuningArguments(LabelledDataArguments):
    """Options of fine-tuning: the classes, evaluation and augmentation."""

    eval_data: str | None = field(
        default=None,
        metadata={"help": "Videos to evaluate on, during and after training; as --train_data, but no stream."},
    )
    labels: list[str] | None = field(
        default=None,
        metadata={
            "help": "Classes or quantities in their order (default: the columns of numbers, the classes of shards, or "
            "the names found, in alphabetical order)."
        },
    )
    task: str | None = field(
        default=None,
        metadata={
            "help": "What the labels are: one class, the classes that apply, numbers, or votes for classes (default: "
            "inferred from the labels and printed).",
            "choices": ["single_label", "multi_label", "regression", "distribution"],
        },
    )
    label_units: list[str] | None = field(
        default=None, metadata={"help": "Units of the quantities of --task regression, '' for none."}
    )
    num_segments: int = field(default=1, metadata={"help": "Number of clips of a video that evaluation averages."})
    randaugment_operations: int = field(default=4, metadata={"help": "Operations of RandAugment; 0 switches it off."})
    crop_area: list[float] = field(
        default_factory=lambda: [0.08, 1.0],
        metadata={"help": "Smallest and largest area of random crops, as a share of the frame.", "nargs": 2},
    )
    flip_probability: float = field(default=0.5, metadata={"help": "Probability that a clip is mirrored."})
    erasing_probability: float = field(default=0.25, metadata={"help": "Probability of random erasing."})
    mixup_alpha: float = field(
        default=0.8, metadata={"help": "Alpha of mixup, which draws from Beta(alpha, alpha); 0 switches it off."}
    )
    cutmix_alpha: float = field(
        default=1.0, metadata={"help": "Alpha of cutmix, which draws from Beta(alpha, alpha); 0 switches it off."}
    )
    drop_path_rate: float = field(
        default=0.1, metadata={"help": "Stochastic depth: probability of skipping the last layer."}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.task is not None:  # a recipe is not checked by the parser
            check_task(self.task)


ON_CARD = (
    "eval_split",
    "class_weight",
    "sampler",
    "num_segments",
    "randaugment_operations",
    "crop_area",
    "flip_probability",
    "erasing_probability",
    "mixup_alpha",
    "cutmix_alpha",
    "drop_path_rate",
)
"""Options above that are listed on the model card."""


def finetune(model_arguments: ModelArguments, data: FinetuningArguments, training: RecipeTrainingArguments) -> int:
    """Fine-tune LGI-Former or VideoMAE on labelled videos, and evaluate it on others.

    Returns:
        The exit status of the command.

    Raises:
        ValueError, OSError: If an option, the model or the data are wrong.
        RuntimeError: If too many videos cannot be read, or the loss is not finite.
    """
    if data.folds:
        return cross_validate(finetune_once, open_labelled, model_arguments, data, training)
    refuse_placeholder(data)
    return finetune_once(model_arguments, data, training)


class LabelledVideos(NamedTuple):
    """The videos of a run, and what their labels are.

    Attributes:
        train: The videos to train on.
        evaluated: The videos to evaluate on, if there are some.
        label_names: The classes or quantities in their order.
        task: One of `TASKS`.
        division: The division of `--train_data`, if the options divide it.
    """

    train: TrainingVideos
    evaluated: ListedVideos | None
    label_names: list[str]
    task: str
    division: Division | None

    @property
    def sources(self) -> list[TrainingVideos]:
        """The videos to train on, and the videos to evaluate on."""
        return [self.train] if self.evaluated is None else [self.train, self.evaluated]


def finetune_once(
    model_arguments: ModelArguments,
    data: FinetuningArguments,
    training: RecipeTrainingArguments,
    num_folds: int | None = None,
) -> int:
    """Train and evaluate once, without cross-validation; otherwise as `finetune`.

    Args:
        num_folds: As for `divide`.
    """
    with only_run_in(training):
        return _finetune(model_arguments, data, training, num_folds)


def _finetune(
    model_arguments: ModelArguments,
    data: FinetuningArguments,
    training: RecipeTrainingArguments,
    num_folds: int | None,
) -> int:
    with announce_if_slow("Opening the videos ..."):
        videos = open_labelled(model_arguments, data, training, num_folds)
    if data.check_data:
        return check_videos(videos.sources, data, training)
    set_seed(training.seed)
    with announce_if_slow("Loading the model ..."):
        model_arguments = pin_starting_model(model_arguments, training)
        start = load_model_to_finetune(
            model_arguments, videos.label_names, data.drop_path_rate, videos.task, data.label_units
        )
        model, sampling = start.model, start.sampling(data)
    check_frames("train_data", videos.train, videos.task, model.config)
    if None in (data.task, data.labels) and training.process_index == 0:
        of_frames = getattr(model.config, "frame_level", False)
        note(task_sentence(videos.task, videos.label_names, of_frames=of_frames, is_inferred=data.task is None))
    num_videos = count_videos(*videos.sources, training=training)
    skipped = SkippedVideos(training.output_dir, num_videos, data.max_skipped_fraction)
    facts = known_facts(model_arguments, data, training, sampling, videos.division)
    trainer = _make_trainer(model, videos, data, training, sampling, skipped, facts)
    if videos.division is not None and trainer.is_world_process_zero():
        write_lists(training.output_dir, videos.division)
    warn_of_selection(training)
    train_and_save(trainer)
    figures, is_evaluated = None, videos.evaluated is not None
    if is_evaluated:
        views = trainer.eval_dataset
        figures = evaluate_views(trainer, views, training.output_dir, videos.label_names, videos.task)
    publish(trainer, figures)
    report_skipped(trainer, skipped)
    next_command = _next_command(training.output_dir, is_evaluated)
    report_written(training, is_evaluated, *next_command, task=videos.task)
    return 0


def _make_trainer(
    model: PreTrainedModel,
    videos: LabelledVideos,
    data: FinetuningArguments,
    training: RecipeTrainingArguments,
    sampling: dict,
    skipped: SkippedVideos,
    facts: ModelFacts,
) -> LGIFormerTrainer:
    """Make the trainer, with its training clips and the views to evaluate on.

    Args:
        sampling: `sampling_rate` and `sampling_frame_rate` of the processor.
    """
    processor = processor_for(model.config, num_segments=data.num_segments, **sampling, **data.reading)
    views = None
    if videos.evaluated is not None:
        views = ViewDataset(videos.evaluated, processor, skipped=skipped, task=videos.task)
    clips = training_clips(
        videos.train,
        make_augmentation(model.config.image_size, data),
        frame_sampling(finetuning_frame_indices, model.config.num_frames, sampling["sampling_rate"]),
        label_names=videos.label_names,
        arguments=data,
        training=training,
        skipped=skipped,
        task=videos.task,
        order=order_of(videos.train, data, videos.label_names, videos.task, training),
        sampling_frame_rate=sampling["sampling_frame_rate"],
    )
    return finetuning_trainer(
        model,
        training,
        clips,
        videos.label_names,
        processor,
        facts,
        mixup_alpha=data.mixup_alpha,
        cutmix_alpha=data.cutmix_alpha,
        task=videos.task,
        class_weights=class_weights_of(videos.train, data, videos.label_names, videos.task),
        views=views,
    )


def _next_command(output_dir: str, evaluated: bool) -> list[str]:
    if evaluated:
        return ["lgi-former", "predict", "VIDEO", "--model", output_dir]
    return ["lgi-former", "evaluate", "--model", output_dir, "--data", "LABELLED_VIDEOS"]


def open_labelled(
    model_arguments: ModelArguments,
    data: FinetuningArguments,
    training: RecipeTrainingArguments,
    num_folds: int | None = None,
) -> LabelledVideos:
    """Open the videos to train and to evaluate on, and check their labels.

    Args:
        num_folds: As for `divide`.

    Raises:
        ValueError: If videos cannot be opened or divided or have no labels, a label is unknown, or there is only one
            class.
    """
    is_divided = divides(data, num_folds)
    frame_level = predicts_frames(model_arguments)
    videos = open_training_videos(data, data.labels, task=data.task, frame_level=frame_level)
    check_that_labels_are_there("train_data", videos)
    task = data.task or task_of_videos(videos, frame_level)
    label_names = data.labels or names_of_classes("train_data", videos, task)
    check_dataset_name(data, label_names)
    division = divide(videos, data, label_names, task, training.seed, num_folds) if is_divided else None
    if division is not None:
        check_lists(training.output_dir, division)
        videos = division.train
    check_classes_to_train("train_data", videos, label_names, task)
    check_units(data.label_units, label_names, task)
    evaluated = None if division is None else division.evaluated
    if data.eval_data is not None:
        options = {"task": task, "frame_level": frame_level}
        evaluated = open_videos(data.eval_data, data.data_root, label_names, **options)
    if evaluated is not None:
        check_that_labels_are_there("eval_data", evaluated)
        warn_of_empty_classes("eval_data", evaluated, label_names, task)
    return LabelledVideos(videos, evaluated, label_names, task, division)


def known_facts(
    model_arguments: ModelArguments,
    data: FinetuningArguments,
    training: RecipeTrainingArguments,
    sampling: dict,
    division: Division | None = None,
) -> ModelFacts:
    """Collect the facts for the model card that the options determine, and how the videos are divided."""
    hyperparameters = {name: value for name, value in sampling.items() if value is not None}
    hyperparameters |= {name: getattr(data, name) for name in ON_CARD}
    hyperparameters["label_smoothing_factor"] = training.label_smoothing_factor
    hyperparameters["early_stopping_patience"] = training.early_stopping_patience
    if division is not None:
        hyperparameters["group_column"] = division.group_column or NO_GROUPS
    return ModelFacts(
        base_model=model_arguments.model_name_or_path,
        base_revision=model_arguments.revision,
        dataset=data.dataset_name,
        evaluated_on=name_of_source(data.eval_data or data.train_data[0]),
        fold=data.folds[0] if data.folds else None,
        selected_by=training.metric_for_best_model if training.load_best_model_at_end else None,
        hyperparameters=hyperparameters,
    )


def make_augmentation(image_size: int, data: FinetuningArguments) -> FinetuningAugmentation:
    """Make the augmentation of training clips."""
    return FinetuningAugmentation(
        image_size,
        num_operations=data.randaugment_operations,
        crop_area=tuple(data.crop_area),
        flip_probability=data.flip_probability,
        erasing_probability=data.erasing_probability,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command with `argv`, or with the arguments of the process. Returns the exit status."""
    return run_entry_point(finetune, ModelArguments, FinetuningArguments, RecipeTrainingArguments, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
