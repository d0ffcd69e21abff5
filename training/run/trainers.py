"""Trainers of pre-training and fine-tuning, which all commands that train make here."""

import copy
from collections.abc import Sequence

from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainerCallback
from transformers.video_processing_utils import BaseVideoProcessor

from ...hub.model_card import ModelFacts
from ...messages import note
from ...modeling_lgi_former import RegionTubeMasking
from ..data.clips import ViewDataset
from ..data.collators import FinetuningCollator, PretrainingCollator, ViewCollator
from ..data.tasks import PROBLEM_TYPES
from ..evaluation.metrics import best_metric, is_error, make_compute_metrics
from ..trainer import LGIFormerTrainer
from ..trainer.early_stopping import ResumableEarlyStopping
from .arguments import RecipeTrainingArguments


def pretraining_trainer(
    model: PreTrainedModel,
    training: RecipeTrainingArguments,
    clips: Dataset,
    masking: RegionTubeMasking,
    processor: BaseVideoProcessor,
    facts: ModelFacts,
    callbacks: Sequence[TrainerCallback] = (),
) -> LGIFormerTrainer:
    """Make the trainer of a masked autoencoder.

    Args:
        model: The masked autoencoder.
        training: Options of the run.
        clips: Items as from `ClipDataset`.
        masking: Draws the masks of a batch.
        processor: Saved beside the model.
        facts: For the model's card.
        callbacks: Called during training, after those of the trainer.

    Raises:
        ValueError: If the run should stop early.
    """
    if training.early_stopping_patience is not None:
        raise ValueError("Pre-training has no evaluation, so early_stopping_patience has no effect. Leave it out.")
    return LGIFormerTrainer(
        model,
        training,
        train_dataset=clips,
        data_collator=PretrainingCollator(masking),
        processing_class=processor,
        callbacks=list(callbacks),
        model_facts=facts,
    )


def finetuning_trainer(
    model: PreTrainedModel,
    training: RecipeTrainingArguments,
    clips: Dataset,
    label_names: Sequence[str],
    processor: BaseVideoProcessor,
    facts: ModelFacts,
    *,
    mixup_alpha: float,
    cutmix_alpha: float,
    task: str = "single_label",
    class_weights: Sequence[float] | None = None,
    views: ViewDataset | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> LGIFormerTrainer:
    """Make the trainer of a classifier.

    Args:
        model: The classifier. Without a problem type, it gets that of the task.
        training: Options of the run; they are not changed. `label_smoothing_factor` smooths the labels of mixed clips.
            It is not used for numbers. `metric_for_best_model` is replaced where the task does not have it.
        clips: Items as from `ClipDataset`, with labels.
        label_names: The classes or quantities in their order.
        processor: Saved beside the model.
        facts: For the model's card.
        mixup_alpha, cutmix_alpha, task: As for `FinetuningCollator`.
        class_weights: As for `LGIFormerTrainer`.
        views: Videos to evaluate on during training.
        callbacks: Called during training, after those of the trainer.

    Raises:
        ValueError: If the model has the problem type of another task, or the run should be evaluated, but there are no
            views.
    """
    if views is None and training.eval_strategy != "no":
        raise ValueError(
            "Evaluation in training needs videos: give --eval_data, or --eval_split 0.2 to hold some out."
        )
    if training.early_stopping_patience is not None:
        callbacks = [*callbacks, ResumableEarlyStopping(training.early_stopping_patience)]
    if model.config.problem_type is None:
        model.config.problem_type = PROBLEM_TYPES[task]
    if model.config.problem_type != PROBLEM_TYPES[task]:
        raise ValueError(
            f"The task {task} does not fit the model, whose problem_type is {model.config.problem_type!r}."
        )
    arguments, smoothing = _arguments_for(task, training, facts)
    return LGIFormerTrainer(
        model,
        arguments,
        train_dataset=clips,
        eval_dataset=views,
        data_collator=FinetuningCollator(
            len(label_names),
            task=task,
            mixup_alpha=mixup_alpha,
            cutmix_alpha=cutmix_alpha,
            label_smoothing=smoothing,
        ),
        class_weights=class_weights,
        eval_data_collator=ViewCollator(),
        compute_metrics=make_compute_metrics(list(label_names), task),
        processing_class=processor,
        callbacks=list(callbacks),
        model_facts=facts,
    )


def _arguments_for(
    task: str, training: RecipeTrainingArguments, facts: ModelFacts
) -> tuple[RecipeTrainingArguments, float]:
    """Options that fit the task, and the label smoothing. Changes are said in one line each and put into `facts`."""
    arguments, smoothing = copy.copy(training), training.label_smoothing_factor
    arguments.label_smoothing_factor = 0.0  # the collator smooths labels, not the trainer
    changes = []
    if task == "regression" and smoothing:
        changes.append(f"Numbers are not smoothed, so label_smoothing_factor={smoothing:g} is set to 0.")
        facts.hyperparameters["label_smoothing_factor"] = smoothing = 0.0
    if (wanted := training.metric_for_best_model) is not None:
        metric = arguments.metric_for_best_model = best_metric(task, wanted)
        if metric != wanted:
            changes.append(f"The task {task} has no {wanted}, so {metric} selects the best model.")
        if metric != wanted or is_error(metric):
            arguments.greater_is_better = not is_error(metric)
        if facts.selected_by is not None:
            facts.selected_by = metric
    if training.process_index == 0:
        for change in changes:
            note(change)
    return arguments, smoothing
