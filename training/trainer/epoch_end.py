"""Resuming at the end of an epoch and between two logs.

`Trainer` saves the checkpoint of an epoch's last step before the epoch ends. The log, the evaluation and the callbacks
at the epoch's end would then be missing in a resumed run. `Trainer` also restarts the mean of the next logged loss.
"""

import json
from pathlib import Path

from transformers import Trainer, TrainerCallback


PROGRESS_FILE = "progress.json"


class SaveAfterEpochEnd(TrainerCallback):
    """Saves the checkpoint of an epoch's last step after the epoch's end. It must be the last callback."""

    def __init__(self):
        self._is_last_step = self._is_due = False

    def on_step_end(self, args, state, control, **kwargs):
        epoch_ends = float(state.epoch).is_integer() or control.should_epoch_stop or control.should_training_stop
        self._is_last_step = epoch_ends
        self._is_due = control.should_save and epoch_ends
        control.should_save &= not self._is_due

    def on_epoch_end(self, args, state, control, **kwargs):
        control.should_save |= self._is_due
        self._is_last_step = self._is_due = False

    def postpone(self) -> bool:
        """Postpone a save after the evaluation of a step. Return False if the epoch does not end with this step."""
        self._is_due = self._is_last_step
        return self._is_due


class RestoreRunningLoss(TrainerCallback):
    """Restores the sum of the losses that a resumed run had not logged.

    Attributes:
        checkpoint (`str`, *optional*): The checkpoint that the run resumes from.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.checkpoint = None

    def on_train_begin(self, args, state, control, **kwargs):
        file = Path(self.checkpoint or "", PROGRESS_FILE)
        if self.checkpoint is None or not file.is_file():
            return
        progress, trainer = json.loads(file.read_text(encoding="utf-8")), self.trainer
        trainer._tr_loss += progress["loss_since_then"]
        trainer._total_loss_scalar -= progress["loss_since_then"]  # the mean is over the steps of this call
        trainer._globalstep_last_logged = progress["last_logged_step"]


def save_running_loss(trainer: Trainer, checkpoint: Path):
    """Write `PROGRESS_FILE` into a checkpoint. All processes must call this."""
    loss = trainer.accelerator.reduce(trainer._tr_loss.detach(), "mean").item()
    if trainer.args.should_save:
        progress = {"last_logged_step": trainer._globalstep_last_logged, "loss_since_then": loss}
        (checkpoint / PROGRESS_FILE).write_text(json.dumps(progress, indent=2), encoding="utf-8")
