"""Loading a checkpoint into a model for clips of another size."""

import copy
import os

import torch
from torch import nn
from transformers import PreTrainedConfig

from .decoder import LGIFormerDecoder
from .embeddings import LGIFormerEmbeddings


_CLIP_SIZE_FIELDS = ("image_size", "num_frames", "region_size")
_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder", "proxies")


class AdaptsToClipSize:
    """Base class whose `from_pretrained` can change the clip size.

    `from_pretrained(path, num_frames=64)` loads a checkpoint of 16 frames. It computes new positions and interpolates
    representative tokens over the grid of regions.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, config=None, **kwargs):
        """Load a model as Transformers does. `image_size`, `num_frames` and `region_size` may differ from its own.

        Raises:
            ValueError: If the fields of the configuration clash.
        """
        if config is None and not any(name in kwargs for name in _CLIP_SIZE_FIELDS):
            return super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        hub_options = hub_options_in(kwargs)
        if not isinstance(config, PreTrainedConfig):
            config, kwargs = config_and_options(cls.config_class, config or pretrained_model_name_or_path, kwargs)
            kwargs |= hub_options
        stored = _stored_config(cls.config_class, pretrained_model_name_or_path, hub_options)
        if stored is None or stored.region_grid == config.region_grid:
            return super().from_pretrained(pretrained_model_name_or_path, *model_args, config=config, **kwargs)

        config.validate_architecture()
        loading_config = copy.deepcopy(config)
        for name in _CLIP_SIZE_FIELDS:
            setattr(loading_config, name, getattr(stored, name))
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, config=loading_config, **kwargs)
        _resize_clips(loaded[0] if isinstance(loaded, tuple) else loaded, config)
        return loaded


def hub_options_in(options: dict) -> dict:
    """The options of `from_pretrained` that say where a file of the Hub is."""
    return {name: options[name] for name in _HUB_OPTIONS if name in options}


def config_and_options(
    config_class: type[PreTrainedConfig], source: str | os.PathLike, options: dict
) -> tuple[PreTrainedConfig, dict]:
    """Load a configuration. Options of `from_pretrained` that are its fields change it.

    Returns:
        The configuration, and the options that are not its fields.
    """
    # The model interprets these itself. The configuration would store "auto" as a dtype.
    names = ("dtype", "torch_dtype", "attn_implementation")
    options_of_model = {name: options[name] for name in names if name in options}
    fields = {name: value for name, value in options.items() if name not in names}
    config, unused = config_class.from_pretrained(source, return_unused_kwargs=True, **fields)
    return config, unused | options_of_model


def _stored_config(config_class, pretrained_model_name_or_path, hub_options):
    """The configuration that a checkpoint was saved with. None if it has none, or one of another family."""
    if pretrained_model_name_or_path is None:
        return None
    try:
        fields, _ = PreTrainedConfig.get_config_dict(pretrained_model_name_or_path, **hub_options)
    except OSError:  # weights without a configuration
        return None
    return config_class(**fields) if fields.get("model_type") == config_class.model_type else None


def _resize_clips(model: nn.Module, config: PreTrainedConfig):
    """Change a loaded model to the clip size of `config`, in place. All modules share the model's configuration."""
    previous_grid = model.config.region_grid
    for name in _CLIP_SIZE_FIELDS:
        setattr(model.config, name, getattr(config, name))
    for module in model.modules():
        if isinstance(module, LGIFormerEmbeddings):
            tokens = _interpolate(module.representative_tokens, previous_grid, model.config.region_grid)
            module.representative_tokens = nn.Parameter(tokens)
        if isinstance(module, LGIFormerEmbeddings | LGIFormerDecoder):
            module.position_embeddings = module.position_table().to(module.position_embeddings)


@torch.no_grad()
def _interpolate(tokens: torch.Tensor, previous_grid, grid) -> torch.Tensor:
    """Trilinear interpolation of (regions, width) from one grid of regions to another."""
    if tokens.is_meta:
        raise ValueError(
            "The checkpoint was trained on clips of another size, but its representative tokens are offloaded and "
            "cannot be interpolated. Load the checkpoint without offloading and save it, then load the saved model."
        )
    volume = tokens.float().T.unflatten(1, previous_grid)[None]
    volume = nn.functional.interpolate(volume, size=grid, mode="trilinear")
    return volume[0].flatten(1).T.to(tokens.dtype).contiguous()
