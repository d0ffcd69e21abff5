"""The progress of a training stage on the terminal."""

from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback

from ...messages import print_step, shows_progress
from ..trainer import LGIFormerTrainer


LINE_EVERY = 25  # steps


class StageProgress(TrainerCallback):
    """A progress bar with the latest loss and accuracy, or a line for every 25 steps if stderr is not a terminal."""

    def __init__(self):
        self.numbers = {}
        self.last_log = None  # the step that logged last

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", disable=not shows_progress())

    def on_step_begin(self, args, state, control, **kwargs):
        self._print_line(state)  # now, because a step logs its loss first and its accuracy later

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.numbers["loss"] = f"{float(logs['loss']):.3f}"
        if "eval_uar" in logs:
            self.numbers["recognised"] = f"{float(logs['eval_uar']):.0%}"
        self.bar.set_postfix(self.numbers)
        self.last_log = state.global_step

    def on_train_end(self, args, state, control, **kwargs):
        self._print_line(state)
        self.bar.close()

    def _print_line(self, state):
        has_news = state.global_step % LINE_EVERY == 0 and state.global_step == self.last_log
        if self.bar.disable and has_news and self.numbers:
            numbers = ", ".join(f"{name} {number}" for name, number in sorted(self.numbers.items()))
            print_step(f"step {state.global_step} of {state.max_steps}: {numbers}")


def show_progress(trainer: LGIFormerTrainer):
    """Show a `StageProgress` instead of the logs of the trainer, whose arguments have `disable_tqdm`."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StageProgress())
