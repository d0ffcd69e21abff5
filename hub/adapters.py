"""Adapters of PEFT as whole models, for the commands."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from transformers import AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification, PreTrainedConfig

from ..extras import require_extra
from ..modeling_lgi_former.adapters import adapter_folder, class_of, load_base, merged
from .model_kind import kind_of


AUTO_CLASSES = {
    "classifier": AutoModelForVideoClassification,
    "autoencoder": AutoModelForPreTraining,
    "encoder": AutoModel,
}


@contextlib.contextmanager
def whole_model(
    model_name_or_path: str | os.PathLike, config: PreTrainedConfig, revision: str | None = None
) -> Iterator[str | os.PathLike]:
    """Yield a temporary folder with the merged weights of an adapter. Any other name is yielded as it is.

    Args:
        model_name_or_path: A directory or the name of a Hub repository.
        config: Its configuration.
        revision: The revision of the repository. The base model of an adapter has its own, which the adapter names.

    Raises:
        MissingExtraError: If PEFT is not installed.
        OSError, ValueError: If the base model is missing, or is not that of the adapter.
    """
    folder = adapter_folder(model_name_or_path, revision=revision)
    if folder is None:
        yield model_name_or_path
        return
    require_extra("peft", f"{model_name_or_path} is an adapter.")
    own_config = type(config).from_pretrained(folder)
    auto_class = AUTO_CLASSES[kind_of([class_of(folder, own_config)])]
    base, _ = load_base(auto_class.from_pretrained, folder, own_config, trust_remote_code=False)
    with tempfile.TemporaryDirectory() as whole:
        merged(base, folder).save_pretrained(whole)
        yield whole
