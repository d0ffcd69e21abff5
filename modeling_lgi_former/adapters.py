"""Loading an adapter of PEFT with its own configuration.

Transformers loads an adapter with the configuration of its base model, which has other classes. An adapter that this
package saves has a `config.json` beside it.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import (
    ADAPTER_CONFIG_NAME,
    ADAPTER_SAFE_WEIGHTS_NAME,
    CONFIG_NAME,
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_NAME,
    cached_file,
    find_adapter_config_file,
    is_peft_available,
    logging,
)

from .clip_size import config_and_options, hub_options_in


_NEEDS_PEFT = "is an adapter. Install PEFT to load it: pip install peft"
_EXPORTED = "export.json"
"""Only the folder of an exported model has this file."""

_WHOLE_WEIGHTS = (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME)


class LoadsAdapters:
    """Base class whose `from_pretrained` also loads an adapter, with the `config.json` beside it."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, config=None, **kwargs):
        """Load a model as Transformers does, or an adapter with its base model.

        The adapter is merged into the weights, so the model is as fast as its base. It may also be the adapter of
        another class: `LGIFormerModel` loads the encoder of an adapted classifier.

        Raises:
            ImportError: If the adapter needs PEFT, which is not installed.
            OSError, ValueError: If the base model is missing, or is not that of the adapter.
            OSError: If the name is the folder of an exported model, which has no weights.
        """
        _refuse_exported(pretrained_model_name_or_path)
        of_adapter = kwargs.get("adapter_kwargs") or {}
        name = of_adapter.get("_adapter_model_path") or pretrained_model_name_or_path
        hub_options = hub_options_in(kwargs if name == pretrained_model_name_or_path else of_adapter)
        folder = adapter_folder(name, **hub_options)
        if folder is None:
            return super().from_pretrained(pretrained_model_name_or_path, *model_args, config=config, **kwargs)
        for option in ("adapter_kwargs", "revision", "subfolder"):  # of the adapter, not of its base
            kwargs.pop(option, None)
        has_config = (folder / CONFIG_NAME).is_file()
        # An Auto class gives the configuration of the base model if it does not look at that of the adapter.
        if config is None or (has_config and name != pretrained_model_name_or_path):
            config, kwargs = config_and_options(cls.config_class, folder if has_config else base_of(folder), kwargs)
        wants_info = kwargs.pop("output_loading_info", False)
        trained = getattr(sys.modules[cls.__module__], class_of(folder, config if has_config else None), cls)
        base, info = load_base(super(LoadsAdapters, trained).from_pretrained, folder, config, **kwargs)
        model = merged(base, folder)
        if trained is not cls:
            kwargs |= {"config": config, "state_dict": model.state_dict(), "output_loading_info": True}
            model, info = super().from_pretrained(None, **kwargs)
        return (model, info) if wants_info else model


def _refuse_exported(name: str | os.PathLike | None):
    if name is not None and os.path.isfile(os.path.join(name, _EXPORTED)):
        raise OSError(
            f"'{name}' is an exported model. lgi_former.ExportedModel.from_pretrained('{name}') loads it. Give the "
            f"result to pipeline(...) as model, with video_processor='{name}' and device='cpu'."
        )


def adapter_folder(name: str | os.PathLike | None, **hub_options) -> Path | None:
    """The local folder of an adapter. A repository of the Hub is downloaded.

    Returns:
        None if there is no adapter, or if whole weights are beside it.
    """
    if name is None:
        return None
    if os.path.isdir(name):
        folder = Path(name, hub_options.get("subfolder") or "")
        has_weights = any((folder / weights).exists() for weights in _WHOLE_WEIGHTS)
        return folder if (folder / ADAPTER_CONFIG_NAME).is_file() and not has_weights else None
    if os.path.exists(name) or not is_peft_available():
        return None
    found = find_adapter_config_file(str(name), **hub_options)
    if found is None:
        return None
    for file in (CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME):
        cached_file(name, file, **hub_options, _raise_exceptions_for_missing_entries=False)
    return Path(found).parent


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
    settings, base = settings_of(adapter), base_of(adapter)
    if settings.get("revision"):  # PEFT writes here which revision of the base model it needs
        options = {**options, "revision": settings["revision"]}
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


