"""What is pushed to the Hub holds the model's files alone, and predicts the same where the package is not installed.

One process has the package and pushes (`push_models.py`), another has not and loads (`load_models.py`); the Hub is
`loopback_hub.py`. What they found is compared here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from safetensors.torch import load

from lgi_former import hub


pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
REPOSITORIES = ["finetuned", "by-call", "pretrained", "encoder", "converted-classification", "converted-pretraining"]


@pytest.fixture(scope="module")
def pushed(loopback_hub, python_elsewhere, tmp_path_factory):
    """Files on the Hub by repository, and what both processes found."""
    folder = tmp_path_factory.mktemp("work")

    def run_script(command, name, home):
        environment = {**os.environ, **loopback_hub.environment(folder / home), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, HERE / name, folder], env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    run_script([sys.executable], "push_models.py", "with_package")
    files = {name: loopback_hub.files(f"someone/{name}") for name in REPOSITORIES}
    run_script([python_elsewhere, "-I"], "load_models.py", "without_package")
    here = json.loads((folder / "predictions.json").read_text())
    elsewhere = json.loads((folder / "elsewhere.json").read_text())
    return files, here, elsewhere, folder


MODELS = ["finetuned", "pretrained", "encoder", "encoder of the classifier"]
CONVERTED = ["converted classifier", "converted autoencoder"]


@pytest.mark.parametrize("name", [*MODELS, *CONVERTED, "pipeline"])
def test_the_same_is_predicted_without_the_package(pushed, name):
    _, here, elsewhere, _ = pushed
    assert here[name] and elsewhere["predictions"][name] == here[name]


def test_the_other_process_had_the_same_transformers(pushed):
    assert pushed[2]["transformers"] == transformers.__version__


def test_two_segments_are_two_rows_of_different_classes(pushed):
    _, here, _, _ = pushed
    (first, second) = here["finetuned"]["logits"]
    assert len(first) == len(second) == 2 and first[0] != first[1]
    assert {answer["label"] for answer in here["pipeline"]} == {"dark", "light"}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_repository_holds_the_models_files_alone(pushed, name):
    files = pushed[0][name]
    expected = {"README.md", "config.json", "video_preprocessor_config.json", "model.safetensors"}
    assert files.keys() == expected | hub.all_flat_code().keys()
    assert load(files["model.safetensors"])


def test_a_run_pushes_while_it_trains_and_a_call_pushes_privately(pushed, loopback_hub):
    assert "Training in progress, step 1" in loopback_hub.repositories["someone/finetuned"].messages
    repository = loopback_hub.repositories["someone/by-call"]
    assert repository.private and repository.messages == ["initial commit", "Pushed by call"]


def test_the_training_run_left_more_than_was_pushed(pushed):
    files, _, _, folder = pushed
    left = {path.name for path in (folder / "finetuned").iterdir()}
    private = {"training_args.bin", "trainer_state.json", "checkpoint-2", "predictions.csv", "metrics.json"}
    assert private <= left and not private & files["finetuned"].keys()


@pytest.mark.parametrize("name", REPOSITORIES)
def test_nothing_tells_where_and_by_whom_it_was_made(pushed, name):
    files, _, _, folder = pushed
    for secret in (str(folder), str(hub.PACKAGE), str(Path.home()), os.path.realpath(hub.PACKAGE)):
        assert not [file for file, content in files[name].items() if secret.encode() in content]


def test_what_was_loaded_elsewhere_is_saved_with_the_code(pushed):
    files, here, elsewhere, _ = pushed
    assert elsewhere["saved again"] == here["finetuned"]
    assert set(elsewhere["files saved again"]) == files["finetuned"].keys() - {"README.md"}


def test_an_update_of_the_code_is_loaded_unless_a_revision_is_pinned(pushed):
    assert pushed[2]["marks"] == {"newest": "updated", "revision": "first", "code_revision": "first"}


def test_nobody_runs_the_code_without_trusting_it(pushed):
    assert "trust_remote_code=True" in pushed[2]["refusal"]
