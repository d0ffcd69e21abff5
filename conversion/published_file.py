"""Safe reading of `.pth` files of the published code."""

import argparse
import os
import pickle
import re

import torch


class PublishedFile:
    """Weights and arguments of a `.pth` file.

    Attributes:
        path: The file.
        weights: Tensors by published name, without the prefixes of wrappers.
        arguments: Arguments of the published script, if the file has them.
    """

    def __init__(self, path: str | os.PathLike):
        """Read a file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not a complete checkpoint, or would run code.
        """
        self.path = path
        content = _load_safely(path)
        self.arguments = vars(content["args"]) if isinstance(content.get("args"), argparse.Namespace) else {}
        self.weights = _state_dict_of(content, path)


def _load_safely(path):
    """The content of a `.pth` file. It may contain only tensors, plain Python values and an `argparse.Namespace`."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no checkpoint file {path}. Expected a .pth file of the published code.")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted is None:
            raise ValueError(_not_whole(path)) from error
        raise ValueError(
            f"{path} is refused: loading it would call {wanted[1]}, but a checkpoint may only contain tensors, plain "
            "values and an argparse.Namespace. If you trust its author, load it yourself and save its 'model' again."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ValueError(_not_whole(path)) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} contains a {type(content).__name__}. Expected a dictionary with 'model' or 'module'."
        )
    return content


def _not_whole(path):
    return (
        f"{path} ({os.path.getsize(path):,} bytes) is not a complete PyTorch checkpoint. If it is truncated, its size "
        "differs from the original: download it again. Otherwise, give a file that torch.save wrote."
    )


def _state_dict_of(content, path):
    """Weights in 'model' or 'module', or else in the dictionary itself, without the prefixes of wrappers."""
    for key in ("model", "module"):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    weights = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise ValueError(
            f"{path} contains no weights: expected a dictionary of tensors in 'model' or 'module', found the keys "
            f"{', '.join(map(str, list(content)[:6])) or '(none)'}."
        )
    return {name.removeprefix("module.").removeprefix("backbone."): weight for name, weight in weights.items()}
