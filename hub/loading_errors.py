"""Errors of loading that name the model and its revision."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from .json_objects import read_object
from .model_names import split_revision


@contextlib.contextmanager
def loading_errors(model_name_or_path: str | os.PathLike) -> Iterator[None]:
    """Adds the model's name and revision to loading errors. If it is not a local folder, the error says so.

    For damaged JSON files and values of a wrong type, there is a `ValueError` in place of an error of Python.
    """
    try:
        yield
    except (TypeError, AttributeError, KeyError, json.JSONDecodeError) as error:
        for path in sorted(Path(model_name_or_path).glob("*.json")) if os.path.isdir(model_name_or_path) else ():
            read_object(path)
        raise ValueError(
            f"{model_name_or_path} cannot be loaded, because one of its JSON files has a wrong value "
            f"({type(error).__name__}: {error}). Save or copy the model again."
        ) from error
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
