"""Download of the models that the authors of MAE-DFER released."""

import contextlib
import shutil
import threading
import zipfile
from pathlib import Path

import gdown
from filelock import FileLock
from gdown.exceptions import DownloadCancelled, FileURLRetrievalError
from gdown.exceptions import DownloadError as GdownError
from huggingface_hub import is_offline_mode
from huggingface_hub.utils import tqdm
from huggingface_hub.utils.sha import sha_fileobj
from requests.exceptions import ProxyError, SSLError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ..files import NotWrittenError, explained_write_errors, sync_folder
from ..hub.model_card import ModelFacts
from ..hub.model_names import split_revision, with_revision
from ..image_processing.decoding.web_files import MAX_SECONDS, DownloadLimitError, check_download, download_limit
from ..messages import nearest, note, shows_progress
from .convert import convert_checkpoint
from .released_models import ReleasedModel, released_models


RETRIES = 3
TIMEOUT = 60  # seconds without an answer
UNREACHABLE = "drive.google.com cannot be reached. Check the network and the proxy"
NETWORK_PROBLEMS = {
    NewConnectionError: UNREACHABLE,
    ConnectTimeoutError: UNREACHABLE,
    ProxyError: UNREACHABLE,
    SSLError: "the certificate of drive.google.com is not accepted. If a proxy has its own certificates, name their "
    "file in REQUESTS_CA_BUNDLE",
}
"""What errors of requests and urllib3 mean. gdown raises its own errors from them."""


class DownloadError(OSError):
    """A released model that cannot be downloaded. The message names the link and the command for a file at hand."""


def download(name: str) -> Path:
    """Return the folder of a released model. The first call downloads the model and converts it.

    The folder lies in the cache below `HF_HOME`. `from_pretrained` and all commands load it. An interrupted download
    resumes. Several processes may call this at once: one downloads, the others wait.

    Args:
        name: A key of `released_models()`, such as `"mae-dfer-dfew-fold5"`.

    Returns:
        A folder with weights, configuration, video processor, code and model card. The card has the authors' figures
        and the SHA-256 of the file.

    Raises:
        ValueError: If there is no released model of that name.
        DownloadError: If Google Drive does not send the file, or sends something that is not a checkpoint.
    """
    models = released_models()
    if name not in models:
        raise ValueError(f"There is no released model {name!r}{nearest(name, list(models))}")
    folder = models[name].folder
    if folder.is_dir():
        _delete_what_is_left(folder)
        return folder
    if is_offline_mode():
        raise DownloadError(
            f"{name} is not in {folder.parent}, and HF_HUB_OFFLINE forbids to download it. "
            "Unset HF_HUB_OFFLINE, or copy the folder from another machine."
        )
    with explained_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():  # another process may have downloaded it
                _download_and_convert(models[name])
    return folder


def model_folder(model: str, revision: str | None = None) -> str:
    """Return the folder of a released model, after its download if needed.

    A local folder of the same name wins.

    Args:
        model: The name of a model.
        revision: A branch, tag or commit of a model on the Hub.

    Returns:
        The folder, or the name that was given. A repository has its revision behind it: `owner/name@revision`.

    Raises:
        ValueError: If a released model or a local folder is given with a revision, or the revision is empty.
        DownloadError: As `download`.
    """
    name, mark, named = model.partition("@")
    if name in released_models() and not Path(model).exists() and not Path(name).exists():
        if mark or revision is not None:
            raise ValueError(
                f"{name} is a released model. It has no revision '{named or revision or ''}', because only models of "
                "the Hub have revisions. Leave the revision out."
            )
        return str(download(name))
    return with_revision(*split_revision(model, revision))


def _download_and_convert(model: ReleasedModel):
    """Write the folder of a model."""
    checkpoint = model.folder.with_suffix(".pth")
    note(
        f"Downloading {model.name} from {model.link}: {model.kind} on {model.corpus}, by the authors of MAE-DFER. "
        f"It is stored in {model.folder}."
    )
    _download_file(model, checkpoint)
    with checkpoint.open("rb") as file:
        checksum = sha_fileobj(file).hex()
    staging = _staging(model.folder)
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed process
    staging.mkdir()
    try:
        conversion = convert_checkpoint(
            checkpoint,
            staging / model.name,
            ModelFacts(
                checkpoint_link=model.link,
                checkpoint_sha256=checksum,
                dataset=model.corpus,
                fold=model.fold,
                reported=model.reported,
            ),
        )
        conversion.folder.rename(model.folder)
        sync_folder(model.folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _delete_what_is_left(model.folder)


def _staging(folder: Path) -> Path:
    """Where a model is converted before it becomes `folder`."""
    return folder.with_suffix(".unfinished")


def _delete_what_is_left(folder: Path):
    """Delete the checkpoint of a complete model, also if a kill came between."""
    shutil.rmtree(_staging(folder), ignore_errors=True)
    with contextlib.suppress(OSError):  # no such file, or a cache that is read-only
        folder.with_suffix(".pth").unlink()


def _download_file(model: ReleasedModel, checkpoint: Path):
    """Download the `.pth` file. The bytes of an interrupted download are used again.

    Raises:
        DownloadError: If Google Drive refuses, the transfer ends early, exceeds a limit of `web_files`, or a web page
            comes instead of the file.
    """
    seconds, is_over = download_limit(MAX_SECONDS), threading.Event()
    by_hand = (
        f"You can also download the file with a browser from {model.link} and run: "
        f"lgi-former convert FILE {model.folder}"
    )
    with tqdm(desc=model.name, unit="B", unit_scale=True, disable=not shows_progress()) as bar:

        def show(received: int, total: int | None):
            check_download(max(received, total or 0))
            bar.total = total
            bar.update(received - bar.n)

        timer = threading.Timer(seconds, is_over.set)
        timer.daemon = True
        timer.start()
        try:
            with explained_write_errors(checkpoint):
                gdown.download(
                    id=model.drive_id,
                    output=str(checkpoint),
                    quiet=True,
                    resume=True,
                    use_cookies=False,
                    progress=show,
                    retries=RETRIES,
                    timeout=TIMEOUT,
                    cancel=is_over,
                )
        except NotWrittenError:
            raise
        except FileURLRetrievalError as error:  # its context has the words of Google Drive
            raise DownloadError(
                f"Google Drive refuses {model.name}: {error.__context__ or error} {by_hand}"
            ) from error
        except (DownloadCancelled, DownloadLimitError) as error:
            late = f"it is not complete after {seconds:g} seconds. Set {MAX_SECONDS} to allow more"
            problem = late if is_over.is_set() else str(error)
            raise DownloadError(f"The download of {model.name} was stopped: {problem}. {by_hand}") from error
        except (GdownError, OSError, KeyError) as error:  # KeyError: an answer without a Content-Type
            raise DownloadError(
                f"The download of {model.name} failed: {_reason(error)}. Run the command again: it resumes. {by_hand}"
            ) from error
        finally:
            timer.cancel()
    if not zipfile.is_zipfile(checkpoint):
        checkpoint.unlink()
        raise DownloadError(f"Google Drive sent something else than a checkpoint for {model.name}. {by_hand}")


def _reason(error: BaseException) -> str:
    """Why a download failed, without a full stop: a known network problem, else the first line of the error."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, problem in NETWORK_PROBLEMS.items():
            if isinstance(cause, kind):
                return problem
        cause = cause.__cause__ or cause.__context__
    return str(error).partition("\n")[0].rstrip(".")
