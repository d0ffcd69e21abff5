import os
import re
import sys
import venv
from pathlib import Path

import pytest


LEFT_OUT = re.compile(r"(__editable__|lgi_former|lgi-former|datasets|evaluate|peft|accelerate)\b.*|.*\.pth")


@pytest.fixture(scope="session")
def python_elsewhere(tmp_path_factory):
    """A Python without this package and without libraries that saved models do not need."""
    return _python_without(LEFT_OUT, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="session")
def python_without_einops(tmp_path_factory):
    """Like `python_elsewhere`, but without einops."""
    left_out = re.compile(rf"{LEFT_OUT.pattern}|einops\b.*")
    return _python_without(left_out, tmp_path_factory.mktemp("without_einops"))


def _python_without(left_out, folder):
    venv.create(folder, symlinks=os.name != "nt", with_pip=False)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    linked = set()
    for path in [Path(path) for path in sys.path if path.endswith("site-packages")]:
        for entry in path.iterdir():
            name = entry.name.partition("-")[0] + entry.suffix  # a distribution without its version
            if name not in linked and not left_out.fullmatch(entry.name):
                linked.add(name)
                (site_packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"
