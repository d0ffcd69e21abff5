"""Two folders with one configuration but different code of the model: each runs its own code in one process."""

import subprocess
import sys

import pytest

from lgi_former import LGIFormerForVideoClassification


# The package would replace the code, so another process loads the folders.
SCRIPT = """
import sys
from transformers import AutoModelForVideoClassification

for folder in sys.argv[1:]:
    model = AutoModelForVideoClassification.from_pretrained(folder, trust_remote_code=True)
    print(type(model).mark)
"""


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_each_folder_runs_its_own_code(order, save_tiny_model, tmp_path):
    for name in order:
        folder = tmp_path / name / "model"  # Transformers names modules by the last part of the path
        save_tiny_model(LGIFormerForVideoClassification, folder, ["x", "y"])
        with (folder / "modeling_lgi_former.py").open("a") as code:
            code.write(f"\n\nLGIFormerForVideoClassification.mark = {name!r}\n")
    folders = [str(tmp_path / name / "model") for name in order]
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *folders], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(order)
