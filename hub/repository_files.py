"""The files of a model repository: which files of a folder belong to the model."""

import json
import os
from pathlib import Path

from ..saving import relative_imports


def model_file_patterns() -> list[str]:
    """Names, as `fnmatch` takes them, of the files that make up a model repository. All lie at its top."""
    return [
        "README.md",
        "LICENSE",
        "config.json",
        "video_preprocessor_config.json",
        "model.safetensors",
        "model-*-of-*.safetensors",
        "model.safetensors.index.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "*.py",  # `model_files` takes only those that the model uses
    ]


def model_files(directory: str | os.PathLike) -> list[Path]:
    """The files of a directory that belong in a model repository, by name: weights, configurations, code and card.

    Everything else is the user's: optimiser states, logs, `training_args.bin` (a pickle that contains paths), lists
    of videos. To upload a directory, pass the names of these files as `allow_patterns`. Python files belong to the
    model if `auto_map` names them, or if such a file imports them. Code of earlier versions that nothing uses does
    not.
    """
    directory = Path(directory)
    found = {path for pattern in model_file_patterns() for path in directory.glob(pattern) if path.is_file()}
    found = {path for path in found if not path.name.startswith(".")}  # left by a process that was killed
    used = relative_imports(module for path in found if path.suffix == ".json" for module in _named_modules(path))
    return sorted(path for path in found if path.suffix != ".py" or path in used)


def names_missing_code(path: Path) -> bool:
    """Whether the JSON file of a configuration or processor names no code, or code that is missing beside it.

    Raises:
        ValueError: If the file is not a JSON object.
    """
    named = _named_modules(path)
    return not named or not all(module.is_file() for module in relative_imports(named))


def _named_modules(path: Path) -> list[Path]:
    """Files that the `auto_map` of a JSON file names, whether they are there or not."""
    try:
        auto_map = dict(json.loads(path.read_text(encoding="utf-8"))).get("auto_map") or {}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return [path.with_name(f"{reference.rpartition('--')[2].split('.')[0]}.py") for reference in auto_map.values()]


def check_uploadable(directory: str | os.PathLike):
    """
    Raises:
        ValueError: If what lies in the directory would not load elsewhere: an adapter whose base model is a path on
            this machine, or weights that were saved whole and anew in shards.
    """
    directory = Path(directory)
    whole, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if whole.exists() and index.exists():
        raise ValueError(
            f"'{directory}' has two sets of weights, {whole.name} and {index.name} with its shards. "
            "Transformers would load the first. Remove the older set."
        )
    adapter = directory / "adapter_config.json"
    if not adapter.is_file():
        return
    base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if base and (os.path.isabs(base) or os.path.exists(base) or base.count("/") > 1 or base.startswith(".")):
        # PEFT notes the path in the adapter's card, too.
        raise ValueError(
            f"{adapter} names the adapter's base model by its path on this machine, '{base}'. Upload that model, and "
            "write its repository (USER/NAME) there and in README.md."
        )
