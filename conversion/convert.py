"""Conversion of a published MAE-DFER checkpoint to a model directory of Transformers."""

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedConfig, PreTrainedModel, VideoMAEForPreTraining, VideoMAEForVideoClassification

from ..configuration import DATASET_LABELS, DATASET_SAMPLING_RATES
from ..files import LOCK_FILE, STAGING_FOLDER, only_writer, whole_files
from ..hub.model_card import ModelFacts, write_model_card
from ..image_processing import processor_for
from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel
from ..saving import checksums_added, refuse_foreign_code
from .published_checkpoint import PublishedCheckpoint
from .published_file import PublishedFile
from .published_names import classifier_names, encoder_names, from_published, pretraining_names
from .released_models import ReleasedModel, likely_release
from .videomae_checkpoint import VideoMAECheckpoint, is_videomae
from .videomae_names import videomae_names


_MODEL_OF_KIND = {
    "pretraining": (LGIFormerForPreTraining, pretraining_names),
    "classification": (LGIFormerForVideoClassification, classifier_names),
    "encoder": (LGIFormerModel, encoder_names),
}
_VIDEOMAE_OF_KIND = {"pretraining": VideoMAEForPreTraining, "classification": VideoMAEForVideoClassification}


def convert_mae_dfer_checkpoint(
    checkpoint_path: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    config: PreTrainedConfig | None = None,
    dataset: str | None = None,
    labels: list[str] | None = None,
    overwrite: bool = False,
    **config_fields,
) -> Path:
    """Convert a checkpoint of the published MAE-DFER code, pre-trained or fine-tuned, to a model directory.

    The authors' VideoMAE baseline becomes a VideoMAE of Transformers.

    Args:
        checkpoint_path: A `.pth` file of the published code. Its code does not run.
        output_dir: The directory for `config.json`, `model.safetensors`, `video_preprocessor_config.json` and the
            model card, `README.md`.
        config: The configuration of the model. The default is inferred from the checkpoint.
        dataset: The data set of the fine-tuning: `"dfew"`, `"ferv39k"`, `"mafw"`, `"crema-d"`, `"ravdess"` or
            `"enterface"`. It gives labels and sampling rate. The default is the checkpoint's own entry, if any.
        labels: Names of the classes, in order. They replace the labels of `dataset`.
        overwrite: Whether to write into an `output_dir` that is not empty. Edited cards are never overwritten.
        config_fields: Fields of the configuration that the checkpoint lacks, such as `num_attention_heads`,
            `region_size`, `num_frames`, `image_size` or `pooling`. The defaults are the published values.

    Returns:
        The path of `output_dir`.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        FileExistsError: If `output_dir` is not empty and `overwrite` is not set.
        ValueError: If the checkpoint is truncated, unsafe, of another model, or does not fit configuration or labels.
    """
    if dataset is not None and dataset not in DATASET_LABELS:
        raise ValueError(f"dataset={dataset!r} is unknown. Known are {', '.join(DATASET_LABELS)}.")
    return convert_checkpoint(
        checkpoint_path,
        output_dir,
        ModelFacts(dataset=dataset),
        config=config,
        labels=DATASET_LABELS.get(dataset or "") if labels is None else labels,
        overwrite=overwrite,
        **config_fields,
    ).folder


class Conversion(NamedTuple):
    """
    Attributes:
        folder: The model's directory.
        release: The authors' file that the checkpoint seems to be, by its training options.
    """

    folder: Path
    release: ReleasedModel | None


def convert_checkpoint(
    checkpoint_path: str | os.PathLike,
    output_dir: str | os.PathLike,
    facts: ModelFacts,
    *,
    config: PreTrainedConfig | None = None,
    labels: list[str] | None = None,
    overwrite: bool = False,
    **config_fields,
) -> Conversion:
    """Convert a checkpoint, and write `facts` on the card. Otherwise, see `convert_mae_dfer_checkpoint`."""
    output_dir = Path(output_dir)
    _check_output(output_dir, overwrite)
    with only_writer(output_dir):
        _check_output(output_dir, overwrite)  # another process may have written it meanwhile
        return _convert(checkpoint_path, output_dir, facts, config, labels, config_fields)


