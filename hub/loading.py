"""Loads models, their configurations and their processors from a directory or the Hub.

All commands load models here. Code beside a model never runs. LGI-Former models use the code of this package, and
models of other families use the code of Transformers.
"""

import contextlib
import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    PreTrainedConfig,
    PreTrainedModel,
    VideoMAEConfig,
)
from transformers.utils import ADAPTER_CONFIG_NAME, CONFIG_NAME, cached_file
from transformers.video_processing_utils import BaseVideoProcessor

from ..configuration import LGIFormerConfig
from ..extras import MissingExtraError
from ..image_processing import LGIFormerVideoProcessor
from ..image_processing.decoding.decoder_backends import chosen_backend
from ..messages import announce_if_slow, first_line
from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerModel
from .adapters import AUTO_CLASSES, whole_model
from .config_checks import config_class_of
from .exported_folder import check_not_exported
from .json_objects import read_object
from .load_report import report_differences, without_load_report
from .loading_errors import loading_errors
from .model_kind import kind_of
from .model_names import check_model_name, check_reachable, split_revision, with_revision
from .processor_loading import load_processor
from .repository_files import only_variants
from .weight_files import (
    COPY_AGAIN,
    Shapes,
    check_finite,
    check_shapes,
    check_weight_files,
    checked_weight_files,
    weights_path,
)
from .wrong_fields import made_from_file


