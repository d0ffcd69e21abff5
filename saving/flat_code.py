"""The code beside saved models: three files that need transformers, torch, torchvision and einops, but not lgi_former.

Each file is one module that `auto_map` names, joined with the modules that it imports, in the order of imports.
Imports of other packages are gathered at the top, and imports of joined modules are removed.
"""

import ast
import builtins
import functools
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


PACKAGE = Path(__file__).parents[1]

_MODULE_OF_FLAT_FILE = {
    "configuration_lgi_former": "configuration/configuration_lgi_former.py",
    "modeling_lgi_former": "modeling_lgi_former/modeling_lgi_former.py",
    "video_processing_lgi_former": "image_processing/video_processing_lgi_former.py",
}
"""The module of the package that each flat file starts from."""

_CONFIGURATION = "configuration_lgi_former"
_IMPORT_OF_MODEL = """
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Transformers then names this module by the code of the model too, which may differ between folders
    from .modeling_lgi_former import LGIFormerModel  # noqa: F401
"""
"""Transformers names a module by a hash of its code and of what it imports, and a model by its configuration's class.

Without this import, two folders with one configuration would share the model that was loaded first.
"""

_LEFT_OUT = "saving"
"""The room whose base classes are removed from the code: without lgi_former, there is no code to write."""

HEADER = "# Derived from lgi_former's"


def is_flat_code(path: Path) -> bool:
    """Whether any version of the package wrote a Python file."""
    return path.read_text(encoding="utf-8", errors="replace").startswith(HEADER)


def relative_imports(paths: Iterable[Path]) -> set[Path]:
    """Python files and all files of their folders that they import. The files may be missing."""
    waiting, found = list(paths), set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            source = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            names = re.findall(r"^\s*from\s+\.(\w+)\s+import\s", source, flags=re.MULTILINE)
            waiting += [path.with_name(f"{name}.py") for name in names]
    return found


@functools.cache
def flat_code(*flat_names: str) -> dict[str, str]:
    """The files that `auto_map` names, and flat files that these import.

    Args:
        flat_names: Names of flat modules, such as `"modeling_lgi_former"`.

    Returns:
        Source code by file name.

    Raises:
        ValueError: If modules that are joined define different things by one name, or if an import cannot be joined.
    """
    waiting, code = list(flat_names), {}
    while waiting:
        name = waiting.pop()
        if f"{name}.py" not in code:
            code[f"{name}.py"], imported = _join(name)
            waiting += imported
    return dict(sorted(code.items()))


def all_flat_code() -> dict[str, str]:
    """The `flat_code` of models and processor together."""
    return flat_code(*_MODULE_OF_FLAT_FILE)


class _Import(NamedTuple):
    """One imported name: `from module import name`, or `import name` if `module` is empty."""

    module: str
    name: str
    bound: str


class _Part(NamedTuple):
    """What a module adds to a flat file."""

    path: Path
    code: str
    imports: list[_Import]  # from other packages
    definitions: dict[str, object]  # by name: equal values define the same
    origins: list[tuple[Path, str]]  # modules of this package, and the names imported from them


def _join(flat_name: str) -> tuple[str, list[str]]:
    """The source of a flat file, and the flat modules that it imports."""
    from ..version import __version__

    root = PACKAGE / _MODULE_OF_FLAT_FILE[flat_name]
    flat_modules = {PACKAGE / path: name for name, path in _MODULE_OF_FLAT_FILE.items()}
    parts = _parts_in_order(root, flat_modules.keys() - {root})
    own = {part.path for part in parts}
    flat_imports = {
        _Import(f".{flat_modules[origin]}", name, name)
        for part in parts
        for origin, name in part.origins
        if origin not in own
    }
    _check_names(root, parts, flat_imports)
    header = (
        f"{HEADER} {_MODULE_OF_FLAT_FILE[flat_name]} and what it imports, version {__version__}.\n"
        "# It is written again whenever a model is saved.\n"
        "# SPDX-License-Identifier: Apache-2.0\n"
    )
    imports = _import_statements(flat_imports.union(*(part.imports for part in parts)))
    if flat_name == _CONFIGURATION:
        imports += _IMPORT_OF_MODEL
    sections = [f"# From {part.path.relative_to(PACKAGE).as_posix()}\n\n{part.code}\n" for part in parts]
    return "\n\n".join([f"{header}\n{imports}", *sections]), sorted({name.module[1:] for name in flat_imports})


def _parts_in_order(root: Path, other_flat_modules: set[Path]) -> list[_Part]:
    """The parts of a flat file. Every module comes after those that it imports."""
    parts = {}

    def add(module: Path, users: tuple[Path, ...] = ()):
        if module in users:
            raise ValueError(f"{module} imports itself by way of {users[-1]}, so it cannot be in a flat file.")
        if module in parts or module in other_flat_modules:
            return
        part = _part(module)
        for origin, _ in part.origins:
            add(origin, (*users, module))
        parts[module] = part

    add(root)
    return list(parts.values())


