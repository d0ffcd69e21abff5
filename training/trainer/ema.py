"""Exponential moving average of the weights in training (Polyak averaging, as timm's `ModelEma`)."""

import contextlib
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback


TRAINED_WEIGHTS = "trained_weights.safetensors"
"""File of a checkpoint with the weights as trained, where `model.safetensors` has their average."""


class ExponentialMovingAverage(TrainerCallback):
    """Averages the trained weights over the updates: average = decay x average + (1 - decay) x weights.

    The average starts at the weights that training starts from. It is the average that is evaluated and saved, so
    that a checkpoint loads as what its metrics are of; the weights as trained stand beside it, for resuming. When
    training ends, the model has the average. Buffers are not averaged: the models' are constants.

    Args:
        decay: between 0 and 1; 0.9998 averages over some 5000 updates.
    """

    def __init__(self, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"The decay of the weights' average has to lie between 0 and 1, not be {decay}.")
        self._update = get_ema_multi_avg_fn(decay)
        self._weights = self._averages = None
        self._is_applied = False
        self.resume_from = None

    def on_train_begin(self, args, state, control, model, **kwargs):
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}
        if self.resume_from is not None:
            self._load(self.resume_from)

    def on_step_end(self, args, state, control, **kwargs):
        self._update(list(self._averages.values()), [weight.detach() for weight in self._weights.values()], None)

    def on_train_end(self, args, state, control, **kwargs):
        # The best model that was loaded just before is an average already.
        if not (args.load_best_model_at_end and state.best_model_checkpoint):
            self._exchange()
        self._weights = self._averages = None

    @contextlib.contextmanager
    def applied(self):
        """Within it, the model has the average; before and after training nothing changes, nor where it is nested."""
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

    def save(self, folder: str | os.PathLike):
        """Write the weights as trained into the checkpoint `folder`."""
        weights = {name: weight.detach().contiguous() for name, weight in self._weights.items()}
        save_file(weights, Path(folder) / TRAINED_WEIGHTS)

    @torch.no_grad()
    def _load(self, folder):
        """The checkpoint's weights as trained into the model, which has loaded the average."""
        for name, weight in load_file(Path(folder) / TRAINED_WEIGHTS).items():
            self._weights[name].copy_(weight)

    @torch.no_grad()
    def _exchange(self):
        # Values, not tensors: optimiser, DistributedDataParallel and compiled graphs hold on to the tensors.
        for name, weight in self._weights.items():
            trained = weight.detach().clone()
            weight.copy_(self._averages[name])
            self._averages[name].copy_(trained)
