"""Models that earlier versions saved still load: with the package, and by their own code.

Each archive in `saved_models` contains a directory of `save_pretrained`, and `predictions.json` from the same day.
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
KINDS = ["classifier", "pretraining"]

pytestmark = pytest.mark.slow


def extract(folder):
    """Extract each saved model into a folder of its kind. Return the predictions of that day by kind."""
    predictions = {}
    for kind in KINDS:
        with zipfile.ZipFile(HERE / "saved_models" / f"{kind}.zip") as archive:
            archive.extractall(folder / kind)
        predictions[kind] = json.loads((folder / kind / "predictions.json").read_text())
        (folder / kind / "predictions.json").unlink()
    return predictions


def predict_elsewhere(python, folders, home):
    """Predictions by the code of the models, in one process without the package."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [python, "-I", HERE / "predict_saved.py", *folders]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {folder.name: json.loads((folder / "predictions.json").read_text()) for folder in folders}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of the extracted models, and their predictions."""
    folder = tmp_path_factory.mktemp("saved")
    return folder, extract(folder)


@pytest.fixture(scope="module")
def without_einops(saved, python_without_einops, tmp_path_factory):
    """Predictions of the extracted models without einops, which they do not need, and of a new model, which does."""
    new = saved[0] / "new"
    LGIFormerConfig(num_hidden_layers=1).save_pretrained(new)
    folders = [*(saved[0] / kind for kind in KINDS), new]
    return predict_elsewhere(python_without_einops, folders, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def saved_again(python_elsewhere, tmp_path_factory):
    """Names of Python files after configuration and processor are saved again over the extracted models, by step.

    The predictions of the new code are in the last item.
    """
    folder = tmp_path_factory.mktemp("again")
    extract(folder)
    code = {}
    for kind in KINDS:
        steps = [AutoConfig]
        if (folder / kind / "video_preprocessor_config.json").exists():
            steps.append(AutoVideoProcessor)
        code[kind] = [{path.name for path in (folder / kind).glob("*.py")}]
        for auto_class in steps:
            auto_class.from_pretrained(folder / kind).save_pretrained(folder / kind)
            code[kind].append({path.name for path in (folder / kind).glob("*.py")})
    folders = [folder / kind for kind in KINDS]
    return code, predict_elsewhere(python_elsewhere, folders, tmp_path_factory.mktemp("home"))


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_with_the_package(kind, saved, load_module):
    folder, expected = saved
    check_equal(load_module(HERE / "predict_saved.py").predictions_of(folder / kind), expected[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_by_its_own_code(kind, saved, without_einops):
    check_equal(without_einops[kind], saved[1][kind])


@pytest.mark.parametrize("kind", KINDS)
def test_saving_again_replaces_the_old_code(kind, saved, saved_again):
    """Files of single modules are removed as soon as nothing needs them, and the new code predicts the same."""
    code, predictions = saved_again
    before, with_config, *with_processor = code[kind]
    assert "encoder.py" in before and "encoder.py" not in with_config
    assert {"configuration_lgi_former.py", "modeling_lgi_former.py"} <= with_config
    if with_processor:
        assert "video_decoding.py" in with_config, "the old processor still needs it"
    assert code[kind][-1] <= all_flat_code().keys()
    check_equal(predictions[kind], saved[1][kind])


def test_transformers_says_that_einops_is_missing(without_einops):
    assert "pip install einops" in without_einops["new"]["error"]
