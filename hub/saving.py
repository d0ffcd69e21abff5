"""Saving with code: `save_pretrained` writes the modelling code and names it in `auto_map`.

So `AutoModelForVideoClassification.from_pretrained(repo, trust_remote_code=True)` works where this package is
not installed. Where it is installed, Transformers uses the registered family and ignores the code.
`registration.py` calls `save_with_code` for the classes.
"""

import functools
import inspect
import os
from contextvars import ContextVar
from pathlib import Path

from ..files import whole_file
from .flat_code import _HEADER, flat_code


CONFIG_AUTO_MAP = {
    "AutoConfig": "configuration_lgi_former.LGIFormerConfig",
    "AutoModel": "modeling_lgi_former.LGIFormerModel",
    "AutoModelForPreTraining": "modeling_lgi_former.LGIFormerForPreTraining",
    "AutoModelForVideoClassification": "modeling_lgi_former.LGIFormerForVideoClassification",
}
"""Of `config.json`: which class of which flat file an Auto class loads."""

PROCESSOR_AUTO_MAP = {"AutoVideoProcessor": "video_processing_lgi_former.LGIFormerVideoProcessor"}
"""Of `video_preprocessor_config.json`, likewise."""


def is_code_or_part_of_it(path: Path) -> bool:
    """Whether a path is a file of flat code, or the part of one that a killed process left.

    Earlier versions wrote code directly into its place. Such a part is empty or the beginning of the header. After a
    power cut, a file may also hold zero bytes alone.
    """
    if not path.is_file():
        return False
    content = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
    return _HEADER.startswith(content[: len(_HEADER)])


_code_is_wanted: ContextVar[bool | None] = ContextVar("code_is_wanted", default=None)
"""Whether the `save_pretrained` that is running writes code; None while none is."""


def save_with_code(saver: type, auto_map: dict[str, str] | None = None):
    """Make `saver.save_pretrained` write the code as well, unless it is called with `save_code=False`.

    Args:
        saver: A class of model, configuration or processor.
        auto_map: What the JSON file of a configuration or processor says of the code. A model leaves this to its
            configuration.
    """
    saver.save_pretrained = _saving_code(saver.save_pretrained)
    if auto_map is not None:
        saver.to_json_file = _naming_code(saver.to_json_file, auto_map)


def _saving_code(save):
    @functools.wraps(save)
    def save_pretrained(self, save_directory, *args, save_code: bool = True, **kwargs):
        inherited = _code_is_wanted.get()  # from a model's save_pretrained, which calls its configuration's
        token = _code_is_wanted.set(save_code if inherited is None else inherited)
        try:
            return save(self, save_directory, *args, **kwargs)
        finally:
            _code_is_wanted.reset(token)

    *parameters, last = inspect.signature(save).parameters.values()
    keyword = inspect.Parameter("save_code", inspect.Parameter.KEYWORD_ONLY, default=True, annotation=bool)
    save_pretrained.__signature__ = inspect.Signature([*parameters, keyword, last])
    save_pretrained.__doc__ = _SAVE_CODE_DOCSTRING + (save.__doc__ or "")
    return save_pretrained


_SAVE_CODE_DOCSTRING = """
        As Transformers does (below), and by default with the code that loads the directory where lgi_former is not
        installed (there with `trust_remote_code=True`).

        Args:
            save_code (`bool`, defaults to `True`): Whether the modelling code lies in the directory as well and is
                named in `auto_map`. Without it, only lgi_former loads what is saved.

        Raises:
            FileExistsError: If a file of the code would replace one that is not of lgi_former.
"""


def _naming_code(write_json, auto_map: dict[str, str]):
    # The JSON file names the code, so where it is written the code is. That is also after `save_pretrained` has noted
    # what was in the directory, in order to upload what is new, and not in processes that do not save.
    @functools.wraps(write_json)
    def to_json_file(self, json_file_path, *args, **kwargs):
        code_is_wanted = _code_is_wanted.get()
        if code_is_wanted is not None:
            _set_auto_map(self, auto_map if code_is_wanted else {})
        if code_is_wanted:
            write_code(Path(json_file_path).parent, auto_map)
        return write_json(self, json_file_path, *args, **kwargs)

    return to_json_file


def _set_auto_map(saved, auto_map: dict[str, str]):
    """Set the `auto_map` of what is being saved; entries of other code, of a subclass for example, remain."""
    ours = {*CONFIG_AUTO_MAP.values(), *PROCESSOR_AUTO_MAP.values()}
    stored = getattr(saved, "auto_map", None) or {}
    # Some versions of Transformers put the repository that code came from before it: "someone/model--module.Class".
    others = {name: code for name, code in stored.items() if str(code).rpartition("--")[2] not in ours}
    saved.__dict__.pop("auto_map", None)
    if auto_map or others:
        saved.auto_map = auto_map | others


def write_code(directory: str | os.PathLike, auto_map: dict[str, str]):
    """Write the flat files that `auto_map` names, and all that these need, into a directory.

    Each file gets its name when it is whole, so a killed process leaves no part of one in its place.

    Raises:
        FileExistsError: If a file would replace one that did not come from here.
    """
    flat_names = dict.fromkeys(reference.split(".")[0] for reference in auto_map.values())
    code = {Path(directory, name): source for name, source in flat_code(*flat_names).items()}
    for path in code:
        if path.exists() and not is_code_or_part_of_it(path):
            raise FileExistsError(
                f"'{path}' is not of lgi_former and would be replaced by a file of its code. Save to another "
                "directory, or without the code (save_code=False)."
            )
    for path, source in code.items():
        with whole_file(path) as unfinished:
            unfinished.write_text(source, encoding="utf-8", newline="\n")
