"""Loading an adapter of PEFT with its own configuration.

Transformers loads an adapter with the configuration of its base model, which has other classes. An adapter that is
saved with this package has a `config.json` beside it.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import cached_file, find_adapter_config_file, is_peft_available, logging

from .clip_size import config_and_options, hub_options_in


ADAPTER_CONFIG = "adapter_config.json"
_NEEDS_PEFT = "is an adapter. Install PEFT to load it: pip install peft"
_WHOLE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


class LoadsAdapters:
    """Base class whose `from_pretrained` also loads an adapter with a `config.json` beside it."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, config=None, **kwargs):
        """Load a model as Transformers does, or an adapter with its base model.

        The adapter is merged into the weights, so the model is as fast as its base. It may also be the adapter of
        another class: `LGIFormerModel` loads the encoder of an adapted classifier.

        Raises:
            ImportError: If the adapter needs PEFT, which is not installed.
            OSError, ValueError: If the base model is missing, or is not that of the adapter.
        """
        of_adapter = kwargs.get("adapter_kwargs") or {}
        name = of_adapter.get("_adapter_model_path") or pretrained_model_name_or_path
        hub_options = hub_options_in(kwargs if name == pretrained_model_name_or_path else of_adapter)
        folder = adapter_folder(name, **hub_options)
        if folder is None:
            return super().from_pretrained(pretrained_model_name_or_path, *model_args, config=config, **kwargs)
        for option in ("adapter_kwargs", "revision", "subfolder"):  # of the adapter, not of its base
            kwargs.pop(option, None)
        if config is None or name != pretrained_model_name_or_path:  # an Auto class gave that of the base model
            config, kwargs = config_and_options(cls.config_class, folder, kwargs)
        wants_info = kwargs.pop("output_loading_info", False)
        trained = getattr(sys.modules[cls.__module__], (config.architectures or [cls.__name__])[0], cls)
        base, info = load_base(super(LoadsAdapters, trained).from_pretrained, folder, config, **kwargs)
        model = merged(base, folder)
        if trained is not cls:
            kwargs |= {"config": config, "state_dict": model.state_dict(), "output_loading_info": True}
            model, info = super().from_pretrained(None, **kwargs)
        return (model, info) if wants_info else model


def adapter_folder(name: str | os.PathLike | None, **hub_options) -> Path | None:
    """The local folder of an adapter with a `config.json` beside it. A repository of the Hub is downloaded.

    Returns:
        None if there is no such adapter, or if whole weights are beside it.
    """
    if name is None:
        return None
    if os.path.isdir(name):
        folder = Path(name, hub_options.get("subfolder") or "")
        is_one = (folder / ADAPTER_CONFIG).is_file() and (folder / "config.json").is_file()
        return folder if is_one and not any((folder / weights).exists() for weights in _WHOLE_WEIGHTS) else None
    if os.path.exists(name) or not is_peft_available():
        return None
    found = find_adapter_config_file(str(name), **hub_options)
    if found is None:
        return None
    optional = {"_raise_exceptions_for_missing_entries": False}
    files = [
        cached_file(name, file, **hub_options, **optional) for file in ("config.json", "adapter_model.safetensors")
    ]
    return Path(found).parent if all(files) else None


def load_base(
    from_pretrained: Callable, adapter: Path, config: PreTrainedConfig, **options
) -> tuple[PreTrainedModel, dict]:
    """Load the base model of an adapter, with the configuration of the adapter.

    Args:
        from_pretrained: Loads a model of the class or Auto class that the adapter was trained with.
        adapter: The local folder of the adapter.
        config: Its configuration.
        options: More options of `from_pretrained`.

    Returns:
        The model, and the loading information without weights that the adapter brings.

    Raises:
        ImportError: If PEFT is not installed.
        OSError, ValueError: If the base model is missing, or is not that of the adapter.
    """
    if not is_peft_available():
        raise ImportError(f"{adapter} {_NEEDS_PEFT}")
    settings = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    base = _base_named_in(settings, adapter)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # Transformers would advise to train the weights that the adapter brings
    try:
        model, info = from_pretrained(
            base, config=config, output_loading_info=True, **{**options, "ignore_mismatched_sizes": True}
        )
    except OSError as error:
        raise OSError(f"{adapter} is an adapter of '{base}', but this base model cannot be loaded: {error}") from error
    finally:
        logging.set_verbosity(verbosity)
    if missing := _missing_weights(model, info, settings):
        raise ValueError(
            f"{adapter} is an adapter of '{base}', but neither of them has weights of the right shape for "
            f"{', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}. Give the base model that the "
            "adapter was trained on. A new classifier must be in modules_to_save when the adapter is trained."
        )
    return model, {**info, "missing_keys": set(), "mismatched_keys": set()}


def _base_named_in(settings: dict, adapter: Path) -> str:
    """The base model in the configuration of an adapter. Raises a FileNotFoundError if it is a missing folder."""
    base = settings.get("base_model_name_or_path") or ""
    is_repository = base.count("/") == 1 and not os.path.isdir(base.split("/")[0])
    if os.path.isdir(base) or is_repository:
        return base
    fault = f"There is no folder '{base}', the base model of the adapter {adapter}."
    if not base:
        fault = f"The adapter {adapter} does not name its base model."
    raise FileNotFoundError(f"{fault} Write its folder or repository as base_model_name_or_path in {ADAPTER_CONFIG}.")


def _missing_weights(model: PreTrainedModel, info: dict, settings: dict) -> list[str]:
    """Weights that neither the base model nor its adapter has in the right shape. New norms are always the same."""
    resized = {name for name, *_ in info["mismatched_keys"]}
    new = {
        name
        for name in info["missing_keys"]
        if not isinstance(model.get_submodule(name.rpartition(".")[0]), nn.LayerNorm)
    }
    saved_whole = settings.get("modules_to_save") or []
    return sorted(name for name in new | resized if not any(f".{part}." in f".{name}" for part in saved_whole))


def merged(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """Merge an adapter into the weights of its base model, in place. All weights can be trained.

    `load_adapter` of Transformers 5.17 would leave out the modules that the adapter saved whole.
    """
    try:  # without it, Transformers would ask all users of a model's code to install PEFT
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(f"{adapter} {_NEEDS_PEFT}") from error
    return PeftModel.from_pretrained(base, str(adapter)).merge_and_unload().requires_grad_(True).eval()
