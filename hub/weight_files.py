"""Checks of the weights in a local folder, before a model is loaded: whole files, checksums, shapes."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights
from transformers.utils import ADAPTER_SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_NAME

from ..saving import damaged_weights
from .json_objects import read_object
from .wrong_fields import made_from_file


Shapes = dict[str, tuple[int, ...]]

_CHECKED_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
COPY_AGAIN = "Copy, download or save the model again."


def weights_path(folder: str | os.PathLike) -> str:
    """The file that errors about weights name. For a repository of the Hub, this is the repository."""
    for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME):
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return str(folder)


@contextlib.contextmanager
def checked_weight_files(folder: str | os.PathLike) -> Iterator[Shapes]:
    """Check that the safetensors files of a model are whole and undamaged. A thread computes the checksums meanwhile.

    Args:
        folder: A local folder. Its `model.safetensors` is checked, or else the shards of its index. The file of an
            adapter is checked, too.

    Yields:
        The shapes of all tensors of the model by name. Empty if the folder has no such files.

    Raises:
        ValueError: If a file is damaged, or the index does not describe its shards. The error names the file.
        FileNotFoundError: If a shard is missing.
    """
    shapes, files = _stored_shapes(Path(folder))
    with ThreadPoolExecutor(1) as pool:
        checks = [pool.submit(_check_checksums, file) for file in files]
        try:
            yield shapes
        finally:
            for check in checks:
                check.result()


def check_weight_files(folder: str | os.PathLike):
    """As `checked_weight_files`, at once."""
    with checked_weight_files(folder):
        pass


def _stored_shapes(folder: Path) -> tuple[Shapes, list[Path]]:
    """The shapes of all tensors of the model, and the safetensors files with them and with those of an adapter."""
    whole, index = folder / SAFE_WEIGHTS_NAME, folder / SAFE_WEIGHTS_INDEX_NAME
    adapter = folder / ADAPTER_SAFE_WEIGHTS_NAME
    adapters = [adapter] if adapter.is_file() else []
    for path in adapters:
        _shapes(path)
    if whole.is_file():
        return _shapes(whole), [whole, *adapters]
    if not index.is_file():
        return {}, adapters
    shapes: Shapes = {}
    file_of_tensor = _weight_map(index)
    shards = [index.with_name(name) for name in sorted(set(file_of_tensor.values()))]
    for shard in shards:
        shapes |= _shapes(shard)
    if absent := sorted(file_of_tensor.keys() - shapes.keys()):
        raise ValueError(f"{index} names the weight {absent[0]!r}, which no shard has. {COPY_AGAIN}")
    return shapes, [*shards, *adapters]


def _weight_map(index: Path) -> dict[str, str]:
    """The shard of each weight.

    Raises:
        ValueError: If the index names something else than files beside it.
        FileNotFoundError: If a shard is missing.
    """
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{index} has no object 'weight_map', which names the file of each weight. {COPY_AGAIN}")
    for name in weight_map.values():
        if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\"} & set(name):
            raise ValueError(f"{index} names the shard {str(name)[:80]!r}. Shards must be files in the same folder.")
        if not index.with_name(name).is_file():
            raise FileNotFoundError(f"{index} names the shard {name!r}, which is missing. {COPY_AGAIN}")
    return weight_map


def _shapes(path: Path) -> Shapes:
    try:
        with safe_open(path, "pt") as file:  # checks the header against the size of the file
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        with path.open("rb") as start:
            if start.read(20).startswith(b"version https://git-"):
                raise ValueError(
                    f"{path} is a pointer of Git LFS without the weights. Run `git lfs pull` in its folder."
                ) from error
        raise ValueError(f"{path} is truncated, damaged or no safetensors file ({error}). {COPY_AGAIN}") from error


def _check_checksums(path: Path):
    if damaged := damaged_weights(path):
        raise ValueError(
            f"{path} is damaged: the checksum of {damaged[0][:80]!r} is wrong, as after an error of a disk or a copy. "
            f"{COPY_AGAIN}"
        )


def check_shapes(folder: str | os.PathLike, config: PreTrainedConfig, shapes: Shapes, make_model):
    """Compare the shapes of stored weights with those of the model that the stored configuration describes.

    Args:
        folder: The local folder of both.
        config: The configuration that is stored there.
        shapes: Shapes of the stored weights by name.
        make_model: Makes the model of a configuration. It is called on the meta device.

    Raises:
        ValueError: If there is no such model, or a weight has another shape. The error names the files, and fields
            that could be wrong.
    """
    if not shapes or getattr(config, "quantization_config", None):
        return
    path = os.path.join(folder, "config.json")
    for field in ("num_hidden_layers", "decoder_num_hidden_layers"):
        if getattr(config, field, 0) > max(len(shapes), 100):
            raise ValueError(
                f"{path} has {field}={getattr(config, field)}, but "
                f"{weights_path(folder)} has only {len(shapes)} weights. {COPY_AGAIN}"
            )
    with torch.device("meta"), no_init_weights():
        model = made_from_file(
            path,
            read_object(path),
            lambda fields: make_model(type(config).from_dict(fields)),
            lambda: make_model(config),
        )
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    for name in sorted(shapes.keys() & expected.keys()):
        if shapes[name] != expected[name]:
            raise ValueError(
                f"{weights_path(folder)} has the weight {name} of shape {shapes[name]}, but "
                f"{path} describes {expected[name]}{_fields(config, expected[name])}. "
                "Give the configuration that was saved with the weights."
            )


def _fields(config: PreTrainedConfig, shape: Iterable[int]) -> str:
    """The fields of a configuration that have a value of this shape, in words."""
    numbers = {"num_labels": config.num_labels} | config.to_dict()
    named = [f"{name}={value}" for name, value in numbers.items() if type(value) is int and value in set(shape)]
    return f" ({', '.join(named)})" if named else ""


def check_finite(model: PreTrainedModel, path: str):
    """
    Raises:
        ValueError: If a weight has NaN or infinite values. The error names the file and the weight.
    """
    for name, weight in model.named_parameters():
        is_quantised = hasattr(weight, "__tensor_flatten__") or weight.dtype not in _CHECKED_DTYPES
        if is_quantised or weight.is_meta or torch.isfinite(weight.detach().sum()):
            continue  # a sum is fast, and finite only without NaN and infinite values
        if not torch.isfinite(weight).all():  # a sum of large values may overflow
            raise ValueError(
                f"{path} has NaN or infinite values in {name}. Its training diverged, or the file is damaged. Take "
                "another checkpoint."
            )
