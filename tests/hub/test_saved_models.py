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
from transformers import AutoConfig, AutoVideoProcessor

from lgi_former import LGIFormerConfig
from lgi_former.hub import all_flat_code


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


def run_own_code(python, folder, home):
    """Predict in a process without the package."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [python, "-I", HERE / "predict_saved.py", folder]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)


def test_a_saved_model_loads_by_its_own_code(saved, python_without_einops, tmp_path):
    folder, expected = saved
    done = run_own_code(python_without_einops, folder, tmp_path)
    assert done.returncode == 0, done.stderr
    check_equal(json.loads((folder / "predictions.json").read_text()), expected)


def test_saving_again_replaces_the_code_of_then(saved, python_elsewhere, tmp_path):
    """The code of a module a file goes, and the new code predicts the same."""
    folder, expected = saved
    before = {path.name for path in folder.glob("*.py")}
    AutoConfig.from_pretrained(folder).save_pretrained(folder)
    assert {"configuration_lgi_former.py", "modeling_lgi_former.py"} <= {path.name for path in folder.glob("*.py")}
    assert "encoder.py" in before and not (folder / "encoder.py").exists()
    if (folder / "video_preprocessor_config.json").exists():
        assert (folder / "video_decoding.py").exists(), "the processor of then still needs it"
        AutoVideoProcessor.from_pretrained(folder).save_pretrained(folder)
    assert {path.name for path in folder.glob("*.py")} <= all_flat_code().keys()
    done = run_own_code(python_elsewhere, folder, tmp_path)
    assert done.returncode == 0, done.stderr
    check_equal(json.loads((folder / "predictions.json").read_text()), expected)


def test_transformers_says_that_einops_is_missing(python_without_einops, tmp_path):
    LGIFormerConfig(num_hidden_layers=1).save_pretrained(tmp_path / "pretraining")
    done = run_own_code(python_without_einops, tmp_path / "pretraining", tmp_path)
    assert done.returncode != 0 and "pip install einops" in done.stderr
