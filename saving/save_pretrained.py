"""Base classes whose `save_pretrained` also writes the code that loads the model.

`AutoModelForVideoClassification.from_pretrained(repo, trust_remote_code=True)` then works without lgi_former. With
lgi_former, Transformers uses the registered classes and ignores this code.

The classes in the written code do not have these base classes. There, Transformers itself copies the code.
"""

import contextlib
import os
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path

from ..files import follow_umask, whole_file
from .field_names import check_field_names, known_fields, known_settings
from .flat_code import HEADER, flat_code, is_flat_code, relative_imports
from .weight_checksums import checksums_added


CONFIG_AUTO_MAP = {
    "AutoConfig": "configuration_lgi_former.LGIFormerConfig",
    "AutoModel": "modeling_lgi_former.LGIFormerModel",
    "AutoModelForPreTraining": "modeling_lgi_former.LGIFormerForPreTraining",
    "AutoModelForVideoClassification": "modeling_lgi_former.LGIFormerForVideoClassification",
}
"""`auto_map` in `config.json`: the file and class that each Auto class loads."""

PROCESSOR_AUTO_MAP = {"AutoVideoProcessor": "video_processing_lgi_former.LGIFormerVideoProcessor"}
"""`auto_map` in `video_preprocessor_config.json`."""

_code_is_wanted: ContextVar[bool | None] = ContextVar("code_is_wanted", default=None)
"""Whether the running `save_pretrained` writes code. None if none is running."""


class _SavedWithCode:
    """Base class whose `save_pretrained` also writes code."""

    def save_pretrained(self, save_directory: str | os.PathLike, *args, save_code: bool = True, **kwargs):
        """
        Save as Transformers does, and by default also save the code that loads the directory without lgi_former.

        Args:
            save_directory: The directory to write.
            args, kwargs: Arguments of `save_pretrained` in Transformers.
            save_code: Whether to write the code and name it in `auto_map`. Loading it needs `trust_remote_code=True`
                and einops. Without it, only lgi_former loads the directory.

        Raises:
            FileExistsError: If a file of the code would replace a file that lgi_former did not write.
        """
        inherited = _code_is_wanted.get()  # a model's save_pretrained calls the one of its configuration
        token = _code_is_wanted.set(save_code if inherited is None else inherited)
        try:
            return super().save_pretrained(save_directory, *args, **kwargs)
        finally:
            _code_is_wanted.reset(token)


class ModelSavedWithCode(_SavedWithCode):
    """Base class of models: `save_pretrained` also writes code. The code is written with the model's configuration.

    The weights get checksums (see `weight_checksums.py`), and the permissions of other files. If the model has an
    adapter (`add_adapter`), Transformers saves the adapter alone. The configuration is then saved beside it, because
    it has the classes.
    """

    def save_pretrained(self, save_directory: str | os.PathLike, is_main_process: bool = True, *args, **kwargs):
        """Save as Transformers does, with the code. See `_SavedWithCode` for `save_code`.

        Raises:
            ValueError: If bitsandbytes has changed the layout of 4-bit weights for predictions on a CPU.
        """
        self._refuse_changed_weights()
        with checksums_added(save_directory) if is_main_process else contextlib.nullcontext():
            super().save_pretrained(save_directory, is_main_process, *args, **kwargs)
        if not is_main_process:
            return
        if getattr(self, "_hf_peft_config_loaded", False):
            self.config.save_pretrained(save_directory, save_code=kwargs.get("save_code", True))
        follow_umask(Path(save_directory), "*.safetensors")

    def _refuse_changed_weights(self):
        """Refuse weights that bitsandbytes (0.50) would save wrongly, because it does not restore their layout."""
        for name, weight in self.named_parameters():
            if getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False):
                raise ValueError(
                    f"The 4-bit weight {name} cannot be saved any more, because bitsandbytes changed its layout for a "
                    "prediction on the CPU. Load the model again, and save it before its first prediction."
                )


