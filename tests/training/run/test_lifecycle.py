"""The end of a training run."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch

from lgi_former.training.run.lifecycle import train_and_save


def test_a_model_that_diverges_in_the_last_step_is_not_saved():
    """The loss of a step is checked before its update."""
    trainer = MagicMock(model=torch.nn.Linear(2, 2), is_fsdp_enabled=False)
    trainer.args = SimpleNamespace(resume_from_checkpoint=None)
    trainer.is_world_process_zero.return_value = False
    trainer.accelerator.unwrap_model = lambda model: model
    trainer.train.side_effect = lambda checkpoint: trainer.model.bias.data.fill_(torch.inf)
    with pytest.raises(ValueError, match="The trained model has NaN or infinite values in bias"):
        train_and_save(trainer)
    trainer.save_model.assert_not_called()
