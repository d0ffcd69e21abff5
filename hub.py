"""Model directories that load anywhere: this package's modelling code as flat files beside the weights.

`save_pretrained` and `push_to_hub` of our classes write that code and name it in `auto_map`, so that
`AutoModelForVideoClassification.from_pretrained(repo, trust_remote_code=True)` and its like work where nobody has
heard of this package. Where it is installed, Transformers finds the family registered and does not look at the code.

The files are the package's own modules, with those imports rewritten that do not hold in a flat folder. Modelling
knows nothing of this: `registration.py` calls `save_with_code` for its classes.
"""

import ast
import functools
import inspect
import json
import os
from contextvars import ContextVar
from pathlib import Path

from .whole_file import whole_file


PACKAGE = Path(__file__).parent

CONFIG_AUTO_MAP = {
    "AutoConfig": "configuration_lgi_former.LGIFormerConfig",
    "AutoModel": "modeling_lgi_former.LGIFormerModel",
    "AutoModelForPreTraining": "modeling_lgi_former.LGIFormerForPreTraining",
    "AutoModelForVideoClassification": "modeling_lgi_former.LGIFormerForVideoClassification",
}
"""Of `config.json`: which class of which flat file an Auto class loads."""

PROCESSOR_AUTO_MAP = {"AutoVideoProcessor": "video_processing_lgi_former.LGIFormerVideoProcessor"}
"""Of `video_preprocessor_config.json`, likewise."""

_MODULE_OF_FLAT_FILE = {
    "configuration_lgi_former": "configuration/configuration_lgi_former.py",
    "modeling_lgi_former": "modeling_lgi_former/modeling_lgi_former.py",
    "video_processing_lgi_former": "image_processing/video_processing_lgi_former.py",
}
"""Where the flat files that `auto_map` names come from; what these import follows."""

_SUBSTITUTES = {"einops": "rearrange.py"}
"""Libraries that loading a model must not need, and the module of ours that has what is used of them."""


# Files of a model repository


def model_file_patterns() -> list[str]:
    """Names, as `fnmatch` takes them, of the files that make up a model repository. All lie at its top."""
    return [
        "README.md",
        "LICENSE",
        "config.json",
        "video_preprocessor_config.json",
        "model.safetensors",
        "model-*-of-*.safetensors",
        "model.safetensors.index.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "*.py",  # flat code of whatever version; `model_files` leaves out the user's
    ]


def model_files(directory: str | os.PathLike) -> list[Path]:
    """The files of a directory that belong into a model repository, by name: weights, configurations, code and card.

    Everything else is the user's: optimiser states, logs, `training_args.bin` (a pickle that tells paths), lists of
    videos. To upload a directory, pass the names of these files as `allow_patterns`. Of Python files, those are the
    model's that this package wrote or that `auto_map` names.
    """
    directory = Path(directory)
    found = {path for pattern in model_file_patterns() for path in directory.glob(pattern) if path.is_file()}
    found = {path for path in found if not path.name.startswith(".")}  # what a killed process did not finish
    named = {module for path in found if path.suffix == ".json" for module in _named_modules(path)}
    return sorted(path for path in found if path.suffix != ".py" or path in named or _is_flat_code(path))


def names_missing_code(path: Path) -> bool:
    """Whether a configuration or processor names no code, or code of which not all lies beside it.

    Raises:
        ValueError: If the file is not JSON with fields.
    """
    named = _named_modules(path)
    waiting, seen = list(named), set()
    while waiting:
        module = waiting.pop()
        if not module.is_file():
            return True
        if module not in seen:
            seen.add(module)
            nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            imports = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
            waiting += [path.with_name(f"{name}.py") for name in imports if name]
    return not named


def _named_modules(path: Path) -> list[Path]:
    """Files that the `auto_map` of a JSON file names, whether they are there or not."""
    try:
        auto_map = dict(json.loads(path.read_text(encoding="utf-8"))).get("auto_map") or {}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return [path.with_name(f"{reference.rpartition('--')[2].split('.')[0]}.py") for reference in auto_map.values()]


