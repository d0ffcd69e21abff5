"""Stops a run when the evaluation no longer improves."""

from transformers import EarlyStoppingCallback


class ResumableEarlyStopping(EarlyStoppingCallback):
    """The `EarlyStoppingCallback` of Transformers that goes on counting in a resumed run.

    Its count is the number of evaluations after the best one. The log has all of them, so it is read from there.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        evaluated = {log["step"] for log in state.log_history if any(name.startswith("eval_") for name in log)}
        best = state.best_global_step
        self.early_stopping_patience_counter = 0 if best is None else sum(step > best for step in evaluated)
        control.should_training_stop |= self.early_stopping_patience_counter >= self.early_stopping_patience
