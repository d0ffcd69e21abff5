"""`lgi-former push`."""

import os
import sys
import tempfile
from pathlib import Path

from ..command_line import fail, first_line, silence_libraries


SUMMARY = "a model to the Hugging Face Hub"


def add_arguments(parser):
    parser.add_argument("model_dir", metavar="DIR", help="directory that training or `lgi-former convert` wrote")
    parser.add_argument("repo_id", metavar="USER/NAME", help="repository to upload to; it is made if it is not there")
    parser.add_argument("--private", action="store_true", help="make the repository one that only its owners see")
    parser.add_argument("--yes", action="store_true", help="do not ask before uploading")


def run(args) -> int:
    """Upload a model to the Hugging Face Hub: weights, configuration, processor, the code that loads it without this
    package, and its card. Nothing else in the directory is touched: no optimiser states, logs or training arguments.
    The files are listed first, and on a terminal you are asked."""
    from huggingface_hub.errors import HTTPError

    silence_libraries()
    with tempfile.TemporaryDirectory() as staging:
        try:
            check_repo_id(args.repo_id)
            check_logged_in()
            files = files_to_upload(args.model_dir, args.repo_id, staging)
        except (OSError, ValueError) as error:
            return fail(first_line(error))
        print_files(files, args.repo_id)
        if "config.json" in files and "video_preprocessor_config.json" not in files:
            print("lgi-former: there is no video processor with it, which pipelines need.", file=sys.stderr)
        if sys.stdin.isatty() and not args.yes and not confirm(args.repo_id, args.private):
            return fail("nothing was uploaded.")
        try:
            url = upload(files, args.repo_id, args.private)
        except (HTTPError, OSError, ValueError) as error:
            return fail(f"cannot upload to {args.repo_id}: {reason(error)}")
    print(f"Uploaded: {url}")
    return 0


def check_repo_id(repo_id: str):
    """
    Raises:
        ValueError: If it is no name of a repository with its owner.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} cannot be the name of a repository: {first_line(error)}") from error
    if repo_id.count("/") != 1:
        raise ValueError(f"{repo_id!r} does not say whose repository it is: write USER/NAME.")


def check_logged_in():
    """
    Raises:
        ValueError: If there is no token to upload with.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise ValueError("you are not logged in to the Hub. Run `hf auth login`, or set HF_TOKEN.")


def files_to_upload(model_dir: str | os.PathLike, repo_id: str, staging: str | os.PathLike) -> dict[str, Path]:
    """What is uploaded: path by name. The card is one for `repo_id`, unless somebody has edited it, and a model that
    was saved without its code gets it. Both are made in the empty folder `staging`: the directory stays as it is.

    Raises:
        OSError, ValueError: If there is no model with its weights in the directory.
    """
    from ..hub import check_uploadable, model_files
    from ..model_card import card_for_repository

    model_dir = Path(model_dir)
    if not model_dir.is_dir():
        raise NotADirectoryError(f"{model_dir} is not a directory; give one that `save_pretrained` wrote.")
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
    """Save configuration and processor once more, with code, if that is not there."""
    from transformers import AutoConfig, AutoVideoProcessor

    from ..hub import names_missing_code

    for auto_class, name in ((AutoConfig, "config.json"), (AutoVideoProcessor, "video_preprocessor_config.json")):
        if (model_dir / name).is_file() and names_missing_code(model_dir / name):
            auto_class.from_pretrained(model_dir, trust_remote_code=False).save_pretrained(staging)


def print_files(files: dict[str, Path], repo_id: str):
    """Print the table of files, with their sizes."""
    from rich import box
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    sizes = {name: path.stat().st_size for name, path in files.items()}
    table = Table(f"to {repo_id}", box=box.SIMPLE, show_footer=True)
    table.columns[0].footer = f"{len(files)} files"
    table.add_column("size", justify="right", footer=decimal(sum(sizes.values())))
    for name, size in sizes.items():
        table.add_row(Text(name), decimal(size))
    Console(highlight=False).print(table)


def confirm(repo_id: str, private: bool) -> bool:
    """Ask whether to upload; no answer means no."""
    from rich.prompt import Confirm

    try:
        return Confirm.ask(f"Upload to {'the private repository ' if private else ''}{repo_id}?", default=False)
    except EOFError:
        return False


def upload(files: dict[str, Path], repo_id: str, private: bool) -> str:
    """Upload in one commit; returns the repository's address.

    Raises:
        ValueError: If the repository is to be private, but is there already and public.
        HTTPError, OSError: If the Hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import enable_progress_bars

    if sys.stderr.isatty():
        enable_progress_bars()
    hub = HfApi()
    address = hub.create_repo(repo_id, private=private or None, exist_ok=True)
    if private and not hub.model_info(repo_id).private:
        raise ValueError("it is there already and public. Make it private on its page first, or choose another name.")
    additions = [CommitOperationAdd(name, path) for name, path in files.items()]
    hub.create_commit(repo_id, additions, commit_message="Upload model with lgi-former")
    return str(address)


def reason(error: Exception) -> str:
    """Why an upload failed, in a sentence."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    advice = {
        401: "the Hub does not know your token. Run `hf auth login`, or set HF_TOKEN.",
        403: "your token does not allow it: it must have the permission to write to this repository.",
    }
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set."
    if isinstance(error, HfHubHTTPError):
        return advice.get(error.response.status_code, first_line(error))
    if isinstance(error, HTTPError):
        return f"the Hub cannot be reached ({error})."
    return first_line(error)
