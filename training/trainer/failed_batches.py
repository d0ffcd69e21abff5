"""Errors of data loader workers, which reach the main process as exceptions.

PyTorch would raise a new exception, whose message contains the worker's traceback. Here a worker returns its exception
instead of the batch, and the trainer raises it.
"""

import pickle
import traceback


_ERROR = "error_of_a_failed_batch"
_TRACEBACK = "traceback_of_a_failed_batch"


class WorkerTraceback(Exception):
    """Cause of an error that was raised in a worker. The message is the worker's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def failed_batch(error: Exception) -> dict:
    """Return what replaces a batch that could not be made. Call it inside `except`."""
    return {_ERROR: _picklable(error), _TRACEBACK: traceback.format_exc()}


def is_failed(batch) -> bool:
    """Return whether `failed_batch` made the batch or item."""
    return isinstance(batch, dict) and _ERROR in batch


def raise_if_failed(batch: dict):
    """Raise the error of a failed batch. Other batches pass.

    Raises:
        Exception: The error of the data set or collator.
    """
    if is_failed(batch):
        error = batch[_ERROR]
        if error.__traceback__ is None:  # it comes from another process
            error.__cause__ = WorkerTraceback(batch[_TRACEBACK])
        raise error


def _picklable(error: Exception) -> Exception:
    """Return the error, or a RuntimeError with its message if it cannot travel between processes."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - these bytes are our own
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
