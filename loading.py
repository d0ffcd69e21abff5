"""A fine-tuned classifier and its processor, from a directory or the Hub."""

import contextlib
import os

import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import AutoModelForVideoClassification, AutoVideoProcessor, PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor


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
    _check_name(model_name_or_path)
    device = torch.device(device or torch.accelerator.current_accelerator(check_available=True) or "cpu")
    torch.empty(0, device=device)  # a device that is not there is told before the download, not after
    with naming(model_name_or_path):
        model, loading_info = AutoModelForVideoClassification.from_pretrained(
            model_name_or_path, output_loading_info=True, trust_remote_code=False
        )
    if loading_info["missing_keys"]:
        raise ValueError(
            f"{model_name_or_path} has no weights for {', '.join(sorted(loading_info['missing_keys']))}: it is not a "
            "fine-tuned classifier, but perhaps a pre-trained model. Fine-tune it first; predictions of an untrained "
            "head would mean nothing."
        )
    with naming(model_name_or_path):
        processor = AutoVideoProcessor.from_pretrained(model_name_or_path, trust_remote_code=False)
    return model.to(device).eval(), processor


@contextlib.contextmanager
def naming(model_name_or_path: str):
    """Within it, errors of loading name the model, which those of Transformers do not always."""
    try:
        yield
    except OSError as error:
        message = str(error)
        if str(model_name_or_path) in message:
            raise
        raise OSError(f"{model_name_or_path} cannot be loaded: {message}") from error


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
