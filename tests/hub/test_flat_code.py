"""The flat files are derived from the package's modules, and need nothing but what loading a model needs anyway."""

import ast
import sys

import pytest

from lgi_former import hub


# What transformers, torch and torchvision bring.
ALLOWED = {*sys.stdlib_module_names, "transformers", "huggingface_hub", "torch", "torchvision", "numpy", "PIL"}
CODE = hub.all_flat_code()


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
    own = (hub.PACKAGE / module).read_text().splitlines()
    assert module.endswith(name)
    assert [line for line in lines if "import" not in line] == [line for line in own if "import" not in line]


def test_code_for_training_and_conversion_is_left_out():
    assert {"modeling_lgi_former.py", "attention.py", "video_decoding.py"} <= CODE.keys()
    everything = "".join(CODE.values())
    for word in ("finetuning_frame_indices", "augment", "optimizer", "PublishedCheckpoint", "evaluate."):
        assert word not in everything


def test_a_processor_brings_no_modelling_code():
    code = hub.flat_code("video_processing_lgi_former")
    assert "frame_sampling.py" in code and "modeling_lgi_former.py" not in code
