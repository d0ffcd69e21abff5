"""Models that earlier versions saved still load: with the package, and by their own code.

Each archive in `saved_models` holds a directory of `save_pretrained` and `predictions.json`, the predictions of then.
"""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest


HERE = Path(__file__).parent
ARCHIVES = sorted((HERE / "saved_models").glob("*.zip"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def saved(request, tmp_path):
    """The directory of a saved model, and its predictions of then."""
    folder = tmp_path / request.param.stem
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    predictions = json.loads((folder / "predictions.json").read_text())
    (folder / "predictions.json").unlink()
    return folder, predictions


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


def test_there_is_a_model_of_each_kind():
    assert {path.stem for path in ARCHIVES} == {"classifier", "pretraining"}


def test_a_saved_model_loads_with_the_package(saved, load_module):
    folder, expected = saved
    check_equal(load_module(HERE / "predict_saved.py").predictions_of(folder), expected)


def test_a_saved_model_loads_by_its_own_code(saved, python_elsewhere, tmp_path):
    folder, expected = saved
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [python_elsewhere, "-I", HERE / "predict_saved.py", folder]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_equal(json.loads((folder / "predictions.json").read_text()), expected)
