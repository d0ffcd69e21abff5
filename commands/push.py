"""`lgi-former push`."""

import json
import sys
import tempfile
from pathlib import Path

from ..messages import console, fail, note, silence_libraries, suggest, words_to_finetune


SUMMARY = "a model to the Hugging Face Hub"
EXAMPLE = "lgi-former push outputs/finetuned USER/NAME --private"


def add_arguments(parser):
    parser.add_argument("model_dir", metavar="DIR", help="directory that training or `lgi-former convert` wrote")
    parser.add_argument(
        "repo_id", metavar="USER/NAME", help="repository to upload to; it is created if it does not exist"
    )
    parser.add_argument(
        "--revision",
        metavar="BRANCH",
        help="branch to upload to, also USER/NAME@BRANCH; a missing branch is created from main (default: main)",
    )
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument("--yes", action="store_true", help="do not ask before uploading")


def run(args) -> int:
    """Upload a model to the Hugging Face Hub: weights, configuration, processor, model card, and the code that loads
    it without this package. Optimiser states, logs and training arguments are not uploaded. The command lists the
    files first, and asks for confirmation on a terminal."""
    from huggingface_hub.errors import HTTPError

    from ..hub.model_names import with_revision
    from ..hub.repository_files import only_variants
    from ..hub.upload import check_logged_in, files_to_upload, reason, repository_and_branch, upload

    silence_libraries()
    with tempfile.TemporaryDirectory() as staging:
        repo_id, branch = repository_and_branch(args.repo_id, args.revision)
        check_logged_in()
        shown = with_revision(repo_id, branch)
        files = files_to_upload(args.model_dir, shown, staging)
        config = json.loads(files["config.json"].read_text(encoding="utf-8")) if "config.json" in files else {}
        print_files(files, shown)
        if "config.json" in files and "video_preprocessor_config.json" not in files:
            note("lgi-former: there is no video processor with it, but pipelines need one.")
        if variants := only_variants(files):
            note(
                f"lgi-former: the weights are of a variant only. To load them, pass variant='{variants[0]}' to "
                "from_pretrained. The commands load weights without a variant."
            )
        if sys.stdin.isatty() and not args.yes and not confirm(shown, args.private):
            return fail("nothing was uploaded.")
        try:
            url = upload(files, repo_id, args.private, branch)
        except (HTTPError, OSError, ValueError) as error:
            return fail(f"cannot upload to {shown}: {reason(error)}")
    print(f"Uploaded: {url}")
    _suggest_use(config, shown)
    return 0


def _suggest_use(config: dict, repo_id: str):
    """Suggest a command for the uploaded model. Adapters have no configuration of a model, and no suggestion."""
    from ..hub.model_kind import kind_of

    architectures = config.get("architectures")
    if kind_of(architectures) == "classifier":
        suggest("lgi-former", "predict", "VIDEO", "--model", repo_id)
    elif architectures:
        suggest(*words_to_finetune(repo_id))


def print_files(files: dict[str, Path], repo_id: str):
    """Print the table of files, with their sizes."""
    from rich import box
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    sizes = {name: path.stat().st_size for name, path in files.items()}
    table = Table(f"to {repo_id}", box=box.SIMPLE, show_footer=True)
    table.columns[0].footer = f"{len(files)} files"
    table.add_column("size", justify="right", footer=decimal(sum(sizes.values())))
    for name, size in sizes.items():
        table.add_row(Text(name), decimal(size))
    console().print(table)


def confirm(repo_id: str, private: bool) -> bool:
    """Ask whether to upload. No answer means no."""
    from rich.prompt import Confirm

    try:
        return Confirm.ask(f"Upload to {'the private repository ' if private else ''}{repo_id}?", default=False)
    except EOFError:
        return False
