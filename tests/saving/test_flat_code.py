"""Flat files contain the code of the package's modules, and import only what loading a model needs."""

import ast
import importlib
import sys

import pytest

from lgi_former.saving import PACKAGE, all_flat_code, flat_code


# Requirements of transformers, torch and torchvision, and einops.
ALLOWED = {
    *sys.stdlib_module_names,
    "transformers",
    "huggingface_hub",
    "torch",
    "torchvision",
    "numpy",
    "PIL",
    "einops",
}
CODE = all_flat_code()
FLAT_CODE = importlib.import_module("lgi_former.saving.flat_code")


def imports_of(source):
    """Import statements outside of `try`. Transformers checks them before it runs the code."""
    waiting = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        if not isinstance(node, ast.Try):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("name", CODE)
def test_a_flat_file_imports_only_what_exists(name):
    for node in imports_of(CODE[name]):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        elif node.level == 0:
            assert node.module.split(".")[0] in ALLOWED
        else:
            assert node.level == 1
            defined = {getattr(statement, "name", None) for statement in ast.parse(CODE[f"{node.module}.py"]).body}
            assert {alias.name for alias in node.names} <= defined


def test_there_are_the_three_files_that_auto_map_names():
    assert CODE.keys() == {f"{name}_lgi_former.py" for name in ("configuration", "modeling", "video_processing")}


def without_imports_and_bases(source):
    """Statements of a module as text, without imports and without base classes of the room `saving`."""
    statements = [node for node in ast.parse(source).body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in statements:
        if isinstance(node, ast.ClassDef):
            node.bases = [base for base in node.bases if not ast.unparse(base).endswith("SavedWithCode")]
    return [ast.unparse(node) for node in statements]


@pytest.mark.parametrize("name", CODE)
def test_a_flat_file_has_all_code_of_its_modules(name):
    modules = [line.removeprefix("# From ") for line in CODE[name].splitlines() if line.startswith("# From ")]
    expected = [node for module in modules for node in without_imports_and_bases((PACKAGE / module).read_text())]
    found = without_imports_and_bases(CODE[name])
    if name == "configuration_lgi_former.py":  # see test_two_folders.py
        assert found.pop(0).startswith("if TYPE_CHECKING:\n    from .modeling_lgi_former import")
    assert found == expected
    assert modules[-1].endswith(name)


@pytest.mark.parametrize("name", CODE)
def test_no_name_is_private_in_torch_when_a_file_is_imported(name):
    """Later versions of PyTorch, which may lack private names, must load saved models."""
    tree = ast.parse(CODE[name])
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    words = [f"{getattr(node, 'module', '')}.{alias.name}" for node in imported for alias in node.names]
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            words += [ast.unparse(part) for part in ast.walk(node) if isinstance(part, ast.Attribute)]
    assert any("torch" in word for word in words) or name.startswith("configuration")
    for word in words:
        assert not (word.startswith("torch") and "._" in word) and not word.startswith("torch.ops")


def test_code_for_training_and_conversion_is_left_out():
    everything = "".join(CODE.values())
    assert "class LGIFormerAttention(" in everything and "def read_video(" in everything
    for word in ("finetuning_frame_indices", "augment", "optimizer", "PublishedCheckpoint", "evaluate.", "save_code"):
        assert word not in everything


def test_a_processor_brings_no_modelling_code():
    assert flat_code("video_processing_lgi_former").keys() == {"video_processing_lgi_former.py"}


def test_a_model_brings_its_configuration():
    assert flat_code("modeling_lgi_former").keys() == {"configuration_lgi_former.py", "modeling_lgi_former.py"}


# Joining modules


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Function that writes modules of another package, and returns the flat code of its `main`."""
    monkeypatch.setattr(FLAT_CODE, "PACKAGE", tmp_path)
    monkeypatch.setattr(FLAT_CODE, "_MODULE_OF_FLAT_FILE", {"main": "room/main.py", "config": "other/config.py"})

    def join(main, **modules):
        for name, source in {"room/main": main, **modules}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        return flat_code.__wrapped__("main")

    return join


OTHER_ROOM = {
    "other/__init__": "from .a import A\nfrom .b import (\n    B,\n)\nfrom .config import Config\n",
    "other/a": "import os\nfrom torch import nn\nfrom .b import B\n\n\nA = B + 1\n",
    "other/b": "from torch import Tensor\nimport os\n\n\nB = 1\n",
    "other/config": "class Config:\n    size = 1\n",
    "saving/__init__": "from .base import Saved\n",
}
HEADER_LINES = 4


def test_modules_are_joined_in_the_order_of_imports(package):
    main = "import numpy as np\nfrom ..other import (\n    A,  # the first\n    Config,\n)\n\n\nC = A\n"
    code = package(main, **OTHER_ROOM)
    assert code["main.py"].split("\n", HEADER_LINES)[HEADER_LINES] == (
        "import os\n\nimport numpy as np\nfrom torch import Tensor, nn\n\nfrom .config import Config\n\n\n"
        "# From other/b.py\n\nB = 1\n\n\n# From other/a.py\n\nA = B + 1\n\n\n# From room/main.py\n\nC = A\n"
    )
    assert code.keys() == {"main.py", "config.py"}


def test_base_classes_that_write_code_are_removed(package):
    main = "from ..saving import Saved\n\n\nclass A:\n    pass\n\n\nclass B(Saved, A):\n    pass\n"
    code = package(main, **OTHER_ROOM)["main.py"]
    assert "class B(A):" in code and "Saved" not in code


@pytest.mark.parametrize(
    ("main", "modules", "message"),
    [
        ("from .. import other", {}, r"main.py, line 1: a flat file cannot import a whole module"),
        ("from ..other import A as Z", {}, r"main.py, line 1: a flat file cannot give a name of the package another"),
        ("def f():\n    from ..other import A", {}, r"main.py, line 2: import modules of the package at the top"),
        ("try:\n    from ..other import A\nexcept ImportError:\n    A = 1", {}, r"line 2: import modules of the"),
        ("from ..other import C", {}, r"__init__.py does not import C"),
        ("from ..other import A\nB = 2", {}, r"b.py and .*main.py cannot be in one flat file: B means two things"),
        ("from ..other import A\ndef B(): pass", {}, r"B means two things"),
        ("from ..other import A\nfrom torch.nn import Tensor", {}, r"Tensor means two things"),
        ("from ..other import A\nimport nn", {}, r"nn means two things"),
        ("from ..other import Config, A\nif A:\n    Config = 2", {}, r"Config means two things"),
        ("def open(): pass", {}, r"open means two things"),
        ("from ..other.b import B", {"other/b": "from ..room.main import D\nB = 1"}, r"imports itself"),
        ("from ..saving import Saved\nclass A(Saved): pass", {}, r"Saved must be the first of several base classes"),
        ("from ..saving import Saved\nx = Saved", {}, r"Saved must be the first of several base classes"),
    ],
)
def test_what_cannot_be_joined_is_refused(package, main, modules, message):
    with pytest.raises(ValueError, match=message):
        package(main, **{**OTHER_ROOM, **modules})


def test_the_same_statement_may_stand_in_several_modules(package):
    same = "from ..other.a import A\nB = 1\n"
    assert package(same, **OTHER_ROOM)["main.py"].count("B = 1") == 2
