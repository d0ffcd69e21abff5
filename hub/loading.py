"""A model and its processor, from a directory or the Hub: classifier, masked autoencoder or bare encoder."""

import contextlib
import os

import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.video_processing_utils import BaseVideoProcessor

from ..configuration import LGIFormerConfig
from ..image_processing import LGIFormerVideoProcessor
from ..image_processing.decoding.decoder_backends import chosen_backend
from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerModel


def load_classifier(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a fine-tuned video classifier, in eval mode, and its processor.

    Args:
        model_name_or_path: A directory that `save_pretrained` or `lgi-former convert` wrote, or a Hub repository.
        device: Where to put the model, as `torch.device` takes it; without it, the accelerator of this machine if
            there is one (CUDA, MPS, ...), else the CPU.

    Raises:
        OSError, ValueError: If there is no such model, or it cannot be read.
        ValueError: If weights are missing, as the head of a model that was pre-trained but not fine-tuned is.
        RuntimeError: If there is no such device.
    """
    return _load(
        AutoModelForVideoClassification,
        model_name_or_path,
        device,
        "it is not a fine-tuned classifier, but perhaps a pre-trained model. Fine-tune it first; predictions of an "
        "untrained head would mean nothing",
    )


def load_autoencoder(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[LGIFormerForPreTraining, BaseVideoProcessor]:
    """Load a pre-trained LGI-Former with its decoder, in eval mode, and its processor; otherwise as `load_classifier`.

    Raises:
        OSError, ValueError: If there is no such model, it cannot be read, or it is not an LGI-Former.
        ValueError: If weights are missing, as the decoder of a classifier is.
        RuntimeError: If there is no such device.
    """
    _check_family(model_name_or_path)
    return _load(
        AutoModelForPreTraining,
        model_name_or_path,
        device,
        "it is not a masked autoencoder. Give the model of pre-training, not one that was fine-tuned from it",
    )


def load_encoder(
    model_name_or_path: str, device: str | torch.device | None = None
) -> tuple[LGIFormerModel, BaseVideoProcessor]:
    """Load the encoder of any LGI-Former (pre-trained, fine-tuned or bare), in eval mode, and its processor; otherwise
    as `load_classifier`.

    Raises:
        OSError, ValueError: If there is no such model, it cannot be read, or it is not a whole LGI-Former.
        RuntimeError: If there is no such device.
    """
    _check_family(model_name_or_path)
    return _load(AutoModel, model_name_or_path, device, "it is not a whole LGI-Former")


def set_reading(processor: BaseVideoProcessor, backend: str | None, frame_order: str | None):
    """Make a processor read videos with another backend, or frames in another order; None leaves it as it is.

    Raises:
        ValueError: If the backend is not installed, or the processor is of another family, which has no such settings.
    """
    settings = {"backend": backend, "frame_order": frame_order}
    settings = {name: value for name, value in settings.items() if value is not None}
    if not settings:
        return
    if not isinstance(processor, LGIFormerVideoProcessor):
        raise ValueError(
            f"{' and '.join(f'--{name}' for name in settings)} cannot be used here, because the model's processor is "
            f"a {type(processor).__name__}, which reads videos in its own way."
        )
    if backend is not None:
        chosen_backend(backend)
    for name, value in settings.items():
        setattr(processor, name, value)


def is_autoencoder(model_name_or_path: str) -> bool:
    """Whether a model was saved as a masked autoencoder, so that `load_autoencoder` rather than `load_classifier` is
    the function for it.

    Raises:
        OSError, ValueError: If there is no such model, or its configuration cannot be read.
    """
    architectures = _stored_config(model_name_or_path).architectures
    return any(name.endswith("ForPreTraining") for name in architectures or [])


def _load(
    auto_class: type, model_name_or_path: str, device: str | torch.device | None, if_incomplete: str
) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a model of a class, all of whose weights must be there; `if_incomplete` says what it means if not."""
    _check_name(model_name_or_path)
    device = torch.device(device or torch.accelerator.current_accelerator(check_available=True) or "cpu")
    torch.empty(0, device=device)  # a device that is not there is told before the download, not after
    with naming(model_name_or_path):
        model, loading_info = auto_class.from_pretrained(
            model_name_or_path, output_loading_info=True, trust_remote_code=False
        )
    missing = sorted(loading_info["missing_keys"])
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(f"{model_name_or_path} has no weights for {', '.join(missing[:5])}{more}: {if_incomplete}.")
    with naming(model_name_or_path):
        processor = AutoVideoProcessor.from_pretrained(model_name_or_path, trust_remote_code=False)
    return model.to(device).eval(), processor


def _stored_config(model_name_or_path: str) -> PreTrainedConfig:
    _check_name(model_name_or_path)
    with naming(model_name_or_path):
        return AutoConfig.from_pretrained(model_name_or_path, trust_remote_code=False)


def _check_family(model_name_or_path: str):
    model_type = _stored_config(model_name_or_path).model_type
    if model_type != LGIFormerConfig.model_type:
        raise ValueError(f"{model_name_or_path} is a {model_type!r}, but this works with an LGI-Former only.")


@contextlib.contextmanager
def naming(model_name_or_path: str):
    """Within it, errors of loading name the model, which those of Transformers do not always, and say that it is no
    folder here, if so: the name of a folder, misspelt, is asked for at the Hub."""
    try:
        yield
    except OSError as error:
        message = str(error)
        if str(model_name_or_path) in message:
            raise
        model = model_name_or_path
        if not os.path.isdir(model):
            model = f"There is no folder '{model}' here, and the model of that name on the Hub"
        raise OSError(f"{model} cannot be loaded: {message}") from error


def _check_name(model_name_or_path: str):
    if os.path.isdir(model_name_or_path):
        return
    try:
        validate_repo_id(str(model_name_or_path))
        is_repository_name = not os.path.isfile(model_name_or_path)
    except HFValidationError:
        is_repository_name = False
    if not is_repository_name:
        raise FileNotFoundError(
            f"{model_name_or_path} is neither a directory nor the name of a Hub repository; convert a published .pth "
            "file with `lgi-former convert` first."
        )
