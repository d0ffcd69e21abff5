import os
import re
import sys
import venv
from pathlib import Path

import pytest


LEFT_OUT = re.compile(r"(__editable__|lgi_former|lgi-former|einops|datasets|evaluate|peft|accelerate)\b.*|.*\.pth")


@pytest.fixture(scope="session")
def python_elsewhere(tmp_path_factory):
    """A Python with this one's libraries, but without this package and what Transformers does not need for a model."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, symlinks=os.name != "nt", with_pip=False)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    linked = set()
    for path in [Path(path) for path in sys.path if path.endswith("site-packages")]:
        for entry in path.iterdir():
            name = entry.name.partition("-")[0] + entry.suffix  # a distribution without its version
            if name not in linked and not LEFT_OUT.fullmatch(entry.name):
                linked.add(name)
                (site_packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"
