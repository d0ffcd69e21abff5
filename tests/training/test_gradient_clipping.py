"""The recipes set `max_grad_norm: 0`, because the published code does not clip gradients."""

import pytest
import torch


@pytest.fixture
def step_length(tiny_run, tmp_path):
    """`step_length(max_grad_norm)`: norm of the change of all weights in one step of SGD at a learning rate of 1."""

    def measure(max_grad_norm):
        torch.manual_seed(0)
        trainer = tiny_run.finetuning(
            tmp_path,
            optim="sgd",
            learning_rate=1.0,
            lr_scheduler_type="constant",
            max_steps=1,
            max_grad_norm=max_grad_norm,
        )
        before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
        trainer.train()
        moves = [(weight - before[name]).flatten() for name, weight in trainer.model.named_parameters()]
        return torch.cat(moves).norm().item()

    return measure


def test_a_maximum_of_0_does_not_clip(step_length):
    unclipped = step_length(1e9)
    assert unclipped > 0.01
    assert step_length(0) == pytest.approx(unclipped, rel=1e-5)
    assert step_length(0.001) == pytest.approx(0.001, rel=0.01)
