"""Upload of a model to the Hugging Face Hub: checks, selection of files, commit."""

import os
import sys
from pathlib import Path

from ..messages import first_line


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
        repo_id: The repository. A card that nobody has edited is written for it.
        staging: An empty folder for the card, and for the code if the model was saved without code.

    Returns:
        Paths by name.

    Raises:
        OSError, ValueError: If the directory has no model with its weights.
    """
    from .model_card import card_for_repository
    from .repository_files import check_uploadable, model_files

    model_dir = Path(model_dir)
    if not model_dir.is_dir():
        raise NotADirectoryError(f"{model_dir} is not a directory. Give one that `save_pretrained` wrote.")
    check_uploadable(model_dir)
    files = {path.name: path for path in model_files(model_dir)}
    if not {"config.json", "adapter_config.json"} & files.keys():
        raise FileNotFoundError(f"{model_dir} is not a model's directory: it has no config.json.")
    if not any(name.endswith(".safetensors") for name in files):
        raise FileNotFoundError(f"{model_dir} has no weights to upload (model.safetensors).")
    if "config.json" in files:
        save_missing_code(model_dir, staging)
        card = card_for_repository(model_dir, repo_id)
        if card is not None:
            Path(staging, "README.md").write_text(card, encoding="utf-8")
    return dict(sorted((files | {path.name: path for path in model_files(staging)}).items()))


def save_missing_code(model_dir: Path, staging: str | os.PathLike):
    """Save configuration and processor with code in `staging`, if code is missing in `model_dir`."""
    from transformers import AutoConfig, AutoVideoProcessor

    from .repository_files import names_missing_code

    for auto_class, name in ((AutoConfig, "config.json"), (AutoVideoProcessor, "video_preprocessor_config.json")):
        if (model_dir / name).is_file() and names_missing_code(model_dir / name):
            auto_class.from_pretrained(model_dir, trust_remote_code=False).save_pretrained(staging)


def upload(files: dict[str, Path], repo_id: str, private: bool) -> str:
    """Upload files in one commit.

    Returns:
        The URL of the repository.

    Raises:
        ValueError: If `private` is set but the repository already exists and is public.
        HTTPError, OSError: If the Hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import enable_progress_bars

    if sys.stderr.isatty():
        enable_progress_bars()
    hub = HfApi()
    address = hub.create_repo(repo_id, private=private or None, exist_ok=True)
    if private and not hub.model_info(repo_id).private:
        raise ValueError("it already exists and is public. Make it private on its page first, or choose another name.")
    additions = [CommitOperationAdd(name, path) for name, path in files.items()]
    hub.create_commit(repo_id, additions, commit_message="Upload model with lgi-former")
    return str(address)


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
