from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """The models are too small for several, which wait for each other on a busy machine."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture(scope="session")
def tiny_run(load_module):
    """The module `tiny_run.py` beside this file, which other processes run as a script."""
    return load_module(Path(__file__).with_name("tiny_run.py"))
