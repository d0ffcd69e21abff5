"""Adapters of PEFT as whole models, for the commands."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from transformers import AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification, PreTrainedConfig

from ..extras import require_extra
from ..modeling_lgi_former.adapters import adapter_folder, class_of, load_base, merged


@contextlib.contextmanager
def whole_model(model_name_or_path: str | os.PathLike, config: PreTrainedConfig) -> Iterator[str | os.PathLike]:
    """Yield a temporary folder with the merged weights of an adapter. Any other name is yielded as it is.

    Args:
        model_name_or_path: A directory or the name of a Hub repository.
        config: Its configuration.

    Raises:
        MissingExtraError: If PEFT is not installed.
        OSError, ValueError: If the base model is missing, or is not that of the adapter.
    """
    folder = adapter_folder(model_name_or_path)
    if folder is None:
        yield model_name_or_path
        return
    require_extra("peft", f"{model_name_or_path} is an adapter.")
    own_config = type(config).from_pretrained(folder)
    auto_class = _auto_class(class_of(folder, own_config))
    base, _ = load_base(auto_class.from_pretrained, folder, own_config, trust_remote_code=False)
    with tempfile.TemporaryDirectory() as whole:
        merged(base, folder).save_pretrained(whole)
        yield whole


def _auto_class(architecture: str):
    """The Auto class of a model class."""
    if architecture.endswith("ForVideoClassification"):
        return AutoModelForVideoClassification
    return AutoModelForPreTraining if architecture.endswith("ForPreTraining") else AutoModel
