"""Errors of data sets and collators reach the main process as they are, also from workers."""

import pytest
import torch
from torch.utils.data import IterableDataset

from lgi_former.training.trainer.failed_batches import WorkerTraceback, failed_batch, is_failed, raise_if_failed


class TwoPartError(Exception):
    """It cannot be rebuilt from its message, so it cannot be pickled."""

    def __init__(self, video, reason):
        super().__init__(f"{video}: {reason}")


ERRORS = {
    "value": ValueError("line 1\nOriginal Traceback (most recent call last):\nValueError: line 3"),
    "file": FileNotFoundError(2, "No such file or directory", "a.mp4"),
    "memory": MemoryError(),
}


@pytest.fixture
def failing(tiny_run, tmp_path):
    """`failing(error, **fields)`: a trainer whose training and evaluation data raise the error."""

    def make(error, kind="list", **fields):
        class Failing(tiny_run.Views):
            def __getitem__(self, index):
                raise error

        class FailingStream(IterableDataset):
            def __iter__(self):
                yield from map(tiny_run.Clips().__getitem__, range(5))
                raise error

        clips = FailingStream() if kind == "stream" else tiny_run.Clips() if kind == "collator" else Failing()
        trainer = tiny_run.finetuning(tmp_path, clips=clips, max_steps=2, **fields)
        trainer.eval_dataset = Failing(3)
        if kind == "collator":
            trainer.data_collator = trainer.eval_data_collator = lambda items: raise_error(error)
            trainer.eval_dataset = tiny_run.Views(3)
        return trainer

    return make


def raise_error(error):
    raise error


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("kind", ["list", "collator", "stream"])
def test_training_raises_the_error_itself(failing, kind, num_workers):
    trainer = failing(ERRORS["value"], kind, dataloader_num_workers=num_workers, dataloader_drop_last=True)
    with pytest.raises(ValueError) as caught:
        trainer.train()
    assert caught.value.args == ERRORS["value"].args
    if num_workers:
        assert isinstance(caught.value.__cause__, WorkerTraceback)
        assert "in __getitems__" in str(caught.value.__cause__) or kind == "stream"


@pytest.mark.parametrize(("kind", "error"), [("list", "file"), ("list", "memory"), ("collator", "value")])
def test_evaluation_raises_the_error_itself(failing, kind, error):
    trainer = failing(ERRORS[error], kind, dataloader_num_workers=1)
    with pytest.raises(type(ERRORS[error])) as caught:
        trainer.evaluate()
    assert caught.value.args == ERRORS[error].args
    assert getattr(caught.value, "filename", None) == getattr(ERRORS[error], "filename", None)


def test_an_error_that_cannot_be_pickled_becomes_a_runtime_error():
    try:
        raise TwoPartError("a.mp4", "broken")
    except TwoPartError as error:
        batch = failed_batch(error)
    with pytest.raises(RuntimeError, match=r"^TwoPartError: a\.mp4: broken$"):
        raise_if_failed(batch)


def test_other_batches_pass():
    for batch in ({}, {"pixel_values": torch.zeros(1)}):
        assert not is_failed(batch)
        raise_if_failed(batch)
