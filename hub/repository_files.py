"""The files of a model repository: which files of a folder belong to the model."""

import ast
import json
import os
from pathlib import Path

from .flat_code import is_flat_code


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
        "*.py",  # flat code of whatever version; `model_files` leaves out the user's
    ]


def model_files(directory: str | os.PathLike) -> list[Path]:
    """The files of a directory that belong into a model repository, by name: weights, configurations, code and card.

    Everything else is the user's: optimiser states, logs, `training_args.bin` (a pickle that tells paths), lists of
    videos. To upload a directory, pass the names of these files as `allow_patterns`. Of Python files, those are the
    model's that this package wrote or that `auto_map` names.
    """
    directory = Path(directory)
    found = {path for pattern in model_file_patterns() for path in directory.glob(pattern) if path.is_file()}
    found = {path for path in found if not path.name.startswith(".")}  # what a killed process did not finish
    named = {module for path in found if path.suffix == ".json" for module in _named_modules(path)}
    return sorted(path for path in found if path.suffix != ".py" or path in named or is_flat_code(path))


def names_missing_code(path: Path) -> bool:
    """Whether a configuration or processor names no code, or code of which not all lies beside it.

    Raises:
        ValueError: If the file is not JSON with fields.
    """
    named = _named_modules(path)
    waiting, seen = list(named), set()
    while waiting:
        module = waiting.pop()
        if not module.is_file():
            return True
        if module not in seen:
            seen.add(module)
            nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            imports = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
            waiting += [path.with_name(f"{name}.py") for name in imports if name]
    return not named


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
            f"'{directory}' has two sets of weights, {whole.name} and {index.name} with its shards, of which the "
            "first would be loaded. Remove the one that is older."
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