def settings_of(adapter: Path) -> dict:
    """The configuration of PEFT in the folder of an adapter."""
    return json.loads((adapter / ADAPTER_CONFIG_NAME).read_text(encoding="utf-8"))


def class_of(adapter: Path, config: PreTrainedConfig | None) -> str:
    """The name of the model class that an adapter was trained with, as PEFT or the adapter's configuration says."""
    mapping = settings_of(adapter).get("auto_mapping") or {}
    return mapping.get("base_model_class") or (getattr(config, "architectures", None) or [""])[0]


def base_of(adapter: Path) -> str:
    """The base model of an adapter, a folder or a repository. Raises a FileNotFoundError if the folder is missing."""
    base = settings_of(adapter).get("base_model_name_or_path") or ""
    is_repository = base.count("/") == 1 and not os.path.isdir(base.split("/")[0])
    if os.path.isdir(base) or is_repository:
        return base
    fault = f"There is no folder '{base}', the base model of the adapter {adapter}."
    if not base:
        fault = f"The adapter {adapter} does not name its base model."
    raise FileNotFoundError(
        f"{fault} Write its folder or repository as base_model_name_or_path in {ADAPTER_CONFIG_NAME}."
    )


def _missing_weights(model: PreTrainedModel, info: dict, settings: dict) -> list[str]:
    """Weights that neither the base model nor its adapter has in the right shape. New norms are always the same."""
    saved_whole = settings.get("modules_to_save") or []
    missing = {name for name, *_ in info["mismatched_keys"]}
    for name in info["missing_keys"]:
        if not isinstance(model.get_submodule(name.rpartition(".")[0]), nn.LayerNorm):
            missing.add(name)
    return sorted(name for name in missing if not _is_in_any(name, saved_whole))


def _is_in_any(weight: str, modules: list[str]) -> bool:
    """Whether a weight belongs to one of these modules, at any depth: `a.classifier.bias` to `classifier`."""
    return any(f".{module}." in f".{weight}" for module in modules)


def merged(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """Merge an adapter into the weights of its base model, in place. All weights can be trained.

    `load_adapter` of Transformers 5.17 would leave out the modules that the adapter saved whole.

    Raises:
        ImportError: If PEFT is not installed.
        ValueError: If the adapter does not fit the model.
    """
    try:  # without it, Transformers would ask all users of a model's code to install PEFT
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(f"{adapter} {_NEEDS_PEFT}") from error
    if settings_of(adapter).get("megatron_config"):
        raise ValueError(
            f"{adapter / ADAPTER_CONFIG_NAME} has a megatron_config, for which PEFT imports any module that the file "
            "names. LGI-Former needs none: remove the field."
        )
    try:
        model = PeftModel.from_pretrained(base, str(adapter))
    except RuntimeError as error:  # weights of another shape
        shapes = " ".join(str(error).splitlines()[-1].split()).rstrip(".")
        raise ValueError(
            f"{adapter} does not fit its base model with {base.config.num_labels} labels ({shapes}). Save the "
            "config.json of the trained model beside the adapter, or pass its id2label."
        ) from error
    weights = adapter / ADAPTER_SAFE_WEIGHTS_NAME
    if weights.is_file():
        with safe_open(weights, "pt") as saved:  # PEFT only warns of missing weights
            different = get_peft_model_state_dict(model, save_embedding_layers=False).keys() ^ set(saved.keys())
        if different:
            raise ValueError(
                f"{adapter} is the adapter of another model: they differ in {min(different)}. Write the base model "
                f"that the adapter was trained on as base_model_name_or_path in {ADAPTER_CONFIG_NAME}."
            )
    return model.merge_and_unload().requires_grad_(True).eval()
