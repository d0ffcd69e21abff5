"""Exponential moving average of the weights in training (Polyak averaging, as timm's `ModelEma`)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback

from ...files import follow_umask


TRAINED_WEIGHTS = "trained_weights.safetensors"
"""File of a checkpoint with the trained weights. `model.safetensors` has their average."""


class ExponentialMovingAverage(TrainerCallback):
    """Averages the trained weights over the updates: average = decay x average + (1 - decay) x weights.

    The average begins with the weights at the start of training. It is evaluated and saved, so the metrics of a
    checkpoint are those of its model. The checkpoint also holds the trained weights, to resume from. At the end of
    training, the model has the average. Buffers are not averaged, because those of the models are constant.

    Args:
        decay: Between 0 and 1. 0.9998 averages over about 5000 updates.

    Attributes:
        checkpoint (`str`, *optional*): The checkpoint that the run resumes from.
    """

    def __init__(self, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"The decay of the average, {decay}, has to lie between 0 and 1.")
        self._update = get_ema_multi_avg_fn(decay)
        self._weights = self._averages = None
        self._is_applied = False
        self.checkpoint = None

    def on_train_begin(self, args, state, control, model, **kwargs):
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}
        if self.checkpoint is not None:
            self._load(self.checkpoint)

    def on_step_end(self, args, state, control, **kwargs):
        self._update(list(self._averages.values()), [weight.detach() for weight in self._weights.values()], None)

    def on_train_end(self, args, state, control, **kwargs):
        # `Trainer` has just loaded the best model, which is an average already.
        if not (args.load_best_model_at_end and state.best_model_checkpoint):
            self._exchange()
        self._weights = self._averages = None

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average within a `with` block. Outside of training, and if nested, it has no effect."""
        if self._averages is None or self._is_applied:
            yield
            return
        self._exchange()
        self._is_applied = True
        try:
            yield
        finally:
            self._exchange()
            self._is_applied = False

    def save(self, checkpoint: str | os.PathLike):
        """Write the trained weights into a checkpoint."""
        weights = {name: weight.detach().contiguous() for name, weight in self._weights.items()}
        save_file(weights, Path(checkpoint) / TRAINED_WEIGHTS)
        follow_umask(Path(checkpoint), TRAINED_WEIGHTS)

    @torch.no_grad()
    def _load(self, checkpoint):
        """Give the model the trained weights. It has loaded the average."""
        for name, weight in load_file(Path(checkpoint) / TRAINED_WEIGHTS).items():
            self._weights[name].copy_(weight)

    @torch.no_grad()
    def _exchange(self):
        # Copy values: optimiser, DistributedDataParallel and compiled graphs hold references to the tensors.
        for name, weight in self._weights.items():
            trained = weight.detach().clone()
            weight.copy_(self._averages[name])
            self._averages[name].copy_(trained)


def average_of(average: ExponentialMovingAverage | None) -> contextlib.AbstractContextManager:
    """Return `average.applied()`, or a context without effect if there is no average."""
    return contextlib.nullcontext() if average is None else average.applied()


def check_average(average: ExponentialMovingAverage | None, checkpoint: str):
    """Check that the checkpoint and this run both have an average, or neither has.

    Raises:
        ValueError: If only one of them has.
    """
    is_stored = Path(checkpoint, TRAINED_WEIGHTS).is_file()
    if is_stored != (average is not None):
        raise ValueError(
            f"{checkpoint} was saved {'with' if is_stored else 'without'} a moving average of the weights, but "
            f"ema_decay is {'not ' if is_stored else ''}set now. Resume with the options of that run."
        )
