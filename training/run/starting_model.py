"""Makes the model that a run starts from: a checkpoint of LGI-Former or VideoMAE, or a new model."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from ...conversion import convert_mae_dfer_checkpoint, model_folder
from ...hub.loading import first_names, load_config, load_weights, pinned
from ...hub.loading_errors import loading_errors
from ...hub.model_kind import kind_of
from ...hub.processor_loading import check_processor_file
from ...hub.weight_files import weights_path
from ...image_processing import LGIFormerVideoProcessor
from ...messages import nearest, note
from ...modeling_lgi_former import RegionTubeMasking
from ...modeling_lgi_former.classification_loss import problem_type_of
from ..data.tasks import PROBLEM_TYPES
from .arguments import DataArguments, ModelArguments


logger = logging.get_logger(__name__)

FAMILIES = ("lgi_former", "videomae")
CHECKPOINT_SUFFIXES = (".pth", ".pt")
NEW_IN_CLASSIFIERS = ("classifier.", "fc_norm.", "lgi_former.pooler.")  # a pre-trained model has none of these


@dataclass
class StartingModel:
    """A model to train. It unpacks to the model and the sampling rate.

    Attributes:
        model (`PreTrainedModel`): On the CPU, in float32.
        sampling_rate (`int`): Step between the frames of a clip, from the model's processor. Without a processor it is
            the published step.
        sampling_frame_rate (`float`, *optional*): As in the model's processor.
    """

    model: PreTrainedModel
    sampling_rate: int
    sampling_frame_rate: float | None = None

    def __iter__(self) -> Iterator:
        return iter((self.model, self.sampling_rate))

    def sampling(self, data: DataArguments) -> dict:
        """The `sampling_rate` and `sampling_frame_rate` of a run: those of the options, or else of this model."""
        frame_rate = self.sampling_frame_rate if data.sampling_frame_rate is None else data.sampling_frame_rate
        return {
            "sampling_rate": self.sampling_rate if data.sampling_rate is None else data.sampling_rate,
            "sampling_frame_rate": frame_rate or None,  # 0 counts frames
        }


def load_model_to_pretrain(
    arguments: ModelArguments, mask_ratio: float, decoder_mask_ratio: float | None = None
) -> StartingModel:
    """Load a masked autoencoder, or make a new one.

    Args:
        arguments: Names the model. Its fields may not clash with the ratios below.
        mask_ratio: `config.mask_ratio`.
        decoder_mask_ratio: `config.decoder_mask_ratio`. The default is that of the model.

    Raises:
        ValueError: If the configuration clashes, the model needs its own code, a checkpoint is not a masked
            autoencoder, or a VideoMAE should have a `decoder_mask_ratio`.
        OSError: If there is no such model.
    """
    _refuse_clashes(arguments, {"mask_ratio": mask_ratio, "decoder_mask_ratio": decoder_mask_ratio})

    def set_mask_ratios(config):
        if isinstance(config, LGIFormerConfig):  # VideoMAE has no such field: it takes any mask
            config.mask_ratio = mask_ratio
            if decoder_mask_ratio is not None:
                config.decoder_mask_ratio = decoder_mask_ratio
        elif decoder_mask_ratio:
            raise ValueError(
                f"decoder_mask_ratio={decoder_mask_ratio} needs LGI-Former. The decoder of VideoMAE reconstructs all "
                "masked tokens, so leave the option out."
            )

    return _load(AutoModelForPreTraining, arguments, arguments.config_fields, set_mask_ratios, may_be_new=())[0]


def load_model_to_finetune(
    arguments: ModelArguments,
    label_names: Sequence[str],
    drop_path_rate: float = 0.0,
    task: str = "single_label",
    label_units: Sequence[str] | None = None,
) -> StartingModel:
    """Load a pre-trained encoder and give it a new head, load a classifier, or make a new classifier.

    A classifier of the same task with the same number of labels keeps its head. Another one gets a new head.

    Args:
        arguments: Names the model.
        label_names: The classes or quantities in their order.
        drop_path_rate: Stochastic depth of the last layer.
        task: One of `TASKS`. It sets `config.problem_type`.
        label_units: `config.label_units`.

    Raises:
        ValueError: If the configuration clashes or sets labels, the model needs its own code, or a checkpoint lacks a
            part of the encoder.
        OSError: If there is no such model.
    """
    _refuse_clashes(arguments, {"drop_path_rate": drop_path_rate, "label_units": label_units})
    for name in ("id2label", "label2id", "num_labels"):
        if name in arguments.config_overrides:
            raise ValueError(
                f"config_overrides sets {name}, but the labels are those of the videos: {first_names(label_names)}. "
                f"Name and order them with --labels, and leave {name} out of config_overrides."
            )
    problem_type = PROBLEM_TYPES[task]
    if (asked := arguments.config_fields.get("problem_type", problem_type)) != problem_type:
        raise ValueError(
            f"config_overrides asks for problem_type={asked!r}, but --task {task} needs {problem_type!r}."
        )
    fields = arguments.config_fields | {
        "problem_type": problem_type,
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: index for index, name in enumerate(label_names)},
    }

    def set_options(config):
        if label_units is not None:
            config.label_units = list(label_units)
        if isinstance(config, LGIFormerConfig):
            config.drop_path_rate = drop_path_rate
        elif drop_path_rate:
            logger.warning(
                f"drop_path_rate={drop_path_rate} has no effect: VideoMAE has no stochastic depth in Transformers."
            )

    loaded, stored = _load(
        AutoModelForVideoClassification, arguments, fields, set_options, may_be_new=NEW_IN_CLASSIFIERS
    )
    is_classifier = stored is not None and kind_of(stored.architectures) == "classifier"
    if is_classifier and problem_type_of(stored) != problem_type:
        _replace_head(loaded.model)
        note(f"The head is new, because the starting model has problem_type={problem_type_of(stored)!r}.")
    return loaded


def _refuse_clashes(arguments: ModelArguments, options: dict):
    """Check that `config_overrides` gives no other value to a field that also has an option.

    Options without a value are None.
    """
    for name, value in options.items():
        asked = arguments.config_overrides.get(name, value)
        if value is not None and asked != value:
            raise ValueError(
                f"config_overrides asks for {name}={asked!r}, but the option --{name} is {value!r}. Set --{name}, and "
                f"leave {name} out of config_overrides."
            )


def predicts_frames(arguments: ModelArguments) -> bool | None:
    """Whether the model predicts each frame of a clip; None if this is not known before it is loaded."""
    if "frame_level" in arguments.config_fields:
        return bool(arguments.config_fields["frame_level"])
    path = arguments.model_name_or_path or arguments.config_name
    if path is None or Path(path).suffix in CHECKPOINT_SUFFIXES:
        return False
    if not Path(path).exists():
        return None
    try:
        return getattr(load_config(path), "frame_level", False)
    except (OSError, ValueError):  # loading the model reports it
        return None


def _replace_head(model: PreTrainedModel):
    head = model.classifier
    model.classifier = torch.nn.Linear(head.in_features, head.out_features)
    model._init_weights(model.classifier)


def make_masking(config: PreTrainedConfig, mask_ratio: float, symmetry: str | None = None) -> RegionTubeMasking:
    """Make the masking for a model's clips. VideoMAE's tube masking has one region, which is as large as the clip.

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


