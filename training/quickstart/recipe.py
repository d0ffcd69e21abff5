"""The model and the training recipe of the quickstart.

The number of steps is fixed, and products are computed in float32. So the result depends on the seed, not on the speed
of the machine.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainerCallback, set_seed

from ...configuration import LGIFormerConfig
from ...hub.load_report import without_load_report
from ...hub.model_card import ModelFacts
from ...image_processing import processor_for
from ...modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from ..data.clips import ViewDataset
from ..run.arguments import RecipeTrainingArguments
from ..run.starting_model import make_masking
from ..run.trainers import finetuning_trainer, pretraining_trainer
from ..trainer import LGIFormerTrainer
from ..trainer.whole_checkpoints import newest_whole_checkpoint
from .drawn_faces import LABELS, NUM_FRAMES
from .random_crops import RandomCrops


LABEL_NAMES = list(LABELS)
DATASET = "drawn-faces"
BATCH_SIZE = 64
STEPS_BETWEEN_CHECKPOINTS = 25

IMAGE_SIZE = 32  # expressions are still clear, and a clip needs a quarter of the work of 64 x 64 pixels
MASK_RATIO = 0.75
CONFIG = {
    "image_size": IMAGE_SIZE,
    "patch_size": 8,
    "num_frames": NUM_FRAMES,
    "region_size": (2, 2, 4),  # the upper and the lower half of the face
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "decoder_hidden_size": 96,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 4,
    "decoder_intermediate_size": 384,
    "mask_ratio": MASK_RATIO,
}
ATTENTION = "eager"  # 1.3 to 1.8 times as fast as PyTorch's fused attention on short sequences on a CPU

PRETRAINING_RATE, FINETUNING_RATE, LAYER_DECAY = 2e-3, 2e-3, 0.8
LABEL_FIELDS = {
    "id2label": dict(enumerate(LABEL_NAMES)),
    "label2id": {name: index for index, name in enumerate(LABEL_NAMES)},
}
CLASSIFIER = LABEL_FIELDS | {"drop_path_rate": 0.1}

# The faces are small and cropped already, so crops must not cut much off. With the augmentation of the recipes, a
# model would learn too little in so few steps.
CROPS = RandomCrops(smallest_area=0.75)


def pretraining_run(
    model: PreTrainedModel,
    clips: Dataset,
    steps: int,
    seed: int,
    output_dir: str | Path,
    callbacks: Sequence[TrainerCallback] = (),
    **fields,
) -> LGIFormerTrainer:
    """Make the trainer of a masked autoencoder. `fields` are further training arguments."""
    return pretraining_trainer(
        model,
        training_arguments(output_dir, steps, seed, learning_rate=PRETRAINING_RATE, adam_beta2=0.95, **fields),
        clips,
        make_masking(model.config, MASK_RATIO),
        processor_for(model.config, sampling_rate=1),
        ModelFacts(dataset=DATASET),
        callbacks,
    )


def finetuning_run(
    model: PreTrainedModel,
    clips: Dataset,
    steps: int,
    seed: int,
    output_dir: str | Path,
    layer_decay: float = LAYER_DECAY,
    views: ViewDataset | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    **fields,
) -> LGIFormerTrainer:
    """Make the trainer of a classifier. All classifiers have the same recipe except for `layer_decay`.

    Args:
        views: Videos on which the learning curve is measured.
        fields: Further training arguments.
    """
    if views is not None:
        fields |= {"eval_strategy": "steps", "eval_steps": STEPS_BETWEEN_CHECKPOINTS, "eval_on_start": True}
    return finetuning_trainer(
        model,
        training_arguments(
            *(output_dir, steps, seed),
            learning_rate=FINETUNING_RATE,
            layer_decay=layer_decay,
            label_smoothing_factor=0.1,
            **fields,
        ),
        clips,
        LABEL_NAMES,
        processor_for(model.config, sampling_rate=1),
        ModelFacts(dataset=DATASET),
        mixup_alpha=0,
        cutmix_alpha=0,
        views=views,
        callbacks=callbacks,
    )


def new_autoencoder(seed: int) -> LGIFormerForPreTraining:
    """Make a masked autoencoder from scratch."""
    set_seed(seed)
    return LGIFormerForPreTraining(LGIFormerConfig(**CONFIG, attn_implementation=ATTENTION))


def new_classifier(seed: int) -> LGIFormerForVideoClassification:
    """Make a classifier from scratch.

    Its encoder starts from the same weights as pre-training. With these, so narrow a model learns more in few steps
    than with the initial weights of the published classifier.
    """
    with tempfile.TemporaryDirectory() as folder:
        new_autoencoder(seed).save_pretrained(folder)
        return pretrained_classifier(folder, seed)


def pretrained_classifier(pretrained_dir: str | Path, seed: int) -> LGIFormerForVideoClassification:
    """Make a classifier with a pre-trained encoder."""
    set_seed(seed)
    with without_load_report():  # the decoder is not used, and the head is new
        return LGIFormerForVideoClassification.from_pretrained(
            pretrained_dir, **CLASSIFIER, attn_implementation=ATTENTION
        )


def training_arguments(output_dir: str | Path, steps: int, seed: int, **fields) -> RecipeTrainingArguments:
    """Options that all training stages share. A run goes on from the newest checkpoint in `output_dir`, if any."""
    checkpoint = newest_whole_checkpoint(output_dir)
    options = {
        "max_steps": steps,
        "seed": seed,
        "per_device_train_batch_size": BATCH_SIZE,
        "per_device_eval_batch_size": BATCH_SIZE,
        "weight_decay": 0.05,
        # The recipes do not clip gradients. At the high learning rate of these few steps clipping is safer: gradients
        # of fine-tuning have norms of 2 to 6.
        "max_grad_norm": 1.0,
        "warmup_steps": max(steps // 10, 1),
        "logging_steps": max(steps // 40, 1),
        "bf16": False,
        "save_strategy": "steps",
        "save_steps": STEPS_BETWEEN_CHECKPOINTS,
        "save_total_limit": 1,
        "resume_from_checkpoint": checkpoint and str(checkpoint),
        "disable_tqdm": True,
        "report_to": "none",
    }
    return RecipeTrainingArguments(output_dir=str(output_dir), **options | fields)
