"""The model to export: float32, on the CPU, in eval mode, with the processor of its clips."""

import copy
import os

import torch
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..configuration import LGIFormerConfig
from ..conversion import model_folder
from ..hub.loading import load_autoencoder, load_classifier, load_config, load_encoder, pinned
from ..hub.model_kind import kind_of
from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel


MODEL_CLASSES = (LGIFormerForVideoClassification, LGIFormerModel, LGIFormerForPreTraining)


def load_source(
    model: str | os.PathLike | PreTrainedModel, processor: BaseVideoProcessor | None, encoder_only: bool
) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a model by its name, or copy a model of this process.

    Returns:
        The model in float32 on the CPU, in eval mode, and its processor.

    Raises:
        OSError, ValueError: If the model cannot be loaded, or is of another family.
        ValueError: If weights are quantised or offloaded, if an adapter is not merged, or if a model of this process
            has no processor.
    """
    if isinstance(model, str | os.PathLike):
        model, own_processor = _load(model_folder(os.fspath(model)), encoder_only)
        processor = processor or own_processor
    else:
        _check_model(model)
        if processor is None:
            raise ValueError("A model of this process needs its processor: export_model(model, out, processor=...).")
        model = copy.deepcopy(model.base_model if encoder_only else model)
    _check_weights(model)
    return model.to("cpu", torch.float32).eval(), processor


def _load(name: str, encoder_only: bool):
    name, commit = pinned(name)
    config = load_config(name, commit)
    if config.model_type != LGIFormerConfig.model_type:
        raise ValueError(f"{name} is a {config.model_type!r}, but only an LGI-Former can be exported.")
    if getattr(config, "quantization_config", None):
        raise ValueError(f"{name} is quantised and cannot be exported. Give the model that was quantised.")
    architectures = config.architectures or []
    if encoder_only or LGIFormerModel.__name__ in architectures:
        load = load_encoder
    else:
        load = load_autoencoder if kind_of(architectures) == "autoencoder" else load_classifier
    return load(name, "cpu", commit)


def _check_model(model):
    """Check that an object is an LGI-Former without an adapter."""
    if hasattr(model, "merge_and_unload"):  # of PEFT
        raise ValueError("The model has an adapter. Merge it first, and export what model.merge_and_unload() returns.")
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError("The model has an adapter. Save it, and export the folder: loading merges the adapter.")
    if type(model) not in MODEL_CLASSES:
        names = ", ".join(kind.__name__ for kind in MODEL_CLASSES)
        raise ValueError(f"A {type(model).__name__} cannot be exported. Give the name of a model, or one of {names}.")


def _check_weights(model: PreTrainedModel):
    for name, weight in model.named_parameters():
        is_plain = type(weight) is torch.nn.Parameter and not hasattr(weight, "__tensor_flatten__")
        if weight.is_meta or not weight.is_floating_point() or not is_plain:
            raise ValueError(
                f"The weight {name} is quantised, sharded or offloaded, so the model cannot be exported. Load the "
                "model without quantization_config and device_map."
            )
