"""Loads models to run them: ordinary models and exported ones."""

import os

import torch
from transformers import AutoModelForVideoClassification, AutoVideoProcessor, PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub import loading
from ..hub.exported_folder import is_exported
from ..modeling_lgi_former import LGIFormerModel
from .exported_model import ExportedModel, check_device, kind_of


def load_classifier(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[PreTrainedModel | ExportedModel, BaseVideoProcessor]:
    """Load a fine-tuned or exported video classifier, in eval mode, and its processor.

    Arguments and errors are those of `hub.loading.load_classifier`. Exported models compute on the CPU.
    """
    if is_exported(model_name_or_path):
        return _load_exported(model_name_or_path, device, "ForVideoClassification", "a fine-tuned classifier")
    return loading.load_classifier(model_name_or_path, device)


def load_encoder(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[LGIFormerModel | ExportedModel, BaseVideoProcessor]:
    """Load the encoder of any LGI-Former or an exported encoder, in eval mode, and its processor.

    Arguments and errors are those of `hub.loading.load_encoder`. Exported models compute on the CPU.
    """
    if is_exported(model_name_or_path):
        return _load_exported(model_name_or_path, device, "Model", "an encoder")
    return loading.load_encoder(model_name_or_path, device)


class AutoClassifier(AutoModelForVideoClassification):
    """`AutoModelForVideoClassification` that also loads exported models, for `pipeline` with our task."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, *args, **kwargs):
        """Load a model. An exported model takes no options of models: they are refused.

        Raises:
            ValueError: If a `device_map`, or a `dtype` other than float32 is asked for an exported model.
            OSError, ValueError: As for the class that loads the model.
        """
        if not is_exported(pretrained_model_name_or_path):
            return AutoModelForVideoClassification.from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        if kwargs.get("dtype") not in (None, "auto", torch.float32) or kwargs.get("device_map") is not None:
            raise ValueError("An exported model computes in float32 on the CPU: leave out dtype and device_map.")
        return ExportedModel.from_pretrained(pretrained_model_name_or_path)


def _load_exported(folder: str, device, kind: str, wanted: str) -> tuple[ExportedModel, BaseVideoProcessor]:
    check_device(device)
    model = ExportedModel.from_pretrained(folder)
    if kind_of(model.config) != kind:
        raise ValueError(
            f"{folder} is an exported {model.config.architectures[0]}, but this needs {wanted}. Export such a model."
        )
    with loading.loading_errors(folder):
        return model, AutoVideoProcessor.from_pretrained(folder, trust_remote_code=False)
