"""Names of models: folders, and repositories of the Hub with or without a revision (`owner/name@revision`).

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


def split_revision(model: str | os.PathLike, revision: str | None = None) -> tuple[str, str | None]:
    """Split `owner/name@revision` into the repository and its revision (branch, tag or commit).

    An existing folder or file wins, even if its name has an `@`. Any other name without a repository in front of the
    `@` does not change.

    Args:
        model: The name of a model.
        revision: A revision that is given beside the name.

    Raises:
        ValueError: If a revision is empty, there are two different ones, or the model has none because it is local.
    """
    name, named = os.fspath(model), None
    if not os.path.exists(name):
        before, mark, after = name.partition("@")
        local, _, last = name.rpartition("@")
        if mark and "/" in before and _is_repository(before) and not os.path.exists(before):
            name, named = before, after
        elif local and os.path.exists(local):
            name, named = local, last
    revision = the_revision(name, named, revision)
    if revision is not None and os.path.exists(name):
        kind = "folder" if os.path.isdir(name) else "file"
        raise ValueError(
            f"'{name}' is a {kind} here. It has no revision '{revision}', because only models of the Hub have "
            "revisions. Leave the revision out."
        )
    return name, revision


def the_revision(name: str, named: str | None, given: str | None) -> str | None:
    """The revision of a model, which is named behind an `@`, given beside its name, both or neither.

    Raises:
        ValueError: If a revision is empty, or there are two different ones.
    """
    if "" in (named, given):
        raise ValueError(f"The revision of '{name}' is empty. Give a branch, a tag or a commit, or leave it out.")
    if None not in (named, given) and named != given:
        raise ValueError(f"'{name}@{named}' names a revision, but the other revision '{given}' is given. Give one.")
    return given if named is None else named


def with_revision(name: str, revision: str | None) -> str:
    """`name@revision`, or the name alone without a revision."""
    return name if revision is None else f"{name}@{revision}"


def check_model_name(name: str | os.PathLike):
    """Check that a name is a local folder or file, or looks like a Hub repository `owner/name` and not like a path.

    A name looks like a path if a folder here has the name of its owner, or nearly that name. A repository may have a
    revision behind an `@`.

    Raises:
        FileNotFoundError: If there is nothing at a local path, or the name cannot be a repository.
        ValueError: As `split_revision`.
    """
    if os.path.exists(name):
        return
    text = os.fspath(name)
    repository, revision = split_revision(name)
    download = f"hf download {repository}{f' --revision {revision}' if revision else ''} --local-dir FOLDER"
    owner, _, rest = text.partition("/")
    if not rest or not _is_repository(repository):
        raise FileNotFoundError(
            f"There is no folder '{text}'{_nearest(Path(text))} Give the folder of a model, a Hub repository "
            "'owner/name' or 'owner/name@revision', or a name that `lgi-former download` lists."
        )
    if Path(owner).is_dir():
        raise FileNotFoundError(
            f"There is no folder '{text}'{_nearest(Path(text))} '{owner}' is a folder here, so the Hub is not asked. "
            f"To use the repository of that name, run: {download}"
        )
    if similar := difflib.get_close_matches(owner, _folders(Path()), n=1, cutoff=0.8):
        raise FileNotFoundError(
            f"There is no folder '{text}'; did you mean {similar[0]}/{rest}? The name is like a path here, so the Hub "
            f"is not asked. To use the repository of that name, run: {download}"
        )


def check_reachable(name: str | os.PathLike):
    """Check that the Hub answers, if a model must be downloaded from there.

    huggingface_hub asks for a missing file six times, which takes 23 seconds without a network. This asks once.

    Raises:
        OSError: If there is no answer.
    """
    if os.path.exists(name) or is_offline_mode():
        return
    name, revision = split_revision(name)
    if isinstance(try_to_load_from_cache(name, CONFIG_NAME, revision=revision), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(name, CONFIG_NAME, revision=revision), timeout=SECONDS_TO_ANSWER)
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
