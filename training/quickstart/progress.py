"""The progress of a training stage on the terminal."""

from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback

from ..trainer import LGIFormerTrainer


LINE_EVERY = 25  # steps


class StageProgress(TrainerCallback):
    """A progress bar with the latest loss and accuracy, or a line for every 25 steps if stderr is not a terminal."""

    def __init__(self):
        self.numbers = {}

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", disable=None)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.numbers["loss"] = f"{float(logs['loss']):.3f}"
        if "eval_uar" in logs:
            self.numbers["recognised"] = f"{float(logs['eval_uar']):.0%}"
        self.bar.set_postfix(self.numbers)
        if self.bar.disable and state.global_step % LINE_EVERY == 0 and self.numbers:
            numbers = ", ".join(f"{name} {number}" for name, number in sorted(self.numbers.items()))
            print(f"step {state.global_step} of {state.max_steps}: {numbers}", flush=True)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def show_progress(trainer: LGIFormerTrainer):
    """Show a `StageProgress` instead of the logs of the trainer, whose arguments have `disable_tqdm`."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StageProgress())
