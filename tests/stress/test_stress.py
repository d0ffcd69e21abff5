"""A short selection of the stress tools, about 15 seconds each. `python tests/stress` runs them for longer."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.stress
@pytest.mark.parametrize("tool", ["kill", "fuzz", "disk", "load"])
def test_nothing_is_wrong(tool, tmp_path):
    words = [sys.executable, Path(__file__).parent, tool, "--minutes", "0.15", "--report", tmp_path / "report"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
