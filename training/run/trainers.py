"""Trainers of pre-training and fine-tuning, which all commands that train make here."""

import copy
from collections.abc import Sequence

from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainerCallback
from transformers.video_processing_utils import BaseVideoProcessor

from ...hub.model_card import ModelFacts
from ...modeling_lgi_former import RegionTubeMasking
from ..data.clips import ViewDataset
from ..data.collators import FinetuningCollator, PretrainingCollator, ViewCollator
from ..evaluation.metrics import make_compute_metrics
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
    class_weights: Sequence[float] | None = None,
    views: ViewDataset | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> LGIFormerTrainer:
    """Make the trainer of a classifier.

    Args:
        model: The classifier. Without another problem type, it predicts one class a clip.
        training: Options of the run; they are not changed. `label_smoothing_factor` smooths the labels of mixed clips.
        clips: Items as from `ClipDataset`, with labels.
        label_names: The classes in the order of their indices.
        processor: Saved beside the model.
        facts: For the model's card.
        mixup_alpha, cutmix_alpha: As for `FinetuningCollator`.
        class_weights: As for `LGIFormerTrainer`.
        views: Videos to evaluate on during training.
        callbacks: Called during training, after those of the trainer.

    Raises:
        ValueError: If the run should be evaluated, but there are no views.
    """
    if views is None and training.eval_strategy != "no":
        raise ValueError(
            "Evaluation in training needs videos: give --eval_data, or --eval_split 0.2 to hold some out."
        )
    if training.early_stopping_patience is not None:
        callbacks = [*callbacks, ResumableEarlyStopping(training.early_stopping_patience)]
    if model.config.problem_type is None:
        model.config.problem_type = "single_label_classification"
    arguments = copy.copy(training)
    arguments.label_smoothing_factor = 0.0  # the collator smooths labels, not the trainer
    return LGIFormerTrainer(
        model,
        arguments,
        train_dataset=clips,
        eval_dataset=views,
        data_collator=FinetuningCollator(
            len(label_names),
            mixup_alpha=mixup_alpha,
            cutmix_alpha=cutmix_alpha,
            label_smoothing=training.label_smoothing_factor,
        ),
        class_weights=class_weights,
        eval_data_collator=ViewCollator(),
        compute_metrics=make_compute_metrics(list(label_names)),
        processing_class=processor,
        callbacks=list(callbacks),
        model_facts=facts,
    )
