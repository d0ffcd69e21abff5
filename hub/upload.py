"""Upload of a model to the Hugging Face Hub: checks, selection of files, commit."""

import os
import re
from pathlib import Path

from ..messages import first_line, shows_progress


def check_repo_id(repo_id: str):
    """Check the name of a repository.

    Raises:
        ValueError: If it does not have the form USER/NAME.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} cannot be the name of a repository: {first_line(error)}") from error
    if repo_id.count("/") != 1:
        raise ValueError(f"{repo_id!r} does not name the owner of the repository: write USER/NAME.")


def repository_and_branch(repo_id: str, revision: str | None = None) -> tuple[str, str | None]:
    """Split USER/NAME@BRANCH into the repository and its branch.

    Raises:
        ValueError: If this is not a repository, or there are two branches, or the branch is a commit.
    """
    from .model_names import the_revision

    name, mark, named = repo_id.partition("@")
    branch = the_revision(name, named if mark else None, revision)
    check_repo_id(name)
    if branch is not None and re.fullmatch("[0-9a-f]{40}", branch):
        raise ValueError(f"nobody can upload to the commit {branch} of {name}. Give a branch, or leave it out.")
    return name, branch


def check_logged_in():
    """Check that there is a token for uploads.

    Raises:
        ValueError: If there is none.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise ValueError("you are not logged in to the Hub. Run `hf auth login`, or set HF_TOKEN.")


def files_to_upload(model_dir: str | os.PathLike, repo_id: str, staging: str | os.PathLike) -> dict[str, Path]:
    """Select the files to upload. The model's directory does not change.

    Args:
        model_dir: The directory of the model.
        repo_id: The repository, USER/NAME or USER/NAME@BRANCH. A card that nobody has edited is written for it.
        staging: An empty folder for the card, and for the code if the model was saved without code.

    Returns:
        Paths by name.

    Raises:
        OSError, ValueError: If the directory has no model with its weights, or the weights are damaged.
    """
    from .model_card import card_for_repository
    from .repository_files import ADAPTER_CONFIG, check_uploadable, model_files
    from .weight_files import check_weight_files

    model_dir = Path(model_dir)
    if not model_dir.is_dir():
        raise NotADirectoryError(f"{model_dir} is not a directory. Give one that `save_pretrained` wrote.")
    check_uploadable(model_dir)
    files = {path.name: path for path in model_files(model_dir)}
    if not {"config.json", ADAPTER_CONFIG} & files.keys():
        raise FileNotFoundError(f"{model_dir} is not a model's directory: it has no config.json.")
    if not any(name.endswith(".safetensors") for name in files):
        raise FileNotFoundError(f"{model_dir} has no weights to upload (model.safetensors).")
    check_weight_files(model_dir)
    if "config.json" in files:
        save_missing_code(model_dir, staging)
        card = card_for_repository(model_dir, repo_id)
        if card is not None:
            Path(staging, "README.md").write_text(card, encoding="utf-8")
    return dict(sorted((files | {path.name: path for path in model_files(staging)}).items()))


def save_missing_code(model_dir: Path, staging: str | os.PathLike):
    """Save configuration and processor with code in `staging`, if code is missing in `model_dir`."""
    from .loading import load_config
    from .processor_loading import load_processor
    from .repository_files import names_missing_code

    for load, name in ((load_config, "config.json"), (load_processor, "video_preprocessor_config.json")):
        if (model_dir / name).is_file() and names_missing_code(model_dir / name):
            load(str(model_dir)).save_pretrained(staging)


def upload(files: dict[str, Path], repo_id: str, private: bool, branch: str | None = None) -> str:
    """Upload files in one commit.

    Args:
        files: Paths by name.
        repo_id: The repository, USER/NAME. A missing one is created.
        private: Whether it must be private.
        branch: The branch of the commit. A missing one is created from `main`. The default is `main`.

    Returns:
        The URL of the repository, or of the branch.

    Raises:
        ValueError: If `private` is set but the repository already exists and is public.
        HTTPError, OSError: If the Hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import enable_progress_bars

    if shows_progress():
        enable_progress_bars()
    hub = HfApi()
    address = hub.create_repo(repo_id, private=private or None, exist_ok=True)
    if private and not hub.model_info(repo_id).private:
        raise ValueError("it already exists and is public. Make it private on its page first, or choose another name.")
    additions = [CommitOperationAdd(name, path) for name, path in files.items()]
    if branch is not None and not hub.revision_exists(repo_id, branch):
        hub.create_branch(repo_id, branch=branch)
    hub.create_commit(repo_id, additions, commit_message="Upload model with lgi-former", revision=branch)
    return str(address) if branch is None else f"{address}/tree/{branch}"


def reason(error: Exception) -> str:
    """The reason of a failed upload, in one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    advice = {
        401: "the Hub does not know your token. Run `hf auth login`, or set HF_TOKEN.",
        403: "your token has no permission to write to this repository.",
    }
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set."
    if isinstance(error, HfHubHTTPError):
        return advice.get(error.response.status_code, first_line(error))
    if isinstance(error, HTTPError):
        return f"the Hub cannot be reached ({error})."
    return first_line(error)
