"""Selection of the files of a folder that belong to a model repository."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..saving import relative_imports
from .exported_folder import check_not_exported
from .json_objects import read_object


ADAPTER_CONFIG = "adapter_config.json"  # as in Transformers, which takes seconds to import
_WEIGHTS = re.compile(r"model(\.(?P<variant>.+?))?(-\d{5}-of-\d{5})?\.safetensors")
"""Names of weights, as `save_pretrained(variant=...)` writes them, in one file or in shards."""


def model_file_patterns() -> list[str]:
    """Patterns for `fnmatch` of the files of a model repository. It has no folders."""
    return [
        "README.md",
        "LICENSE",
        "config.json",
        "video_preprocessor_config.json",
        "model.safetensors",
        "model-*-of-*.safetensors",
        "model.safetensors.index.json",
        "model.*.safetensors",  # a variant, such as model.fp16.safetensors, or a shard of it
        "model.safetensors.index.*.json",
        ADAPTER_CONFIG,
        "adapter_model.safetensors",
        "*.py",  # `model_files` selects those that the model uses
    ]


def model_files(directory: str | os.PathLike) -> list[Path]:
    """The files of a directory that belong in a model repository: weights, configurations, code and card.

    Other files are private: optimiser states, logs, lists of videos, and `training_args.bin`, a pickle that contains
    paths. To upload a directory, pass the names of the returned files as `allow_patterns`. Python files belong to the
    model if `auto_map` names them, or if such a file imports them.

    Returns:
        Sorted paths.

    Raises:
        ValueError: If the directory is an exported model.
    """
    check_not_exported(directory)
    directory = Path(directory)
    found = {path for pattern in model_file_patterns() for path in directory.glob(pattern) if path.is_file()}
    found = {path for path in found if not path.name.startswith(".")}  # left by a process that was killed
    used = relative_imports(module for path in found if path.suffix == ".json" for module in _named_modules(path))
    return sorted(path for path in found if path.suffix != ".py" or path in used)


def only_variants(names: Iterable[str]) -> list[str]:
    """The variants of the weights among names of files, sorted. Empty if there are weights without a variant."""
    found = {match["variant"] or "" for match in map(_WEIGHTS.fullmatch, names) if match}
    return [] if "" in found else sorted(found)


def names_missing_code(path: Path) -> bool:
    """Whether the JSON file of a configuration or processor names no code, or names code that is missing.

    Raises:
        ValueError: If the file is not a JSON object.
    """
    named = _named_modules(path)
    return not named or not all(module.is_file() for module in relative_imports(named))


def _named_modules(path: Path) -> list[Path]:
    """Files that the `auto_map` of a JSON file names. They may be missing."""
    auto_map = read_object(path).get("auto_map") or {}
    if not isinstance(auto_map, dict) or not all(isinstance(reference, str) for reference in auto_map.values()):
        raise ValueError(
            f"'{path}' has auto_map={auto_map!r}, which must be an object of names. Save the model again."
        )
    return [path.with_name(f"{reference.rpartition('--')[2].split('.')[0]}.py") for reference in auto_map.values()]


def check_uploadable(directory: str | os.PathLike):
    """Check that a model would load on another machine.

    Raises:
        ValueError: If an adapter names its base model by a path on this machine, or if weights of one variant exist
            twice: in one file and in shards.
    """
    directory = Path(directory)
    for index in directory.glob("model.safetensors.index*.json"):
        variant = index.name.removeprefix("model.safetensors.index").removesuffix(".json")
        whole = directory / f"model{variant}.safetensors"
        if whole.exists():
            raise ValueError(
                f"'{directory}' has two sets of weights, {whole.name} and {index.name} with its shards. "
                "Transformers would load the first. Remove the older set."
            )
    settings = adapter_settings(directory) or {}
    base = settings.get("base_model_name_or_path")
    if not isinstance(base, str | None):
        raise ValueError(f"{directory / ADAPTER_CONFIG} has base_model_name_or_path={base!r}. Expected a name.")
    if is_local(base):
        raise ValueError(f"{directory / ADAPTER_CONFIG} names {LOCAL_BASE.format(base=base)}")


def adapter_settings(directory: str | os.PathLike) -> dict | None:
    """The configuration of PEFT in the directory of an adapter. None if there is no adapter."""
    path = Path(directory, ADAPTER_CONFIG)
    return read_object(path) if path.is_file() else None


LOCAL_BASE = (
    "the adapter's base model by its path on this machine, '{base}'. Upload that model first, and write its "
    "repository (USER/NAME) as base_model_name_or_path there. Or upload a whole model: `model.merge_and_unload()` of "
    "PEFT merges the adapter, and `save_pretrained` saves the result."
)
"""The end of an error about an adapter that would not load on another machine."""


def is_local(base_model: str | None) -> bool:
    """Whether the name of a base model is a path on this machine."""
    name = base_model or ""
    return os.path.isabs(name) or os.path.exists(name) or name.count("/") > 1 or name.startswith(".")
