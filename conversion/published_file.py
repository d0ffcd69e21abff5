"""Safe reading of `.pth` files of the published code."""

import os
import reprlib
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import torch

from .pickled_tensors import Arguments, Storage, StoredTensor, UnsafeGlobalError, read_pickle


MAX_PICKLE_BYTES = 64_000_000
"""The pickle of a released model has about 200,000 bytes. Tensors are in other records."""

_ARGUMENT_TYPES: dict[str, type | tuple[type, ...]] = {
    "input_size": int,
    "num_frames": int,
    "sampling_rate": int,
    "lg_region_size": (list, tuple),
    "lg_classify_token_type": str,
    "keep_temporal_dim": bool,
    "head_activation_func": str,
    "mask_ratio": (int, float),
    "normlize_target": bool,
    "use_frame_diff_as_target": bool,
    "frame_diff_group_size": int,
    "target_diff_weight": (int, float),
    "data_set": str,
    "data_path": str,
}
"""Arguments of the published scripts that the conversion uses, and their types."""


class PublishedFile:
    """Weights and arguments of a `.pth` file.

    Attributes:
        path: The file.
        weights: Tensors by published name, without the prefixes of wrappers. They are finite numbers on the CPU.
        arguments: Arguments of the published script that the conversion uses, if the file has them.
    """

    def __init__(self, path: str | os.PathLike):
        """Read a file. Names and shapes are read and checked before any tensor.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not a complete checkpoint, or would run code.
        """
        self.path = path
        if not os.path.isfile(path):
            raise FileNotFoundError(f"There is no checkpoint file {path}. Expected a .pth file of the published code.")
        try:
            with zipfile.ZipFile(path) as archive:
                self.arguments, self.weights = _read(path, archive)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, UnicodeDecodeError) as error:
            raise ValueError(_not_whole(path)) from error


def names_in_words(names: Iterable[str], number: int = 4) -> str:
    """The first names from a file, in a form that fits into an error message."""
    names = list(names)
    shown = [name if name.isprintable() and len(name) <= 80 else reprlib.repr(name) for name in names[:number]]
    more = f" and {len(names) - number} more" if len(names) > number else ""
    return f"{', '.join(shown)}{more}" if names else "none"


def _read(path: str | os.PathLike, archive: zipfile.ZipFile) -> tuple[dict, dict[str, torch.Tensor]]:
    """Arguments and weights of an archive that `torch.save` wrote."""
    pickles = [info for info in archive.infolist() if PurePosixPath(info.filename).parts[1:] == ("data.pkl",)]
    if len(pickles) != 1:
        raise ValueError(
            f"{path} has {len(pickles)} entries data.pkl. Expected one, as in a file that torch.save wrote."
        )
    records = _records(path, archive, PurePosixPath(pickles[0].filename).parts[0])
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise ValueError(
            f"{path} has a pickle of {pickles[0].file_size:,} bytes, but that of a checkpoint has at most "
            f"{MAX_PICKLE_BYTES:,}. Save its weights again with torch.save({{'model': state_dict}}, FILE)."
        )
    try:
        content = read_pickle(archive.read(pickles[0]), {key: info.file_size for key, info in records.items()})
    except UnsafeGlobalError as error:
        raise ValueError(
            f"{path} is refused: loading it would call {error}, but a checkpoint may only contain tensors, plain "
            "values and an argparse.Namespace. If you trust its author, load it yourself and save its 'model' again."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} is not a checkpoint that torch.save wrote: {error}.") from error
    if not isinstance(content, dict):
        kind = "tensor" if isinstance(content, StoredTensor) else type(content).__name__
        raise ValueError(f"{path} contains a {kind}. Expected a dictionary with 'model' or 'module'.")
    stored = _state_dict_of(content, path)
    return _arguments_of(content, path), _tensors(path, archive, records, stored)


def _records(path: str | os.PathLike, archive: zipfile.ZipFile, folder: str) -> dict[str, zipfile.ZipInfo]:
    """The entries of tensors by their keys.

    Raises:
        ValueError: If a name occurs twice, an entry is compressed, or entries overlap. `torch.save` writes none of it.
    """
    entries = archive.infolist()
    twice = len({info.filename for info in entries}) < len(entries)
    compressed = any(info.compress_type != zipfile.ZIP_STORED for info in entries)
    overlap = sum(info.file_size for info in entries) > os.path.getsize(path)
    for is_so, problem in (
        (twice, "names that occur twice"),
        (compressed, "compressed entries"),
        (overlap, "overlaps"),
    ):
        if is_so:
            raise ValueError(f"{path} is a zip archive with {problem}, which torch.save does not write.")
    if f"{folder}/byteorder" in archive.NameToInfo and archive.read(f"{folder}/byteorder") != b"little":
        raise ValueError(f"{path} has big-endian numbers. Load it and save it again on a little-endian machine.")
    return {PurePosixPath(info.filename).name: info for info in entries if info.filename.startswith(f"{folder}/data/")}


