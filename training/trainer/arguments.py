"""The training options of the published recipes that `TrainingArguments` lacks."""

from dataclasses import dataclass, field

from transformers import TrainingArguments


@dataclass
class LGIFormerTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the options of the published recipes."""

    base_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Learning rate for a total batch of 256, scaled to the run's total batch. It replaces "
            "--learning_rate."
        },
    )
    layer_decay: float = field(
        default=1.0, metadata={"help": "Factor of the learning rate from each layer to the layer below it."}
    )
    ema_decay: float | None = field(
        default=None,
        metadata={"help": "Decay of a moving average of the weights. The average is evaluated and saved."},
    )
    regression_loss: str = field(
        default="mse",
        metadata={
            "help": "Loss of a model that predicts numbers: mean squared error, mean absolute error, or 1 - CCC over "
            "the clips of a batch, which needs large batches.",
            "choices": ["mse", "mae", "ccc"],
        },
    )


def recipe_option(args: TrainingArguments, name: str, override: float | None = None) -> float | str | None:
    """Return the value of a field of `LGIFormerTrainingArguments`.

    Args:
        args: The run's arguments. A plain `TrainingArguments` gives the default of the field.
        name: Name of the field.
        override: Replaces the value in `args`, unless it is None.
    """
    if override is not None:
        return override
    return getattr(args, name, getattr(LGIFormerTrainingArguments, name))
