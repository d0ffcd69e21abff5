import importlib.util
from pathlib import Path

import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor


@pytest.fixture(scope="session")
def load_module():
    """Function from the path of a Python file to its module: test folders are no packages to import from."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def loopback_hub(load_module):
    """A Hub on this machine (`loopback_hub.py`) for processes started with its `environment`."""
    with load_module(Path(__file__).with_name("loopback_hub.py")).LoopbackHub() as hub:
        yield hub


TINY = {"image_size": 32, "num_frames": 4, "region_size": (1, 1, 2), "hidden_size": 32, "num_hidden_layers": 1}
TINY_DECODER = {"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1}


@pytest.fixture(scope="session")
def save_tiny_model():
    """Function `(model_class, folder, labels, **options)`, with options of `save_pretrained`: saves a small model with
    random weights, for 4 frames of 32 x 32 pixels, and its processor."""

    def save(model_class, folder, labels, **options):
        torch.manual_seed(0)
        config = LGIFormerConfig(**TINY, **TINY_DECODER, id2label=dict(enumerate(labels)))
        model_class(config).save_pretrained(folder, **options)
        processor = LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4)
        processor.save_pretrained(folder, **options)

    return save
