"""The model to train: from a checkpoint of LGI-Former or VideoMAE, or from scratch."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from ...configuration import LGIFormerConfig
from ...conversion import convert_mae_dfer_checkpoint
from ...hub.loading import naming
from ...image_processing import LGIFormerVideoProcessor
from ...messages import nearest
from ...modeling_lgi_former import RegionTubeMasking
from .arguments import ModelArguments


logger = logging.get_logger(__name__)

FAMILIES = ("lgi_former", "videomae")
NEW_IN_CLASSIFIERS = ("classifier.", "fc_norm.", "lgi_former.pooler.")  # what a pre-trained model has not got


def load_model_to_pretrain(arguments: ModelArguments, mask_ratio: float) -> PreTrainedModel:
    """The masked autoencoder to pre-train, new or to be trained on.

    Raises:
        ValueError: If the configuration clashes, or a checkpoint is not of a masked autoencoder.
        OSError: If there is no such model.
    """

    def set_mask_ratio(config):
        if isinstance(config, LGIFormerConfig):  # VideoMAE takes what masks it is given
            config.mask_ratio = mask_ratio

    return _load(AutoModelForPreTraining, arguments, arguments.config_fields, set_mask_ratio, may_be_new=())


def load_model_to_finetune(
    arguments: ModelArguments, label_names: Sequence[str], drop_path_rate: float = 0.0
) -> PreTrainedModel:
    """The classifier to fine-tune: a pre-trained encoder with a new head, or a classifier to be trained on.

    A classifier of the same number of classes keeps its head; one of another number gets a new one. The problem type
    is the default, one class a video, unless `arguments` set another one.

    Raises:
        ValueError: If the configuration clashes, or a checkpoint does not hold the whole encoder.
        OSError: If there is no such model.
    """
    # A starting model that predicts numbers or several labels gets another task.
    fields = (
        {"problem_type": None}
        | arguments.config_fields
        | {
            "id2label": dict(enumerate(label_names)),
            "label2id": {name: index for index, name in enumerate(label_names)},
        }
    )

    def set_drop_path(config):
        if isinstance(config, LGIFormerConfig):
            config.drop_path_rate = drop_path_rate
        elif drop_path_rate:
            logger.warning(
                f"drop_path_rate={drop_path_rate} has no effect: VideoMAE has no stochastic depth in Transformers."
            )

    return _load(AutoModelForVideoClassification, arguments, fields, set_drop_path, may_be_new=NEW_IN_CLASSIFIERS)


def make_masking(config: PreTrainedConfig, mask_ratio: float, symmetry: str | None = None) -> RegionTubeMasking:
    """Masks for a model's clips. VideoMAE's tube masking is that of one region as large as the frame.

    Raises:
        ValueError: If the ratio or symmetry does not fit the regions.
    """
    if isinstance(config, LGIFormerConfig):
        return RegionTubeMasking(config, symmetry)
    grid = (config.num_frames // config.tubelet_size, *2 * (config.image_size // config.patch_size,))
    one_region = LGIFormerConfig(
        image_size=config.image_size,
        patch_size=config.patch_size,
        num_frames=config.num_frames,
        tubelet_size=config.tubelet_size,
        region_size=grid,
        mask_ratio=mask_ratio,
    )
    return RegionTubeMasking(one_region, symmetry)


def starting_sampling_rate(arguments: ModelArguments) -> int:
    """The step between frames that the starting model's processor takes; the published one where it has none."""
    published = LGIFormerVideoProcessor.sampling_rate
    if arguments.model_name_or_path is None:
        return published
    with _as_directory(arguments.model_name_or_path) as path:
        try:
            settings, _ = LGIFormerVideoProcessor.get_video_processor_dict(path)
        except OSError:  # there is no processor beside the model
            return published
    return settings.get("sampling_rate") or published


def _load(
    auto_class: type,
    arguments: ModelArguments,
    fields: dict,
    set_options: Callable[[PreTrainedConfig], None],
    may_be_new: tuple[str, ...],
) -> PreTrainedModel:
    """The model that the arguments name, with these fields of its configuration.

    Args:
        auto_class: What it is loaded or made by.
        set_options: Sets what one family has and the other not.
        may_be_new: How names of weights begin that a checkpoint may lack.
    """
    if arguments.model_name_or_path is None:
        config = _new_config(arguments, fields)
        set_options(config)
        return auto_class.from_config(config)
    with _as_directory(arguments.model_name_or_path) as path:
        config = _stored_config(path, fields)
        set_options(config)
        model, found = auto_class.from_pretrained(
            path, config=config, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    resized = [name for name, *_ in found["mismatched_keys"]]
    _refuse_missing([*found["missing_keys"], *resized], arguments.model_name_or_path, may_be_new)
    return model


@contextlib.contextmanager
def _as_directory(model_name_or_path: str):
    """Within it, a name that `from_pretrained` takes: a published `.pth` file is converted."""
    if Path(model_name_or_path).suffix not in (".pth", ".pt"):
        yield model_name_or_path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield str(convert_mae_dfer_checkpoint(model_name_or_path, folder))


def _new_config(arguments, fields):
    if arguments.config_name is not None:
        return _stored_config(arguments.config_name, fields)
    config = AutoConfig.for_model(arguments.model_type)
    _check_fields(config, fields)
    return type(config)(**fields)


def _stored_config(path, fields):
    with naming(path):
        config = AutoConfig.from_pretrained(path)
    _check_fields(config, fields)
    # Made anew, so that fields which clash are found here.
    return type(config).from_dict(config.to_dict() | fields)


def _check_fields(config, fields):
    if config.model_type not in FAMILIES:
        raise ValueError(f"A {config.model_type!r} cannot be trained here, only {' and '.join(FAMILIES)}.")
    known = config.to_dict()
    for name in fields:
        if name not in known:
            raise ValueError(f"{type(config).__name__} has no field {name!r}{nearest(name, list(known))}")


def _refuse_missing(names, model_name_or_path, may_be_new):
    missing = sorted(name for name in names if not name.startswith(may_be_new))
    if missing:
        raise ValueError(
            f"{model_name_or_path} has no weights, or of another size, for {', '.join(missing[:5])}"
            f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}: it is another model than was asked for. "
            "Check the model and the options that change its configuration."
        )