def _convert(checkpoint_path, output_dir, facts, config, labels, config_fields) -> Conversion:
    if config is not None and config_fields:
        raise ValueError(f"{', '.join(config_fields)} cannot be set together with a config. Set them in the config.")
    file = PublishedFile(checkpoint_path)
    checkpoint = VideoMAECheckpoint(file) if is_videomae(file) else PublishedCheckpoint(file)
    if config is not None:
        config = copy.deepcopy(config)
    else:
        _check_fields(checkpoint.config_class, config_fields)
        config = checkpoint.infer_config(**config_fields)
        if facts.dataset is None and labels is None:
            facts = replace(facts, dataset=_dataset_of(checkpoint, config))
    if labels is None and checkpoint.kind == "classification":
        labels = DATASET_LABELS.get(facts.dataset or "")
    _set_labels(config, checkpoint, labels)

    model = _make_model(checkpoint, config)
    sampling_rate = checkpoint.arguments.get("sampling_rate") or DATASET_SAMPLING_RATES.get(facts.dataset or "", 4)
    with whole_files(output_dir) as written:
        with checksums_added(written):  # LGI-Formers write them anyway, a VideoMAE does not
            model.save_pretrained(written)
        processor_for(config, sampling_rate=sampling_rate).save_pretrained(written)
        refuse_foreign_code(output_dir, [path.name for path in written.glob("*.py")])
    write_model_card(output_dir, replace(facts, checkpoint_file=checkpoint_path))
    return Conversion(output_dir, likely_release(config.model_type, checkpoint.kind, checkpoint.arguments))


def _make_model(checkpoint, config) -> PreTrainedModel:
    if isinstance(checkpoint, VideoMAECheckpoint):
        model_class, names = _VIDEOMAE_OF_KIND[checkpoint.kind], videomae_names(config, checkpoint.kind)
    else:
        model_class, names_of = _MODEL_OF_KIND[checkpoint.kind]
        names = names_of(config)
    options = {"add_pooling_layer": False} if checkpoint.kind == "encoder" else {}
    with torch.device("meta"):  # a crafted file may describe a model that does not fit into memory
        model = model_class(config, **options)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    try:
        state_dict = from_published(checkpoint.weights, names, shapes)
    except ValueError as error:
        raise ValueError(f"{checkpoint.path}: {error}") from error
    # Transformers before 5.23 gives the keys of VideoMAE a bias, which changes nothing in the softmax over keys.
    state_dict |= {name: torch.zeros(shape) for name, shape in shapes.items() if name.endswith("attention.key.bias")}
    model.load_state_dict({name: weight.float() for name, weight in state_dict.items()}, assign=True)
    return model


def _check_output(output_dir, overwrite):
    if output_dir.exists() and not output_dir.is_dir():
        raise FileExistsError(f"{output_dir} is a file. Give the path of a directory.")
    names = {path.name for path in output_dir.iterdir()} if output_dir.is_dir() else set()
    if names - {LOCK_FILE, STAGING_FOLDER} and not overwrite:
        raise FileExistsError(f"{output_dir} is not empty. Choose another directory, or pass overwrite (--overwrite).")


def _check_fields(config_class, config_fields):
    unknown = sorted(set(config_fields) - set(config_class().to_dict()))
    if unknown:
        raise ValueError(f"{config_class.__name__} has no field {', '.join(unknown)}.")


def _dataset_of(checkpoint, config):
    """The data set in the arguments of the checkpoint, if it is known and its number of labels fits."""
    named = checkpoint.arguments.get("data_set", "").lower().replace("_", "-")
    return named if len(DATASET_LABELS.get(named, ())) == config.num_labels else None


def _set_labels(config, checkpoint, labels):
    if labels is None:
        return
    if checkpoint.kind != "classification":
        raise ValueError(f"{checkpoint.path} is pre-trained and has no classes. Omit dataset and labels.")
    if isinstance(labels, str):
        raise ValueError(f"labels={labels!r} is a string. Give a list with one name for each class.")
    num_outputs = checkpoint.shape("head.weight", 2)[0]
    if len(labels) != num_outputs:
        raise ValueError(
            f"{checkpoint.path} has {num_outputs} outputs, but {len(labels)} labels were given: {', '.join(labels)}."
        )
    if len(set(labels)) != len(labels):
        raise ValueError(f"Labels must be different, but are {', '.join(labels)}.")
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
