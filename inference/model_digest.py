"""A digest of a model, which tells whether two runs used the same one."""

import hashlib
import json

import torch
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..hub.exported_folder import is_exported, read_description
from .exported_model import ExportedModel


_NOT_HASHED = ("transformers_version", "_name_or_path", "_commit_hash")  # they do not change the results


def model_digest(model: PreTrainedModel | ExportedModel, processor: BaseVideoProcessor, folder: str) -> str:
    """A digest of the weights, the configuration and the settings of the processor, as 16 hexadecimal digits.

    Args:
        folder: The folder of an exported model. It is not used for other models.
    """
    digest = hashlib.sha256()
    for settings in (model.config.to_dict(), processor.to_dict()):
        hashed = {name: value for name, value in settings.items() if name not in _NOT_HASHED}
        digest.update(json.dumps(hashed, sort_keys=True, default=str).encode())
    if is_exported(folder):
        digest.update(json.dumps(read_description(folder).sha256, sort_keys=True).encode())
    else:
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