def _part(module: Path) -> _Part:
    """Read one module, and separate its code from its imports."""
    source = module.read_text(encoding="utf-8")
    statements = ast.parse(source).body
    lines = source.splitlines(keepends=True)
    part = _Part(module, "", [], {}, [])
    bases_left_out = set()
    for statement in statements:
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            _check_has_no_import_of_ours(module, statement)
            part.definitions.update(_definitions(module, statement))
            continue
        for number in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            lines[number - 1] = ""
        if isinstance(statement, ast.Import) or not statement.level:
            part.imports.extend(_imports(statement))
            continue
        for origin, name in _origins(module, statement):
            if origin.is_relative_to(PACKAGE / _LEFT_OUT):
                bases_left_out.add(name)
            else:
                part.origins.append((origin, name))
    code = re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).strip()  # removed imports leave empty lines
    return part._replace(code=_without_bases(module, code, bases_left_out))


def _check_has_no_import_of_ours(module: Path, statement: ast.stmt):
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{module}, line {node.lineno}: import modules of the package at the top of the file.")


def _without_bases(module: Path, code: str, bases: set[str]) -> str:
    """Remove base classes from class statements."""
    for base in bases:
        code = re.sub(rf"^(class \w+\(){base}, ", r"\1", code, flags=re.MULTILINE)
        if re.search(rf"\b{base}\b", code):
            raise ValueError(f"{module}: {base} must be the first of several base classes and nothing else.")
    return code


def _imports(statement: ast.Import | ast.ImportFrom) -> list[_Import]:
    """Imports of other packages."""
    module = getattr(statement, "module", "")
    return [
        _Import(module, alias.name, alias.asname or (alias.name if module else alias.name.split(".")[0]))
        for alias in statement.names
    ]


def _definitions(module: Path, statement: ast.stmt) -> dict[str, object]:
    """Names that a statement of a module defines. Equal assignments, as those of `logger`, define the same."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name: module}
    if isinstance(statement, ast.Assign):
        names = [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        return dict.fromkeys(names, ast.unparse(statement))
    nodes = list(ast.walk(statement))
    names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names += [node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    names += [
        name.bound for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for name in _imports(node)
    ]
    return dict.fromkeys(names, module)


def _origins(module: Path, statement: ast.ImportFrom) -> list[tuple[Path, str]]:
    """The modules of this package that an import takes its names from, and the names."""
    place = f"{module}, line {statement.lineno}"
    if statement.module is None:
        raise ValueError(f"{place}: a flat file cannot import a whole module of the package.")
    if any(alias.asname for alias in statement.names):
        raise ValueError(f"{place}: a flat file cannot give a name of the package another name.")
    path = module.parents[statement.level - 1].joinpath(*statement.module.split("."))
    return [(_defining_module(path, alias.name), alias.name) for alias in statement.names]


def _defining_module(path: Path, name: str) -> Path:
    """The module at `path`. If `path` is a room, the module that its `__init__` imports `name` from."""
    if not path.is_dir():
        return path.with_suffix(".py")
    for node in ast.walk(ast.parse((path / "__init__.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return path.joinpath(*(node.module or "").split(".")).with_suffix(".py")
    raise ValueError(f"{path / '__init__.py'} does not import {name}.")


def _check_names(root: Path, parts: list[_Part], flat_imports: set[_Import]):
    """
    Raises:
        ValueError: If a name means different things in two modules. In one file, the last one would replace the first.
    """
    known: dict[str, tuple[object, Path]] = {imported.bound: (imported, root) for imported in flat_imports}
    known |= {name: ("built in", Path("builtins")) for name in dir(builtins) if not name.startswith("_")}
    for part in parts:
        for name, meaning in ({imported.bound: imported for imported in part.imports} | part.definitions).items():
            known_meaning, module = known.setdefault(name, (meaning, part.path))
            if known_meaning != meaning:
                raise ValueError(f"{module} and {part.path} cannot be in one flat file: {name} means two things.")


def _import_statements(imports: set[_Import]) -> str:
    """Import statements in three groups: the standard library, other packages, flat files."""
    aliases = defaultdict(list)
    for module, name, bound in sorted(imports):
        alias = ast.alias(name, None if bound == name.split(".")[0] else bound)
        aliases[module or name, bool(module)].append(alias)
    groups: tuple[list[str], ...] = ([], [], [])
    for (module, has_from), names in sorted(aliases.items(), key=lambda item: item[0]):
        package = module.split(".")[0]
        group = groups[2 if not package else 0 if package in sys.stdlib_module_names else 1]
        group.append(ast.unparse(ast.ImportFrom(module, names, level=0) if has_from else ast.Import(names)) + "\n")
    return "\n".join("".join(group) for group in groups if group)
