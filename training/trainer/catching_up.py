"""What a resumed run makes up for: what followed in its last step after the checkpoint was saved.

`Trainer` saves a checkpoint of an epoch's last step before the epoch ends. What the epoch's end brings (the callbacks'
`on_epoch_end`, the log and the evaluation of `logging_strategy` and `eval_strategy` "epoch") comes after that.
`Trainer` resumes with the next epoch, and starts the mean of the next logged loss anew.
"""

import json
import time
from pathlib import Path

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import DefaultFlowCallback, TrainerControl, TrainerState
from transformers.trainer_utils import IntervalStrategy


PROGRESS_FILE = "progress.json"


class CatchesUp:
    """Mixin for a `Trainer`. `CatchUpCallback` has to be the last of its callbacks.

    It also ends a run that is resumed from a checkpoint of its last step, where `Trainer` would train one step more.
    """

    _resumed_from = None
    _epoch_has_ended = False
    _ignored_keys = None
    _of_last_step = (None, None, None)
    """Step, norm of its gradients and learning rate, as they are logged."""

    def _run_epoch(self, **kwargs):
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(**kwargs)

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, *args, learning_rate=None, **kwargs):
        self._of_last_step = (self.state.global_step, grad_norm, learning_rate)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, learning_rate=learning_rate, **kwargs)

    def _save_progress(self, checkpoint: Path):
        """Write `PROGRESS_FILE` into a checkpoint. All processes have to call this."""
        loss = self.accelerator.reduce(self._tr_loss.detach(), "mean").item()
        step, grad_norm, learning_rate = self._of_last_step
        if step != self.state.global_step:  # a callback saves before the step's end
            grad_norm = learning_rate = None
        progress = {
            "epoch_has_ended": self._epoch_has_ended,
            "last_logged_step": self._globalstep_last_logged,
            "loss_since_then": loss,
            "grad_norm": grad_norm.item() if isinstance(grad_norm, torch.Tensor) else grad_norm,
            "learning_rate": learning_rate,
        }
        if self.args.should_save:
            (checkpoint / PROGRESS_FILE).write_text(json.dumps(progress, indent=2))

    def _catch_up(self, checkpoint: Path):
        """Restore the loss that was not yet logged, and do what was left to do in the checkpoint's step."""
        file = checkpoint / PROGRESS_FILE
        progress = json.loads(file.read_text()) if file.is_file() else {}
        if progress:
            self._tr_loss += progress["loss_since_then"]
            self._total_loss_scalar -= progress["loss_since_then"]  # the mean loss is that of this call's steps
            self._globalstep_last_logged = progress["last_logged_step"]
        evaluates_epochs = self.args.eval_strategy == IntervalStrategy.EPOCH
        # Without the file, the log of the run has to tell.
        has_ended = progress.get("epoch_has_ended", not evaluates_epochs or _is_evaluated(self.state))
        if not has_ended and _is_at_epoch_end(self.state):
            self.control = self.callback_handler.on_epoch_end(self.args, self.state, self.control)
        due = DefaultFlowCallback().on_step_end(self.args, self.state, TrainerControl())
        self.control.should_evaluate |= due.should_evaluate
        self.control.should_evaluate &= not _is_evaluated(self.state)
        self.control.should_log |= due.should_log
        self.control.should_save = False  # it is saved
        if not (self.control.should_evaluate or self.control.should_log):
            return
        self._load_rng_state(str(checkpoint))  # the state in which the uninterrupted run went on
        self._maybe_log_save_evaluate(
            self._tr_loss,
            progress.get("grad_norm"),
            self.model,
            None,
            self.state.epoch,
            self._ignored_keys,
            time.time(),
            learning_rate=progress.get("learning_rate"),
        )


class CatchUpCallback(TrainerCallback):
    """Has a trainer catch up as soon as it has resumed."""

    def __init__(self, trainer: CatchesUp):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        self.trainer._epoch_has_ended = False
        if self.trainer._resumed_from is not None:
            self.trainer._catch_up(Path(self.trainer._resumed_from))

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.trainer._epoch_has_ended = False

    def on_epoch_end(self, args, state, control, **kwargs):
        self.trainer._epoch_has_ended = True


def _is_at_epoch_end(state: TrainerState) -> bool:
    return float(state.epoch).is_integer() or state.global_step >= state.max_steps


def _is_evaluated(state: TrainerState) -> bool:
    """Whether the log has an evaluation of the state's step."""
    logs = [log for log in state.log_history if log["step"] == state.global_step]
    return any(name.startswith("eval_") for log in logs for name in log)
