"""`lgi-former finetune`: facial expression recognition from labelled videos. Also for `accelerate launch -m`."""

import sys
from dataclasses import dataclass, field

from transformers import set_seed

from ..hub.model_card import ModelFacts
from ..image_processing import processor_for
from ..image_processing.augmentation import FinetuningAugmentation
from ..image_processing.training_frame_sampling import finetuning_frame_indices
from ..messages import announce_if_slow, note
from .data.classes import check_classes_to_train, names_of_classes, warn_of_empty_classes
from .data.clip_stream import LABEL_COLUMNS
from .data.clips import ViewDataset, frame_sampling
from .data.read_labels import task_of_videos, task_sentence
from .data.skipped_videos import SkippedVideos
from .data.tasks import check_task
from .evaluation.evaluate_views import evaluate_views
from .run.arguments import LabelledDataArguments, ModelArguments, RecipeTrainingArguments
from .run.balance import check_dataset_name, class_weights_of, order_of, warn_of_selection
from .run.cross_validation import cross_validate, refuse_placeholder
from .run.divided_data import Division, check_lists, divide, divides, write_lists
from .run.entry_point import run_entry_point
from .run.lifecycle import check_output_dir, publish, report_skipped, report_written, train_and_save
from .run.run_data import (
    ListedVideos,
    TrainingVideos,
    check_frames,
    check_videos,
    count_videos,
    open_training_videos,
    open_videos,
    training_clips,
)
from .run.starting_model import load_model_to_finetune, predicts_frames
from .run.trainers import finetuning_trainer


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
            "inferred from the labels, and said).",
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


def finetune_once(
    model_arguments: ModelArguments, data: FinetuningArguments, training: RecipeTrainingArguments
) -> int:
    """Train and evaluate once, without cross-validation; otherwise as `finetune`."""
    check_output_dir(training)
    with announce_if_slow("Opening the videos ..."):
        videos, evaluated, label_names, division = open_labelled(model_arguments, data, training)
    task = task_of_videos(videos)
    if data.check_data:
        return check_videos([videos, *evaluated], data, training)
    set_seed(training.seed)
    with announce_if_slow("Loading the model ..."):
        model, stored_rate = load_model_to_finetune(
            model_arguments, label_names, data.drop_path_rate, task, data.label_units
        )
    check_frames("train_data", videos, task, model.config)
    if None in (data.task, data.labels) and training.process_index == 0 and (sentence := task_sentence(videos)):
        note(sentence)
    sampling_rate = stored_rate if data.sampling_rate is None else data.sampling_rate
    skipped = SkippedVideos(
        training.output_dir, count_videos(videos, *evaluated, training=training), data.max_skipped_fraction
    )
    processor = processor_for(
        model.config, sampling_rate=sampling_rate, num_segments=data.num_segments, **data.reading
    )
    views = [ViewDataset(videos, processor, skipped=skipped, task=task) for videos in evaluated]
    clips = training_clips(
        videos,
        make_augmentation(model.config.image_size, data),
        frame_sampling(finetuning_frame_indices, model.config.num_frames, sampling_rate),
        label_names=label_names,
        arguments=data,
        training=training,
        skipped=skipped,
        task=task,
        order=order_of(videos, data, label_names, task, training),
    )
    trainer = finetuning_trainer(
        model,
        training,
        clips,
        label_names,
        processor,
        known_facts(model_arguments, data, training, sampling_rate),
        mixup_alpha=data.mixup_alpha,
        cutmix_alpha=data.cutmix_alpha,
        task=task,
        class_weights=class_weights_of(videos, data, label_names, task),
        views=views[0] if views else None,
    )
    if division is not None and trainer.is_world_process_zero():
        write_lists(training.output_dir, division)
    warn_of_selection(training)
    train_and_save(trainer)
    publish(trainer, evaluate_views(trainer, views[0], training.output_dir, label_names, task) if views else None)
    report_skipped(trainer, skipped)
    report_written(training, bool(views), *_next_command(training.output_dir, evaluated=bool(views)), task=task)
    return 0


def _next_command(output_dir: str, evaluated: bool) -> list[str]:
    if evaluated:
        return ["lgi-former", "predict", "VIDEO", "--model", output_dir]
    return ["lgi-former", "evaluate", "--model", output_dir, "--data", "LABELLED_VIDEOS"]


def open_labelled(
    model_arguments: ModelArguments, data: FinetuningArguments, training: RecipeTrainingArguments
) -> tuple[TrainingVideos, list[ListedVideos], list[str], Division | None]:
    """Open the videos to train and to evaluate on, and check their labels.

    Returns:
        The videos to train on; a list with the videos to evaluate on, empty without them; the names of the classes in
        the order of their indices; and the division of `--train_data`, if the options divide it.

    Raises:
        ValueError: If videos cannot be opened or divided or have no labels, a label is unknown, or there is only one
            class.
    """
    is_divided = divides(data)
    frame_level = predicts_frames(model_arguments)
    videos = open_training_videos(data, data.labels, task=data.task, frame_level=frame_level)
    check_labels("train_data", videos)
    label_names = data.labels or names_of_classes("train_data", videos)
    check_dataset_name(data, label_names)
    division = divide(videos, data, label_names, task_of_videos(videos), training.seed) if is_divided else None
    if division is not None:
        check_lists(training.output_dir, division)
        videos = division.train
    check_classes_to_train("train_data", videos, label_names)
    task = task_of_videos(videos)
    check_units(data.label_units, label_names, task)
    evaluated = [] if division is None else [division.evaluated]
    if data.eval_data is not None:
        options = {"task": task, "frame_level": frame_level}
        evaluated = [open_videos(data.eval_data, data.data_root, label_names, **options)]
    for source in evaluated:
        check_labels("eval_data", source)
        warn_of_empty_classes("eval_data", source, label_names)
    return videos, evaluated, label_names, division


def check_labels(option: str, videos: TrainingVideos):
    """Check that the videos of `option` have labels.

    Raises:
        ValueError: If they have none.
    """
    columns = videos.features  # None for a stream without this information
    if columns is not None and not any(name in columns for name in LABEL_COLUMNS):
        raise ValueError(
            f"{option} has no labels, but fine-tuning needs them. Write 'path label' in each line, or name the "
            "column of labels 'label'."
        )


def check_units(label_units: list[str] | None, label_names: list[str], task: str):
    """Check that `--label_units` fits the labels.

    Raises:
        ValueError: If the labels are no quantities, or the units are more or fewer.
    """
    if label_units is not None and task != "regression":
        raise ValueError(f"label_units are for --task regression, but the task is {task}.")
    if label_units is not None and len(label_units) != len(label_names):
        raise ValueError(
            f"label_units has the length {len(label_units)}, but the quantities are {', '.join(label_names)}."
        )


def known_facts(
    model_arguments: ModelArguments, data: FinetuningArguments, training: RecipeTrainingArguments, sampling_rate: int
) -> ModelFacts:
    """Collect the facts for the model card that the options determine."""
    hyperparameters = {"sampling_rate": sampling_rate} | {name: getattr(data, name) for name in ON_CARD}
    hyperparameters["label_smoothing_factor"] = training.label_smoothing_factor
    hyperparameters["early_stopping_patience"] = training.early_stopping_patience
    return ModelFacts(
        base_model=model_arguments.model_name_or_path,
        dataset=data.dataset_name,
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
