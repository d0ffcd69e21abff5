"""The examples in docstrings run and print the shown output."""

import doctest
import importlib
from pathlib import Path

import pytest

import lgi_former


ROOT = Path(lgi_former.__file__).parent
ROOMS = [
    "configuration",
    "conversion",
    "figures",
    "hub",
    "image_processing",
    "inference",
    "modeling_lgi_former",
    "training",
]
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"lgi_former.{name}"), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted and not result.failed


def test_every_model_class_has_an_example():
    assert "modeling_lgi_former.modeling_lgi_former" in WITH_EXAMPLES
    for model_class in ("LGIFormerModel", "LGIFormerForPreTraining", "LGIFormerForVideoClassification"):
        assert ">>> " in getattr(lgi_former, model_class).forward.__doc__