def _load(
    auto_class: type,
    arguments: ModelArguments,
    fields: dict,
    set_options: Callable[[PreTrainedConfig], None],
    may_be_new: tuple[str, ...],
) -> tuple[StartingModel, PreTrainedConfig | None]:
    """Load or make the model that the arguments name, with these fields of its configuration.

    Returns the model, and the configuration of the checkpoint that it was loaded from.

    Args:
        auto_class: The Auto class of Transformers for the model.
        set_options: Sets fields of the configuration that only one family has.
        may_be_new: Prefixes of the names of weights that a checkpoint may lack.
    """
    _refuse_clashes(arguments, {"image_size": arguments.image_size, "num_frames": arguments.num_frames})
    if arguments.model_name_or_path is None:
        config = _new_config(arguments, fields)
        set_options(config)
        return StartingModel(auto_class.from_config(config), LGIFormerVideoProcessor.sampling_rate), None
    with _as_directory(arguments.model_name_or_path, arguments.revision) as model:
        path, commit = pinned(model)
        stored = load_config(path, commit)
        config = _config_with(stored, _without_units(stored, fields))
        _report_other_size(stored, config)
        set_options(config)
        options = {"dtype": torch.float32, "ignore_mismatched_sizes": True}
        model, missing = load_weights(auto_class, path, config, commit, **options)
        sampling = _stored_sampling(path, commit)
    _refuse_missing(missing, arguments.model_name_or_path, may_be_new)
    return StartingModel(model, *sampling), stored