def check_uploadable(directory: str | os.PathLike):
    """
    Raises:
        ValueError: If what lies in the directory would not load elsewhere: an adapter whose base model is a path on
            this machine, or weights that were saved whole and anew in shards.
    """
    directory = Path(directory)
    whole, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if whole.exists() and index.exists():
        raise ValueError(
            f"'{directory}' has two sets of weights, {whole.name} and {index.name} with its shards, of which the "
            "first would be loaded. Remove the one that is older."
        )
    adapter = directory / "adapter_config.json"
    if not adapter.is_file():
        return
    base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if base and (os.path.isabs(base) or os.path.exists(base) or base.count("/") > 1 or base.startswith(".")):
        # PEFT notes the path in the adapter's card, too.
        raise ValueError(
            f"{adapter} names the adapter's base model by its path on this machine, '{base}'. Upload that model, and "
            "write its repository (USER/NAME) there and in README.md."
        )


# Flat code


_HEADER = "# Derived from lgi_former's"


def _is_flat_code(path: Path) -> bool:
    """Whether a Python file came from here, now or with another version of the package."""
    return path.read_text(encoding="utf-8", errors="replace").startswith(_HEADER)


def is_code_or_part_of_it(path: Path) -> bool:
    """Whether a path is a file of flat code, or the part of one that a killed process left.

    Earlier versions wrote code directly into its place. Such a part is empty or the beginning of the header. After a
    power cut, a file may also hold zero bytes alone.
    """
    if not path.is_file():
        return False
    content = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip()
    return _HEADER.startswith(content[: len(_HEADER)])


@functools.cache
def flat_code(*flat_names: str) -> dict[str, str]:
    """Modules that `auto_map` names and everything of this package that they need, as one flat folder.

    Args:
        flat_names: Names of flat modules, such as `"modeling_lgi_former"`.

    Returns:
        Source code by file name. Importing it needs transformers, torch and torchvision.

    Raises:
        ValueError: If a module imports what a flat file cannot, or two modules would have the same file name.
    """
    waiting = [PACKAGE / _MODULE_OF_FLAT_FILE[name] for name in flat_names]
    done, code = set(), {}
    while waiting:
        module = waiting.pop()
        if module in done:
            continue
        done.add(module)
        if module.name in code:
            raise ValueError(f"{module} cannot be a flat file: there is another module of that name.")
        code[module.name], needed = _flatten(module)
        waiting += needed
    return dict(sorted(code.items()))


def all_flat_code() -> dict[str, str]:
    """The `flat_code` of models and processor together."""
    return flat_code(*_MODULE_OF_FLAT_FILE)


def _flatten(module: Path) -> tuple[str, list[Path]]:
    """A module's source with its imports made flat, and the modules of this package that it imports."""
    from . import __version__

    source = module.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    needed = []
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    for node in sorted(imports, key=lambda node: node.lineno, reverse=True):
        origins = _origins(module, node)
        if not origins:
            continue
        needed += origins
        statements = [
            f"{' ' * node.col_offset}from .{origin.stem} import {', '.join(map(ast.unparse, aliases))}\n"
            for origin, aliases in origins.items()
        ]
        lines[node.lineno - 1 : node.end_lineno] = statements
    header = (
        f"{_HEADER} {module.relative_to(PACKAGE).as_posix()}, version {__version__}; written anew whenever a "
        "model is saved.\n# SPDX-License-Identifier: Apache-2.0\n"
    )
    return header + "".join(lines), needed


def _origins(module: Path, node: ast.ImportFrom) -> dict[Path, list[ast.alias]]:
    """Which of our modules an import takes its names from; none if it is from another package."""
    if node.level == 0:
        substitute = _SUBSTITUTES.get(node.module.split(".")[0])
        return {PACKAGE / substitute: node.names} if substitute else {}
    if node.module is None:
        raise ValueError(f"{module}, line {node.lineno}: a flat file cannot import a whole module of ours.")
    folder = module.parents[node.level - 1]
    origins = {}
    for alias in node.names:
        origin = _defining_module(folder.joinpath(*node.module.split(".")), alias.name)
        origins.setdefault(origin, []).append(alias)
    return origins


def _defining_module(path: Path, name: str) -> Path:
    """The module at `path`, or, if that is a room, the module from which its `__init__` has `name`."""
    if not path.is_dir():
        return path.with_suffix(".py")
    for node in ast.parse((path / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return path.joinpath(*node.module.split(".")).with_suffix(".py")
    raise ValueError(f"{path / '__init__.py'} does not import {name}.")


# Saving


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
