"""Prediction and the trainer need no extra, and errors for missing packages name the extra."""

import importlib.metadata
import importlib.util
import json

import pytest

from lgi_former import extras
from lgi_former.extras import MODULES, MissingExtraError, needs_extra, require_extra


# Python finds no module whose entry in `sys.modules` is None.
HIDE_ALL = """
import sys

HIDDEN = {hidden!r}
sys.modules.update(dict.fromkeys(HIDDEN))
import lgi_former
from lgi_former.image_processing import LGIFormerVideoProcessor
"""

WITHOUT_EXTRAS = """
import json
from contextlib import redirect_stderr
from io import StringIO
import lgi_former
from lgi_former.commands.cli import main

for name in lgi_former.__all__:
    getattr(lgi_former, name)
assert main(["predict", "--sample", "--num_segments", "1"]) == 0
outcomes = {{}}
for command in {commands!r}:
    with redirect_stderr(StringIO()) as messages:
        status = main(command.format(folder={folder!r}).split())
    outcomes[command] = [status, messages.getvalue().strip().splitlines()[-1]]
print(json.dumps(outcomes))
"""

WITHOUT_ONE = """
import sys

for name in {hidden!r}:
    if name != {missing!r}:
        del sys.modules[name]
{code}
"""

EXTRA_OF_COMMAND = {
    "quickstart": "train",
    "pretrain": "train",
    "finetune": "train",
    "evaluate": "train",
    "reconstruct face.mp4 --model m --output r.png": "figures",
    "visualize losses trainer_state.json --output l.png": "figures",
    "visualize embeddings faces.parquet --output e.png": "figures",
    "predict face.mp4 --model m --no_crop_faces --timeline t.png": "figures",
    "predict face.mp4 --model m --no_crop_faces --annotate a.mp4": "figures",
    "predict face.mp4 --model m": "faces",
    "prepare faces {folder}/videos {folder}/cropped": "faces",
    "demo --model m": "demo",
}

HIDDEN = sorted({module for modules in MODULES.values() for module in modules})
IMPORTS = [
    ("matplotlib", "import lgi_former.figures.style", "figures"),
    ("sklearn", "from lgi_former.figures import map_embeddings", "figures"),
    ("matplotlib", "import lgi_former.inference.annotated_video", "figures"),
    ("sklearn", "import lgi_former.training.evaluation.metrics", "train"),
    ("matplotlib", "import lgi_former.training.evaluation.report", "train"),
    ("matplotlib", "import lgi_former.inference.demo", "demo"),
    ("scipy", "from lgi_former.image_processing import FaceCropper; FaceCropper()", "faces"),
]


@pytest.fixture(scope="module")
def outcomes(run_in_forks, tmp_path_factory):
    """Output and error without any extra, and the errors without one package."""
    folder = tmp_path_factory.mktemp("extras")
    (folder / "videos").mkdir()
    codes = [WITHOUT_EXTRAS.format(commands=list(EXTRA_OF_COMMAND), folder=str(folder))]
    codes += [WITHOUT_ONE.format(hidden=HIDDEN, missing=missing, code=code) for missing, code, _ in IMPORTS]
    without_extras, *without_one = run_in_forks(HIDE_ALL.format(hidden=HIDDEN), codes)
    return without_extras, {code: error for (_, code, _), (_, error) in zip(IMPORTS, without_one, strict=True)}


@pytest.mark.slow
def test_prediction_and_trainer_need_no_extra_and_commands_name_theirs(outcomes):
    output, error = outcomes[0]
    assert error is None
    for command, (status, message) in json.loads(output.splitlines()[-1]).items():
        assert status == 2, command
        assert f'pip install "lgi-former[{EXTRA_OF_COMMAND[command]}]"' in message, command


@pytest.mark.parametrize(("missing", "code", "extra"), IMPORTS)
@pytest.mark.slow
def test_imports_from_python_name_the_extra(missing, code, extra, outcomes):
    error = outcomes[1][code]
    assert missing in error and f'pip install "lgi-former[{extra}]"' in error


def test_all_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("json", "no_such_package", "no_other_package"))
    with pytest.raises(MissingExtraError, match=r'no_such_package, no_other_package\. .*"lgi-former\[train\]"'):
        require_extra("train")


def test_installed_packages_raise_no_error(monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("json", "csv"))
    require_extra("train")
    with needs_extra("train"):
        import csv  # noqa: F401


def test_packages_that_a_finder_refuses_are_missing(monkeypatch):
    def find_spec(name):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(extras.importlib.util, "find_spec", find_spec)
    with pytest.raises(MissingExtraError, match="umap"), needs_extra("umap"):
        raise ImportError("an error without a name")


@pytest.mark.parametrize("error", [ModuleNotFoundError("no tool", name="tool"), ImportError("bad"), ValueError("bad")])
def test_other_errors_pass_unchanged(error, monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("json",))
    with pytest.raises(type(error)) as raised, needs_extra("train"):
        raise error
    assert raised.value is error


def test_extras_install_the_modules_that_errors_name(setup_arguments):
    installed_by = importlib.metadata.packages_distributions() | {"umap": ["umap-learn"]}
    for extra, modules in MODULES.items():
        names = {requirement.partition(">=")[0] for requirement in setup_arguments["extras_require"][extra]}
        for module in modules:
            assert names & set(installed_by[module]), (extra, module)
