"""Decides whether the name of a model may be looked up on the Hub.

A misspelt folder must not become the repository of a stranger.
"""

import difflib
import os
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url, is_offline_mode, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id
from transformers.utils import CONFIG_NAME


SECONDS_TO_ANSWER = 5


def check_model_name(name: str | os.PathLike):
    """Check that a name is a local folder or file, or looks like a Hub repository `owner/name` and not like a path.

    A name looks like a path if a folder here has the name of its owner, or nearly that name.

    Raises:
        FileNotFoundError: If there is nothing at a local path, or the name cannot be a repository.
    """
    if os.path.exists(name):
        return
    text = os.fspath(name)
    owner, _, rest = text.partition("/")
    if not rest or not _is_repository(text):
        raise FileNotFoundError(
            f"There is no folder '{text}'{_nearest(Path(text))} Give the folder of a model, a Hub repository "
            "'owner/name', or a name that `lgi-former download` lists."
        )
    if Path(owner).is_dir():
        raise FileNotFoundError(
            f"There is no folder '{text}'{_nearest(Path(text))} '{owner}' is a folder here, so the Hub is not asked. "
            f"To use the repository of that name, run: hf download {text} --local-dir FOLDER"
        )
    if similar := difflib.get_close_matches(owner, _folders(Path()), n=1, cutoff=0.8):
        raise FileNotFoundError(
            f"There is no folder '{text}'; did you mean {similar[0]}/{rest}? The name is like a path here, so the Hub "
            f"is not asked. To use the repository of that name, run: hf download {text} --local-dir FOLDER"
        )


def check_reachable(name: str | os.PathLike):
    """Check that the Hub answers, if a model must be downloaded from there.

    huggingface_hub asks for a missing file six times, which takes 23 seconds without a network. This asks once.

    Raises:
        OSError: If there is no answer.
    """
    name = os.fspath(name)
    if os.path.exists(name) or is_offline_mode() or isinstance(try_to_load_from_cache(name, CONFIG_NAME), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(name, CONFIG_NAME), timeout=SECONDS_TO_ANSWER)
    except HfHubHTTPError:
        pass  # the Hub answers; errors of loading say what is wrong with the name
    except HTTPError as error:
        raise OSError(
            f"There is no folder '{name}' here, and the Hub cannot be reached ({error}). Check the name, the network "
            "and the proxy."
        ) from error


def _is_repository(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _nearest(path: Path) -> str:
    """The end of a sentence with the most similar folder beside a missing one."""
    similar = difflib.get_close_matches(path.name, _folders(path.parent), n=1)
    return f"; did you mean {path.with_name(similar[0])}?" if similar else "."


def _folders(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