def _state_dict_of(content: dict, path: str | os.PathLike) -> dict[str, StoredTensor]:
    """Weights in 'model' or 'module', or else in the dictionary itself, without the prefixes of wrappers.

    Raises:
        ValueError: If there are none, or if names, sizes or dtypes are not those of weights.
    """
    for key in ("model", "module"):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    stored = {name: value for name, value in content.items() if isinstance(value, StoredTensor)}
    if not stored:
        keys = names_in_words([key if isinstance(key, str) else type(key).__name__ for key in content], 6)
        raise ValueError(
            f"{path} contains no weights: expected a dictionary of tensors in 'model' or 'module', found the keys "
            f"{keys}."
        )
    if odd := [name for name in stored if not isinstance(name, str)]:
        raise ValueError(
            f"{path} has a weight with the name {reprlib.repr(odd[0])}. Names of weights must be strings."
        )
    weights = {name.removeprefix("module.").removeprefix("backbone."): value for name, value in stored.items()}
    if len(weights) < len(stored):
        raise ValueError(f"{path} has a weight twice, with and without the prefix 'module.' or 'backbone.'.")
    for name, value in weights.items():
        if not value.storage.dtype.is_floating_point or 0 in value.shape:
            raise ValueError(
                f"{path} has the weight {names_in_words([name])} of shape {value.shape} and dtype "
                f"{value.storage.dtype}. Expected floating-point numbers."
            )
    if sum(value.nbytes for value in weights.values()) > 4 * os.path.getsize(path):  # attentions may share weights
        raise ValueError(f"{path} has {len(weights)} weights that share numbers, but a model has its own for each.")
    return weights


def _arguments_of(content: dict, path: str | os.PathLike) -> dict[str, Any]:
    """Arguments of the published script that the conversion uses. None counts as missing.

    Raises:
        ValueError: If one has another type than in the published script.
    """
    saved = vars(content["args"]) if isinstance(content.get("args"), Arguments) else {}
    arguments = {name: saved[name] for name in _ARGUMENT_TYPES if saved.get(name) is not None}
    for name, value in arguments.items():
        expected = _ARGUMENT_TYPES[name]
        is_right = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
        if expected is int:
            is_right = is_right and value >= 1
        if name == "lg_region_size":
            is_right = is_right and len(value) == 3 and all(type(size) is int for size in value)
        if not is_right:
            # The text of nested values that share parts could be endless.
            shown = reprlib.repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
            raise ValueError(
                f"{path} has the argument {name}: {shown}, which is not a value of the published script. Correct it, "
                "or save the file again without 'args', and give the options of the conversion."
            )
    return arguments


def _tensors(
    path: str | os.PathLike,
    archive: zipfile.ZipFile,
    records: dict[str, zipfile.ZipInfo],
    stored: dict[str, StoredTensor],
) -> dict[str, torch.Tensor]:
    """Read the tensors of the weights. `zipfile` compares each record with its checksum."""
    storages: dict[Storage, torch.Tensor] = {}
    weights = {}
    for name, tensor in stored.items():
        storage = tensor.storage
        if storage not in storages:
            numbers = torch.frombuffer(bytearray(archive.read(records[storage.key])), dtype=torch.uint8)
            storages[storage] = numbers[: storage.numel * storage.dtype.itemsize].view(storage.dtype)
        weights[name] = storages[storage].as_strided(tensor.shape, tensor.stride, tensor.offset)
        if not torch.isfinite(weights[name]).all():
            raise ValueError(
                f"{path} has NaN or infinite values in {names_in_words([name])}. Perhaps its training diverged. Take "
                "an earlier checkpoint."
            )
    return weights


def _not_whole(path: str | os.PathLike) -> str:
    with open(path, "rb") as file:
        start = file.read(512)
    if start.startswith((b"\x80\x02", b"\x80\x04")) or start[257:262] == b"ustar":
        return (
            f"{path} is in the format of PyTorch before 1.6, which is not read here. If you trust its author, load it "
            "with torch.load, and save it with torch.save of a newer version."
        )
    if start[8:9] == b"{":
        return f"{path} seems to be a safetensors file. Expected a .pth file of the published code."
    return (
        f"{path} ({os.path.getsize(path):,} bytes) is not a complete PyTorch checkpoint. If it is truncated, its size "
        "differs from the original: download it again. Otherwise, give a file that torch.save wrote."
    )
