"""Counts the peak memory of a model's steps on fake tensors. The count is the same on each machine.

It does not contain memory that libraries allocate inside operations, or that an allocator caches or wastes.
"""

from collections.abc import Callable

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from transformers.initialization import no_init_weights


def training_memory(
    make_model: Callable, clips: tuple[int, ...], checkpointing: dict | None = None
) -> dict[str, float]:
    """MiB at the peak of a classifier's step (forward, backward, AdamW), by kind and in total.

    Args:
        make_model: Function that makes the model.
        clips: Shape of the clips.
        checkpointing: Arguments of `activation_checkpointing_enable`; `None` for no activation checkpointing.
    """
    with FakeTensorMode(), no_init_weights():
        model = make_model().train()
        if checkpointing is not None:
            model.activation_checkpointing_enable(**checkpointing)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        pixel_values, labels = torch.empty(clips), torch.zeros(clips[0], dtype=torch.long)

        def step():
            model(pixel_values, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        step()  # creates the optimizer's moments
        return _peak(step, model, optimizer, pixel_values, labels)


def inference_memory(make_model: Callable, clips: tuple[int, ...]) -> dict[str, float]:
    """MiB at the peak of a call without gradients, by kind and in total."""
    with FakeTensorMode(), no_init_weights(), torch.no_grad():
        model, pixel_values = make_model().eval(), torch.empty(clips)
        return _peak(lambda: model(pixel_values), model, pixel_values)


def _peak(call: Callable, *known) -> dict[str, float]:
    tracker = MemTracker()
    tracker.track_external(*known)
    with tracker:
        call()
    (kinds,) = tracker.get_tracker_snapshot("peak").values()
    return {getattr(kind, "value", kind): count / 2**20 for kind, count in kinds.items()}
