"""Loads models to run them: ordinary models and exported ones."""

import os

import torch
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub import loading
from ..hub.exported_folder import is_exported
from ..hub.model_kind import kind_of
from ..hub.processor_loading import load_processor
from ..modeling_lgi_former import LGIFormerModel
from .exported_model import ExportedModel, check_device


def load_classifier(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[PreTrainedModel | ExportedModel, BaseVideoProcessor]:
    """Load a fine-tuned or exported video classifier, in eval mode, and its processor.

    Arguments and errors are those of `hub.loading.load_classifier`. Exported models compute on the CPU.
    """
    if is_exported(model_name_or_path):
        return _load_exported(model_name_or_path, device, "classifier", "a fine-tuned classifier")
    return loading.load_classifier(model_name_or_path, device)


def load_encoder(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[LGIFormerModel | ExportedModel, BaseVideoProcessor]:
    """Load the encoder of any LGI-Former or an exported encoder, in eval mode, and its processor.

    Arguments and errors are those of `hub.loading.load_encoder`. Exported models compute on the CPU.
    """
    if is_exported(model_name_or_path):
        return _load_exported(model_name_or_path, device, "encoder", "an encoder")
    return loading.load_encoder(model_name_or_path, device)


class ExportedClassifier:
    """Loads exported models for `pipeline`, after `AutoModelForVideoClassification` found no weights."""

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, **options) -> ExportedModel:
        """Load an exported model. `options` are those of `AutoModelForVideoClassification`.

        Raises:
            ValueError: If `options` ask for a `device_map`, or a `dtype` other than float32.
            OSError, ValueError: As for `ExportedModel.from_pretrained`.
        """
        if options.get("dtype") not in (None, "auto", torch.float32) or options.get("device_map") is not None:
            raise ValueError("An exported model computes in float32 on the CPU: leave out dtype and device_map.")
        return ExportedModel.from_pretrained(folder)


def _load_exported(folder: str, device, kind: str, wanted: str) -> tuple[ExportedModel, BaseVideoProcessor]:
    check_device(device)
    model = ExportedModel.from_pretrained(folder)
    if kind_of(model.config.architectures) != kind:
        raise ValueError(
            f"{folder} is an exported {model.config.architectures[0]}, but this needs {wanted}. Export such a model."
        )
    return model, load_processor(folder)
