"""Stops a run whose loss is not finite. The error names the step and the videos."""

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import TrainerCallback


class NonFiniteLossError(RuntimeError):
    """The loss of a step was NaN or infinite."""


class StopAtNonFiniteLoss(TrainerCallback):
    """Checks the losses of a step when the next step begins, and before the step is logged, saved or evaluated.

    By then the device has computed the losses, so nothing waits for it. All processes stop with the same message.
    Otherwise some would wait for the gradients of the others.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self._losses = []
        self._found = None

    def record(self, loss: torch.Tensor, videos: list[str]):
        """Record the loss of a batch and its videos, before the backward pass."""
        self._losses.append((loss.detach(), videos))
        if self.accelerator.sync_gradients:  # the last batch of this step
            self._found = self._count()

    def on_step_begin(self, args, state, control, **kwargs):
        self._stop_if_found(state.global_step)
        self._losses = []

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_log or control.should_evaluate or control.should_save:
            self._stop_if_found(state.global_step)

    def on_epoch_end(self, args, state, control, **kwargs):
        self._stop_if_found(state.global_step)

    def _count(self):
        """Start to copy the number of processes with a loss that is not finite to the host.

        Returns:
            The number, and an event of its arrival, which is None on the CPU.
        """
        finite = torch.stack([loss.isfinite().all() for loss, _ in self._losses]).all()
        number = self.accelerator.reduce((~finite).float(), "sum").to("cpu", non_blocking=True)
        on_host = finite.device.type == "cpu"
        return number, None if on_host else torch.accelerator.current_stream(finite.device).record_event()

    def _stop_if_found(self, step):
        if self._found is None:
            return
        number, arrival = self._found
        self._found = None
        if arrival is not None:
            arrival.synchronize()
        if not number.item():
            return
        here = [(loss.tolist(), videos) for loss, videos in self._losses if not loss.isfinite().all()]
        found = gather_object(here)
        raise NonFiniteLossError(
            f"The loss of step {step} is not finite: "
            + "; ".join(f"{loss} for {', '.join(videos) or 'unnamed videos'}" for loss, videos in found)
            + ". Training stops before this reaches a checkpoint. Look at these videos; if they are sound, lower the "
            "learning rate, or clip gradients (max_grad_norm), and resume from the last checkpoint."
        )