def load_classifier(
    model_name_or_path: str, device: str | torch.device | None = None, revision: str | None = None
) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a fine-tuned video classifier, in eval mode, and its processor.

    Args:
        model_name_or_path: A directory that `save_pretrained` or `lgi-former convert` wrote, or a Hub repository:
            `owner/name` or `owner/name@revision`.
        device: The device of the model. The default is the accelerator of this machine (CUDA, MPS, ...), or else the
            CPU.
        revision: The branch, tag or commit of a Hub repository, unless the name has one. The default is `main`.

    Raises:
        OSError, ValueError: If there is no such model or revision, or it cannot be read.
        ValueError: If the model needs its own code, is not a video classifier, or has no weights for the head.
        RuntimeError: If there is no such device.
    """
    name, commit = pinned(model_name_or_path, revision)
    config = _config_of_model(name, commit)
    if type(config) not in MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING:
        raise ValueError(
            f"{name} is a {config.model_type!r}, which Transformers cannot load as a video classifier. "
            "Give a fine-tuned video classifier."
        )
    return _load(
        AutoModelForVideoClassification,
        name,
        commit,
        config,
        device,
        "it is not a fine-tuned classifier, but perhaps a pre-trained model. Fine-tune it first. Predictions of an "
        "untrained head mean nothing",
    )


def load_autoencoder(
    model_name_or_path: str, device: str | torch.device | None = None, revision: str | None = None
) -> tuple[LGIFormerForPreTraining, BaseVideoProcessor]:
    """Load a pre-trained LGI-Former with its decoder, in eval mode, and its processor.

    Arguments are those of `load_classifier`.

    Raises:
        OSError, ValueError: If there is no such model, it cannot be read, or it is not an LGI-Former.
        ValueError: If weights are missing. A classifier has no weights of the decoder.
        RuntimeError: If there is no such device.
    """
    name, commit = pinned(model_name_or_path, revision)
    return _load(
        AutoModelForPreTraining,
        name,
        commit,
        _config_of_lgi_former(name, commit),
        device,
        "it is not a masked autoencoder. Give the pre-trained model, not one that was fine-tuned from it",
    )


def load_encoder(
    model_name_or_path: str, device: str | torch.device | None = None, revision: str | None = None
) -> tuple[LGIFormerModel, BaseVideoProcessor]:
    """Load the encoder of any LGI-Former (pre-trained, fine-tuned or bare), in eval mode, and its processor.

    Arguments are those of `load_classifier`.

    Raises:
        OSError, ValueError: If there is no such model, it cannot be read, or it is not a complete LGI-Former.
        RuntimeError: If there is no such device.
    """
    name, commit = pinned(model_name_or_path, revision)
    config = _config_of_lgi_former(name, commit)
    return _load(AutoModel, name, commit, config, device, "it is not a complete LGI-Former")


def load_config(model_name_or_path: str | os.PathLike, revision: str | None = None) -> PreTrainedConfig:
    """Load the configuration of a model of any family.

    Args:
        model_name_or_path: A directory, a JSON file, or a Hub repository: `owner/name` or `owner/name@revision`.
        revision: As for `load_classifier`.

    Raises:
        OSError: If there is no such configuration or revision, it cannot be read, the Hub does not answer, or the
            name looks like a misspelt path.
        ValueError: If Transformers does not know the model's family, or the file holds no JSON object or a value of a
            wrong type. Code beside the model never runs.
    """
    name, commit = pinned(model_name_or_path, revision)
    with loading_errors(name):
        if os.path.isdir(name) and not os.path.isfile(os.path.join(name, CONFIG_NAME)):
            if os.path.isfile(os.path.join(name, ADAPTER_CONFIG_NAME)):
                raise FileNotFoundError(
                    f"{name} is an adapter without a {CONFIG_NAME}, so its classes are unknown. Save the "
                    "configuration of the trained model beside it, as LGIFormerTrainer does."
                )
            raise FileNotFoundError(
                f"{name} is not the folder of a model: it has no {CONFIG_NAME}. Give a folder that training, "
                "`lgi-former convert` or `save_pretrained` wrote."
            )
        path = name if os.path.isfile(name) else cached_file(name, CONFIG_NAME, revision=commit)
        fields = read_object(path)
        config_class = config_class_of(name, path, fields)
        return made_from_file(
            path,
            fields,
            config_class.from_dict,
            lambda: AutoConfig.from_pretrained(name, revision=commit, trust_remote_code=False),
        )


def pinned(model_name_or_path: str | os.PathLike, revision: str | None = None) -> tuple[str, str | None]:
    """Find the commit that the revision of a Hub repository stands for now.

    All files that are loaded from this commit belong together. Later calls with it do not ask the Hub for known files.

    Args:
        model_name_or_path, revision: As for `load_config`.

    Returns:
        The name without its revision, and the commit. The commit is None for a local folder or file.

    Raises:
        OSError: If there is no such repository or revision, it has no configuration, or the Hub does not answer.
        ValueError: As `split_revision`.
    """
    name, revision = split_revision(model_name_or_path, revision)
    model, is_local = with_revision(name, revision), os.path.exists(name)
    check_model_name(model)
    asking = contextlib.nullcontext() if is_local else announce_if_slow(f"Asking the Hub for {model} ...")
    with loading_errors(model), asking:
        check_reachable(model)
        if is_local:
            return name, None
        return name, Path(cached_file(name, CONFIG_NAME, revision=revision)).parent.name


def load_weights(
    auto_class: Any, model_name_or_path: str, config: PreTrainedConfig, revision: str | None = None, **options
) -> tuple[PreTrainedModel, list[str]]:
    """Load a model on the CPU. Weights that are missing in the checkpoint are initialised.

    Args:
        auto_class: The Auto class of Transformers that loads the model.
        model_name_or_path: A directory or the name of a Hub repository. An adapter is merged into its base model.
        config: The configuration of the model, as from `load_config`.
        revision: The commit of a Hub repository, as from `pinned`.
        options: More options of `from_pretrained`.

    Returns:
        The model, and the sorted names of weights that are missing in the checkpoint or have another shape there.

    Raises:
        OSError, ValueError: If there is no such model, it cannot be read, or it is an exported model.
        MissingExtraError: If an adapter needs PEFT, which is not installed.
    """
    check_not_exported(model_name_or_path)
    is_local = os.path.isdir(model_name_or_path)
    if is_local and (variants := only_variants(os.listdir(model_name_or_path))):
        raise ValueError(
            f"{model_name_or_path} has only weights of the variant {variants[0]!r}. Load them with "
            f"from_pretrained(..., variant={variants[0]!r}), and save the model without a variant."
        )
    options = {"ignore_mismatched_sizes": True, "output_loading_info": True, "trust_remote_code": False} | options
    with checked_weight_files(model_name_or_path) as shapes:
        if shapes:
            _check_stored_shapes(model_name_or_path, shapes)
        model, loading_info = _from_pretrained(auto_class, model_name_or_path, config, revision, options)
    if not is_local:
        check_weight_files(Path(cached_file(model_name_or_path, CONFIG_NAME, revision=revision)).parent)
    check_finite(model, weights_path(model_name_or_path))
    resized = [name for name, *_ in loading_info["mismatched_keys"]]
    missing = sorted([*loading_info["missing_keys"], *resized])
    report_differences(model_name_or_path, missing, loading_info["unexpected_keys"])
    return model, missing


def _from_pretrained(
    auto_class: Any, model_name_or_path: str, config: PreTrainedConfig, revision: str | None, options: dict
) -> tuple[PreTrainedModel, dict]:
    """Call `from_pretrained`, whose errors name the model."""
    whole = whole_model(model_name_or_path, config, revision)
    with loading_errors(model_name_or_path), without_load_report(), whole as name:
        try:
            return auto_class.from_pretrained(name, config=config, revision=revision, **options)
        except (OSError, ValueError, MissingExtraError):
            raise
        except ImportError as error:  # a quantised model needs its package
            raise MissingExtraError(f"{model_name_or_path} needs a package: {first_line(error)}") from error
        except pickle.UnpicklingError as error:  # its own words advise to run the objects
            raise ValueError(
                f"{weights_path(model_name_or_path)} cannot be loaded: it holds objects that are no weights, or is "
                "damaged. Get the model with safetensors weights."
            ) from error
        except Exception as error:  # damaged weights have many errors
            adapter = Path(model_name_or_path, ADAPTER_CONFIG_NAME)
            file = adapter if adapter.is_file() else weights_path(model_name_or_path)
            raise ValueError(f"{file} cannot be loaded: {first_line(error).rstrip('.')}. {COPY_AGAIN}") from error


def first_names(names: Iterable[str]) -> str:
    """At most five names for an error message, and the number of the others."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"


