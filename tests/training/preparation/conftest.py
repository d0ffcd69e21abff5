from pathlib import Path

import pytest

from lgi_former.commands.cli import main


@pytest.fixture(scope="session")
def replicas(load_module):
    """The module `replicas.py` beside this file, which writes miniature corpora."""
    return load_module(Path(__file__).with_name("replicas.py"))


@pytest.fixture
def prepare(tmp_path):
    """Function `(corpus, *options)`: runs `lgi-former prepare` from `tmp_path / "root"` to `tmp_path / "output"`."""

    def run(corpus, *options):
        folders = ("--root", str(tmp_path / "root"), "--output", str(tmp_path / "output"))
        return main(["prepare", corpus, *folders, *options])

    return run
