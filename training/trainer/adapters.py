"""Adapters of PEFT: checks before training, and the configuration of the model beside a saved adapter."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub.constants import REPOCARD_NAME
from torch import nn
from transformers import PreTrainedModel, Trainer
from transformers.utils import ADAPTER_CONFIG_NAME, CONFIG_NAME, cached_file, is_peft_available, logging

from ...files import whole_file
from ...hub.json_objects import read_object
from ...hub.model_kind import kind_of
from ...hub.repository_files import LOCAL_BASE, is_local


logger = logging.get_logger(__name__)


def model_in(model: nn.Module) -> nn.Module:
    """Return the model itself, without the `PeftModel` around it."""
    if not is_peft_available():
        return model
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def check_adapter(trainer: Trainer):
    """Check that the trainer can load the adapter of its model again.

    Warn if nobody can, because the base has no name, or because a new classifier is not in `modules_to_save`.

    Raises:
        ValueError: If `Trainer` would fail at the end.
    """
    model, args = trainer.model, trainer.args
    if getattr(model, "_hf_peft_config_loaded", False) and args.load_best_model_at_end:
        raise ValueError(
            "load_best_model_at_end=True cannot load an adapter that model.add_adapter() added. Make the model with "
            "peft.get_peft_model() instead."
        )
    for base in bases_of(model):
        if _has_new_classifier(model_in(model), base) and not _saves_classifier(model):
            logger.warning(
                "The classifier of the model is new and random, but the adapter does not train and save it. The saved "
                'adapter will not load. Set modules_to_save=["classifier"] in the configuration of the adapter.'
            )
        if not base:
            logger.warning(
                "The base model of the adapter was not loaded from a folder or repository. Save it, and load it "
                "before you add the adapter. Otherwise nobody can load the saved adapter."
            )


def _has_new_classifier(model: nn.Module, base: str | None) -> bool:
    """Whether a model is a classifier, but its base has no classifier, or one of another number of labels.

    A base on the Hub that is not in the cache is known by the model's configuration.
    """
    if kind_of([type(model).__name__]) != "classifier":
        return False
    config = model.config
    with contextlib.suppress(OSError):
        config = type(config).from_dict(read_object(cached_file(base or "", CONFIG_NAME, local_files_only=True)))
    return kind_of(config.architectures) != "classifier" or config.num_labels != model.config.num_labels


def _saves_classifier(model: nn.Module) -> bool:
    """Whether PEFT trains and saves the whole classifier of a model."""
    return any("classifier.modules_to_save." in name for name, _ in model.named_parameters())


def check_adapter_to_upload(model: nn.Module):
    """Check that the base model of an adapter can be found on another machine.

    Raises:
        ValueError: If it is a folder.
    """
    for base in bases_of(model):
        if is_local(base):
            raise ValueError(f"push_to_hub=True would upload an adapter that names {LOCAL_BASE.format(base=base)}")


def bases_of(model: nn.Module) -> list[str | None]:
    """Return the base models that the adapters of a model name; none if it has no adapter."""
    if model_in(model) is model and not getattr(model, "_hf_peft_config_loaded", False):  # set by `add_adapter`
        return []
    return [settings.base_model_name_or_path for settings in model.peft_config.values()]


@contextlib.contextmanager
def complete_adapter(trainer: Trainer, folder: Path) -> Iterator[None]:
    """Complete the adapter that `Trainer` saves in a `with` block: add the configuration of its model,
    and make the path of a base model absolute.

    PEFT writes a card without facts into the folder, or changes the card there. The card is restored, because
    `create_model_card` writes one.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not trainer.args.should_save or not bases_of(model):
        yield
        return
    path = folder / REPOCARD_NAME
    card = path.read_bytes() if path.exists() else None
    yield
    if card is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(card)
    base = model_in(model)
    if isinstance(base, PreTrainedModel):
        base.config.architectures = [type(base).__name__]  # that of the checkpoint may be the autoencoder
        base.config.save_pretrained(folder)
    _write_absolute_base(folder / ADAPTER_CONFIG_NAME)


def _write_absolute_base(file: Path):
    """Make the path of a base model absolute. A relative path may lead to another model from another folder."""
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    base = settings.get("base_model_name_or_path")
    if base and Path(base).is_dir():
        with whole_file(file) as copy:
            settings["base_model_name_or_path"] = str(Path(base).resolve())
            copy.write_text(json.dumps(settings, indent=2), encoding="utf-8")