def set_reading(processor: BaseVideoProcessor, backend: str | None, frame_order: str | None):
    """Set how a processor reads videos. None does not change a setting.

    Raises:
        ValueError: If the backend is not installed, or if the processor is of another family without such settings.
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


def is_autoencoder(model_name_or_path: str, revision: str | None = None) -> bool:
    """Whether a model was saved as a masked autoencoder, for `load_autoencoder`.

    Arguments are those of `load_config`.

    Raises:
        OSError, ValueError: If there is no such model or revision, or its configuration cannot be read.
    """
    return kind_of(_config_of_model(model_name_or_path, revision).architectures) == "autoencoder"


def _load(
    auto_class: Any,
    name: str,
    commit: str | None,
    config: PreTrainedConfig,
    device: str | torch.device | None,
    if_incomplete: str,
) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a complete model and its processor. `if_incomplete` explains missing weights in an error."""
    device = torch.device(device or torch.accelerator.current_accelerator(check_available=True) or "cpu")
    torch.empty(0, device=device)  # raises for a missing device before the download
    model, missing = load_weights(auto_class, name, config, commit)
    if missing:
        raise ValueError(f"{weights_path(name)} has no weights for {first_names(missing)}: {if_incomplete}.")
    return model.to(device).eval(), load_processor(name, commit)


def _config_of_model(model_name_or_path: str, revision: str | None = None) -> PreTrainedConfig:
    """Load the configuration of a model.

    Raises:
        FileNotFoundError: If the name is neither a directory nor the name of a Hub repository.
        OSError: If the Hub does not answer.
    """
    if os.path.isfile(model_name_or_path):
        raise FileNotFoundError(
            f"{model_name_or_path} is a file, not a directory. Convert a .pth file with `lgi-former convert`."
        )
    return load_config(model_name_or_path, revision)


def _check_stored_shapes(folder: str | os.PathLike, shapes: Shapes):
    """Compare weights with the configuration beside them, which may differ from the one to load with."""
    stored = load_config(folder)
    if isinstance(stored, LGIFormerConfig | VideoMAEConfig):
        auto_class: Any = AUTO_CLASSES[kind_of(stored.architectures)]
        check_shapes(folder, stored, shapes, lambda config: auto_class.from_config(config, trust_remote_code=False))


def _config_of_lgi_former(name: str, commit: str | None) -> PreTrainedConfig:
    config = _config_of_model(name, commit)
    if config.model_type != LGIFormerConfig.model_type:
        raise ValueError(f"{name} is a {config.model_type!r}, but this works with an LGI-Former only.")
    return config
