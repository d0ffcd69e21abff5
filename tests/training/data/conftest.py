from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus(load_module):
    """The module `rough_corpus.py`: names of good and broken videos, and functions that write videos."""
    return load_module(Path(__file__).parents[1] / "rough_corpus.py")


@pytest.fixture(scope="session")
def rough_corpus(corpus, tmp_path_factory):
    """The good and broken videos in a folder, which tests must not change."""
    return corpus.write_rough_corpus(tmp_path_factory.mktemp("corpus"))
