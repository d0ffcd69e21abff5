"""The flat files are derived from the package's modules, and need nothing but what loading a model needs anyway."""

import ast
import sys

import pytest

from lgi_former.hub import flat_code


# What transformers, torch and torchvision bring.
ALLOWED = {*sys.stdlib_module_names, "transformers", "huggingface_hub", "torch", "torchvision", "numpy", "PIL"}
CODE = flat_code.all_flat_code()


def imports_of(source):
    """Import statements outside of `try`, which Transformers demands of the environment before it runs code."""
    waiting = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        if not isinstance(node, ast.Try):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("name", CODE)
def test_a_flat_file_imports_what_is_there(name):
    for node in imports_of(CODE[name]):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        elif node.level == 0:
            assert node.module.split(".")[0] in ALLOWED
        else:
            assert node.level == 1
            defined = {getattr(statement, "name", None) for statement in ast.parse(CODE[f"{node.module}.py"]).body}
            assert {alias.name for alias in node.names} <= defined


@pytest.mark.parametrize("name", CODE)
def test_a_flat_file_is_the_package_module_but_for_its_imports(name):
    header, _, *lines = CODE[name].splitlines()
    module = header.removeprefix("# Derived from lgi_former's ").split(",")[0]
    own = (flat_code.PACKAGE / module).read_text().splitlines()
    assert module.endswith(name)
    assert [line for line in lines if "import" not in line] == [line for line in own if "import" not in line]


def test_code_for_training_and_conversion_is_left_out():
    assert {"modeling_lgi_former.py", "attention.py", "video_decoding.py"} <= CODE.keys()
    everything = "".join(CODE.values())
    for word in ("finetuning_frame_indices", "augment", "optimizer", "PublishedCheckpoint", "evaluate."):
        assert word not in everything


def test_a_processor_brings_no_modelling_code():
    code = flat_code.flat_code("video_processing_lgi_former")
    assert "frame_sampling.py" in code and "modeling_lgi_former.py" not in code


# Deriving


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of another package, and returns the flat code of its `main`."""
    monkeypatch.setattr(flat_code, "PACKAGE", tmp_path)
    monkeypatch.setattr(flat_code, "_MODULE_OF_FLAT_FILE", {"main": "room/main.py"})

    def derive(main, **modules):
        for name, source in {"room/main": main, **modules}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        return flat_code.flat_code.__wrapped__("main")

    return derive


OTHER_ROOM = {"other/__init__": "from .a import A\nfrom .b import (\n    B,\n)\n", "other/a": "", "other/b": ""}


@pytest.mark.parametrize(
    ("statement", "flat"),
    [
        ("from ..other import A as Z", "from .a import A as Z"),
        ("from ..other import (\n    A,  # the first\n    B,\n)", "from .a import A\nfrom .b import B"),
        ("from ..other.b import C, D", "from .b import C, D"),
        ("def f():\n    from ..other import A\n", "def f():\n    from .a import A\n"),
        ("import torch\nfrom torch import nn  # stays", "import torch\nfrom torch import nn  # stays"),
    ],
)
def test_imports_become_flat(package, statement, flat):
    code = package(f"# before\n{statement}\n# after\n", **OTHER_ROOM)
    assert code["main.py"].split("\n", 2)[2] == f"# before\n{flat}\n# after\n"


@pytest.mark.parametrize(
    ("statement", "modules", "message"),
    [
        ("from .. import other", {}, r"main.py, line 1: a flat file cannot import a whole module"),
        ("from ..other import C", {}, r"__init__.py does not import C"),
        ("from ..other.main import A", {"other/main": ""}, r"there is another module of that name"),
    ],
)
def test_what_cannot_be_flat_is_refused(package, statement, modules, message):
    with pytest.raises(ValueError, match=message):
        package(statement, **OTHER_ROOM, **modules)
