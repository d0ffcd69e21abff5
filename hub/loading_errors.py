"""Errors of loading that name the model and its revision."""

import contextlib
import os
from collections.abc import Iterator

from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from .model_names import split_revision


@contextlib.contextmanager
def loading_errors(model_name_or_path: str | os.PathLike) -> Iterator[None]:
    """Adds the model's name and revision to loading errors. If it is not a local folder, the error says so."""
    try:
        yield
    except OSError as error:
        message = str(error)
        if type(error.__cause__) is RevisionNotFoundError:
            name, revision = split_revision(model_name_or_path)
            raise OSError(
                f"The model '{name}' has no revision '{revision}' on the Hub. Give a branch, a tag or a whole commit "
                "of its page there, or leave the revision out."
            ) from error
        if type(error.__cause__) is RepositoryNotFoundError:
            raise OSError(
                f"There is no folder '{model_name_or_path}' here, and no model of that name on the Hub. Check the "
                "spelling. If the model is private, run `hf auth login`, or set HF_TOKEN."
            ) from error
        if str(model_name_or_path) in message:
            raise
        model = model_name_or_path
        if not os.path.isdir(model):
            model = f"There is no folder '{model}' here, and the model of that name on the Hub"
        raise OSError(f"{model} cannot be loaded: {message}") from error