@contextlib.contextmanager
def _as_directory(model_name_or_path: str, revision: str | None):
    """Convert a published `.pth` file to a temporary directory, or download a released model. Others do not change."""
    model = model_folder(model_name_or_path, revision)
    if Path(model).suffix not in CHECKPOINT_SUFFIXES:
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        yield str(convert_mae_dfer_checkpoint(model_name_or_path, folder))


def _stored_sampling(path: str, commit: str | None) -> tuple[int, float | None]:
    """The `sampling_rate` and `sampling_frame_rate` of a model's processor."""
    settings = {}
    with loading_errors(path), contextlib.suppress(OSError):  # the model may have no processor
        settings, _ = LGIFormerVideoProcessor.get_video_processor_dict(path, revision=commit)
    check_processor_file(path, commit)
    sampling_rate = settings.get("sampling_rate") or LGIFormerVideoProcessor.sampling_rate
    return sampling_rate, settings.get("sampling_frame_rate")


def _new_config(arguments: ModelArguments, fields: dict) -> PreTrainedConfig:
    if arguments.config_name is not None:
        return _config_with(load_config(arguments.config_name), fields)
    config = AutoConfig.for_model(arguments.model_type)
    _check_fields(config, fields)
    return type(config)(**fields)


def _config_with(config: PreTrainedConfig, fields: dict) -> PreTrainedConfig:
    _check_fields(config, fields)
    return type(config).from_dict(config.to_dict() | fields)  # a new one, so that fields that clash are an error


def _without_units(stored: PreTrainedConfig, fields: dict) -> dict:
    """The fields, which remove the units of the stored labels if the new labels are others."""
    has_others = "id2label" in fields and fields["id2label"] != stored.id2label
    return {"label_units": None} | fields if has_others and hasattr(stored, "label_units") else fields


def _check_fields(config: PreTrainedConfig, fields: dict):
    if config.model_type not in FAMILIES:
        raise ValueError(f"A {config.model_type!r} cannot be trained here, only {' and '.join(FAMILIES)}.")
    known = config.to_dict()
    for name in fields:
        if name not in known:
            raise ValueError(f"{type(config).__name__} has no field {name!r}{nearest(name, list(known))}")


def _report_other_size(stored: PreTrainedConfig, config: PreTrainedConfig):
    sizes = [(size.num_frames, size.image_size) for size in (stored, config)]
    if sizes[0] != sizes[1]:
        was, becomes = (f"{frames} frames of {pixels} x {pixels} pixels" for frames, pixels in sizes)
        logger.warning(
            f"The starting model takes {was}. It is trained with {becomes}, because the options num_frames and "
            "image_size say so."
        )


def _refuse_missing(names: Sequence[str], model_name_or_path: str, may_be_new: tuple[str, ...]):
    missing = [name for name in names if not name.startswith(may_be_new)]
    if missing:
        raise ValueError(
            f"{weights_path(model_name_or_path)} has no weights, or weights of another shape, for "
            f"{first_names(missing)}. Check the model and the options that change its configuration."
        )
