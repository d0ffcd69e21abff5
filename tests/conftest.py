import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def loopback_hub():
    """A Hub on this machine (`loopback_hub.py`) for processes started with its `environment`."""
    path = Path(__file__).with_name("loopback_hub.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.LoopbackHub() as hub:
        yield hub