class _JsonNamesCode(_SavedWithCode):
    """Base class of what is saved as JSON: the file names the code in `auto_map`."""

    _auto_map_of_code: dict[str, str] = {}

    def to_json_file(self, json_file_path: str | os.PathLike, *args, **kwargs):
        """Write a JSON file as Transformers does. Within `save_pretrained` also write the code that it names."""
        # Not after `save_pretrained`: with `push_to_hub` it uploads the new files before it returns.
        # Processes that do not save do not call this method.
        code_is_wanted = _code_is_wanted.get()
        if code_is_wanted is not None:
            _set_auto_map(self, self._auto_map_of_code if code_is_wanted else {})
        if code_is_wanted:
            write_code(Path(json_file_path).parent, self._auto_map_of_code)
        return super().to_json_file(json_file_path, *args, **kwargs)


class ConfigSavedWithCode(_JsonNamesCode):
    """Base class of the configuration: `save_pretrained` also writes the code of configuration and models."""

    _auto_map_of_code = CONFIG_AUTO_MAP

    @classmethod
    def from_dict(cls, config_dict: dict, **kwargs):
        """Make a configuration as Transformers does. Raises ValueError for a field that seems to be misspelt."""
        check_field_names(config_dict, known_fields(cls), "config.json")
        return super().from_dict(config_dict, **kwargs)


class ProcessorSavedWithCode(_JsonNamesCode):
    """Base class of the video processor: `save_pretrained` also writes the code of the processor."""

    _auto_map_of_code = PROCESSOR_AUTO_MAP

    @classmethod
    def from_dict(cls, video_processor_dict: dict, **kwargs):
        """Make a processor as Transformers does. Raises ValueError for a field that seems to be misspelt."""
        check_field_names(video_processor_dict, known_settings(cls), "video_preprocessor_config.json")
        return super().from_dict(video_processor_dict, **kwargs)


def _set_auto_map(saved: _JsonNamesCode, auto_map: dict[str, str]):
    """Set the `auto_map` of an object that is being saved. Entries for other code, such as of a subclass, remain."""
    ours = {*CONFIG_AUTO_MAP.values(), *PROCESSOR_AUTO_MAP.values()}
    stored = getattr(saved, "auto_map", None)
    if not isinstance(stored, dict):  # a damaged file; trained weights must not be lost for it
        stored = {}
    # Some versions of Transformers put the code's repository in front: "someone/model--module.Class".
    others = {name: code for name, code in stored.items() if str(code).rpartition("--")[2] not in ours}
    saved.__dict__.pop("auto_map", None)
    if auto_map or others:
        saved.auto_map = auto_map | others


def write_code(directory: str | os.PathLike, auto_map: dict[str, str]):
    """Write the files that `auto_map` names into a directory, and remove code of earlier versions that nothing needs.

    Each file is written atomically.

    Raises:
        FileExistsError: If a file would replace a file that lgi_former did not write.
    """
    code = flat_code(*dict.fromkeys(reference.split(".")[0] for reference in auto_map.values()))
    refuse_foreign_code(directory, code)
    for name, source in code.items():
        with whole_file(Path(directory, name)) as unfinished:
            unfinished.write_text(source, encoding="utf-8", newline="\n")
    _remove_unused_code(Path(directory))


def refuse_foreign_code(directory: str | os.PathLike, names: Iterable[str]):
    """Refuse to replace code of somebody else.

    Raises:
        FileExistsError: If lgi_former did not write one of the files of these names.
    """
    for name in names:
        path = Path(directory, name)
        if path.exists() and not is_code_or_part_of_it(path):
            raise FileExistsError(
                f"'{path}' was not written by lgi_former and would be replaced by its code. Save to another "
                "directory, or without the code (save_code=False)."
            )


def is_code_or_part_of_it(path: Path) -> bool:
    """Whether a path is a file of flat code, or the part of such a file that a killed process left.

    Earlier versions did not write code atomically. A part is empty or the beginning of the header. After a power
    cut, a file may also contain only zero bytes.
    """
    if not path.is_file():
        return False
    content = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
    return HEADER.startswith(content[: len(HEADER)])


def _remove_unused_code(directory: Path):
    """Remove unused code of lgi_former. Earlier versions wrote one file for each module."""
    named = {reference.split(".")[0] for reference in (CONFIG_AUTO_MAP | PROCESSOR_AUTO_MAP).values()}
    used = relative_imports([directory / f"{name}.py" for name in named])
    users = {path for path in directory.glob("*.py") if not is_flat_code(path)}
    used |= relative_imports(users)
    for path in directory.glob("*.py"):
        if path not in used and not path.name.startswith(".") and is_flat_code(path):
            path.unlink()
