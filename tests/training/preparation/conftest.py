import importlib
from pathlib import Path

import pytest

from lgi_former.commands.cli import main


@pytest.fixture(scope="session")
def replicas(load_module):
    """The module `replicas.py` beside this file, which writes miniature corpora."""
    return load_module(Path(__file__).with_name("replicas.py"))


@pytest.fixture
def worker_code(monkeypatch):
    """The module `worker_code.py` beside this file, which worker processes can import."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("worker_code")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


@pytest.fixture
def prepare(tmp_path):
    """Function `(corpus, *options)` that runs `lgi-former prepare` from `root` to `output`."""

    def run(corpus, *options):
        folders = ("--root", str(tmp_path / "root"), "--output", str(tmp_path / "output"))
        return main(["prepare", corpus, *folders, *options])

    return run
