"""Exports the demo as a Space of the Hugging Face Hub: a folder that is ready for upload."""

import contextlib
import dataclasses
import importlib.metadata
import os
import shutil
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ...extras import require_extra
from ...files import explained_write_errors
from ...hub import PACKAGE, model_files
from ...hub.model_names import split_revision
from ...hub.upload import check_repo_id
from .uploads import UploadLimits


PYTHON_VERSION = "3.12"
LONGEST_TITLE = 30  # letters; the Hub refuses longer ones

README = """\
---
{settings}---

Try an LGI-Former (MAE-DFER), a model of faces in motion. Upload a video of at most {limits.max_megabytes:g} MB and
{limits.max_seconds:g} seconds. We delete your video after the answer.

`lgi_former/` is the code of the package at the time of the export. `requirements.txt` has the versions that were
installed then. Use with care: the page says why.
"""

APP = '''\
"""The demo of a model, as a Space. `python app.py` starts it on this machine."""

from pathlib import Path

from lgi_former.inference.demo import UploadLimits, launch_demo


launch_demo({model}, UploadLimits({limits}))
'''


def export_space(model_name_or_path: str, folder: str | os.PathLike, limits: UploadLimits | None = None) -> list[str]:
    """Write a Space to a folder.

    It has `app.py`, `requirements.txt`, `README.md` with its settings, the code of this package, and the model if that
    is a local directory.

    Args:
        model_name_or_path: A Hub repository (`owner/name`, `owner/name@revision`), or a directory. The model files of
            a directory are copied.
        folder: A new or empty folder.
        limits: Limits of uploads.

    Returns:
        Names of the files and folders at the top of the Space.

    Raises:
        FileExistsError: If the folder is not empty.
        OSError: If the folder cannot be written, or the directory has no model.
        MissingExtraError: If `pip install "lgi-former[demo]"` was not done, so that there are no versions to pin.
        ValueError: If the name is neither a directory nor a possible name of a Hub repository.
        ValueError: If the installed package does not declare the extra `demo`.
    """
    require_extra("demo")
    folder, limits = Path(folder), limits or UploadLimits()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"'{folder}' is not empty. Give a new or empty folder for the Space.")
    is_local = os.path.isdir(model_name_or_path)
    if not is_local:
        _check_repository(split_revision(model_name_or_path)[0])
    files = model_files(model_name_or_path) if is_local else []
    if is_local and "config.json" not in {file.name for file in files}:
        raise FileNotFoundError(f"{model_name_or_path} is not a model's directory: it has no config.json.")
    required = requirements()
    with explained_write_errors(folder):
        _copy_package(folder / "lgi_former")
        _copy(files, folder / "model")
        model = 'str(Path(__file__).with_name("model"))' if is_local else repr(model_name_or_path)
        app = APP.format(model=model, limits=_as_arguments(limits))
        (folder / "app.py").write_text(app, encoding="utf-8")
        (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in required), encoding="utf-8")
        (folder / "README.md").write_text(_readme(model_name_or_path, is_local, limits), encoding="utf-8")
    return sorted(path.name for path in folder.iterdir())


def _check_repository(name: str):
    try:
        check_repo_id(name)
    except ValueError as error:
        raise ValueError(
            f"There is no folder '{name}', and it cannot be a repository of the Hub. Give the folder of a model, or a "
            "repository as USER/NAME, with letters, digits, '-', '_' and '.'."
        ) from error


def _copy_package(folder: Path):
    """Copy the modules and recipes of the package. Rooms are folders with an `__init__.py`."""
    _copy([path for path in PACKAGE.glob("*.py") if path.name != "setup.py"], folder)
    for room in PACKAGE.rglob("__init__.py"):
        relative = room.parent.relative_to(PACKAGE)
        if relative.parts and all((PACKAGE / parent / "__init__.py").exists() for parent in relative.parents):
            _copy(room.parent.glob("*.py"), folder / relative)
    recipes = Path("configuration", "recipes")
    _copy((PACKAGE / recipes).glob("*.yaml"), folder / recipes)


def _copy(files, folder: Path):
    for file in files:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / file.name)


def requirements() -> list[str]:
    """The requirements of this package and of its extra `demo`, with the installed versions.

    A requirement of another platform that is not installed here has its range of versions.

    Raises:
        ValueError: If the installed package does not declare the extra.
    """
    always, extra = [], []
    for requirement in map(Requirement, importlib.metadata.requires("lgi-former")):
        if "extra" not in str(requirement.marker):
            always.append(_pinned(requirement))
        elif requirement.marker.evaluate({"extra": "demo"}):
            requirement.marker = None
            extra.append(_pinned(requirement))
    if not extra:
        raise ValueError("lgi-former was installed before it had a demo. Install it again, with its extra `demo`.")
    return [*always, *extra]


def _pinned(requirement: Requirement) -> str:
    """The requirement with the installed version. Package indexes have no local versions such as 2.9.0+cpu."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        installed = Version(importlib.metadata.version(requirement.name))
        requirement.specifier = SpecifierSet(f"=={installed.public}")
    return str(requirement)


def _as_arguments(limits: UploadLimits) -> str:
    """The size and length of a video, and other limits that are not the defaults, as arguments in Python."""
    named = {
        field.name: getattr(limits, field.name)
        for field in dataclasses.fields(limits)
        if field.name in ("max_megabytes", "max_seconds") or getattr(limits, field.name) != field.default
    }
    return ", ".join(f"{name}={limit:g}" for name, limit in named.items())


def _readme(model_name_or_path: str, is_local: bool, limits: UploadLimits) -> str:
    repository, _ = split_revision(model_name_or_path)
    name = Path(os.path.abspath(repository)).name
    settings = {
        "title": f"LGI-Former {name}"[:LONGEST_TITLE].strip(),
        "emoji": "🎭",
        "colorFrom": "blue",
        "colorTo": "green",
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": PYTHON_VERSION,
        "app_file": "app.py",
        **({} if is_local else {"models": [repository]}),
    }
    return README.format(settings=yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), limits=limits)
