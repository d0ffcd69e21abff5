"""The code beside saved models: modules of this package as flat files.

Each file is a module of the package. Only the imports that do not work in a flat folder are rewritten.
"""

import ast
import functools
from pathlib import Path


PACKAGE = Path(__file__).parents[1]

_MODULE_OF_FLAT_FILE = {
    "configuration_lgi_former": "configuration/configuration_lgi_former.py",
    "modeling_lgi_former": "modeling_lgi_former/modeling_lgi_former.py",
    "video_processing_lgi_former": "image_processing/video_processing_lgi_former.py",
}
"""Where the flat files that `auto_map` names come from; what these import follows."""

_SUBSTITUTES = {"einops": "hub/rearrange.py"}
"""Libraries that loading a model must not need, and the module of ours that has what is used of them."""


_HEADER = "# Derived from lgi_former's"


def is_flat_code(path: Path) -> bool:
    """Whether a Python file came from here, now or with another version of the package."""
    return path.read_text(encoding="utf-8", errors="replace").startswith(_HEADER)


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
    from ..version import __version__

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
