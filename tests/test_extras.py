"""What works without the packages of the extras, and the errors that name the missing extra."""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys

import pytest

from lgi_former import LGIFormerForVideoClassification, extras
from lgi_former.commands.cli import main
from lgi_former.extras import MODULES, BrokenExtraError, MissingExtraError, needs_extra, require_extra


HIDE = """
import sys
from contextlib import redirect_stderr
from io import StringIO

sys.modules.update(dict.fromkeys({hidden!r}))  # Python finds no module whose entry is None
"""

WITHOUT_EXTRAS = """
import json
import lgi_former
from lgi_former.commands.cli import main

for name in lgi_former.__all__:
    getattr(lgi_former, name)
assert main(["predict", "--sample", "--num_segments", "1", "--model", sys.argv[2]]) == 0
outcomes = {}
for command in json.loads(sys.argv[1]):
    with redirect_stderr(StringIO()) as messages:
        status = main(command.split())
    outcomes[command] = [status, messages.getvalue().strip().splitlines()[-1]]
print(json.dumps(outcomes))
"""

IMPORT_EACH = """
import json
import lgi_former
from lgi_former.extras import MissingExtraError

messages = []
for hidden, code, _ in json.loads(sys.argv[1]):
    before, visible = set(sys.modules), sys.modules.get(hidden)
    sys.modules[hidden] = None
    try:
        exec(code)
        messages.append("no error")
    except MissingExtraError as error:
        messages.append(str(error))
    del sys.modules[hidden]
    if visible is not None:
        sys.modules[hidden] = visible
    for name in sys.modules.keys() - before:
        if name.startswith("lgi_former"):
            del sys.modules[name]  # the next import must run the module again
print(json.dumps(messages))
"""

IMPORTS = [
    ("matplotlib", "import lgi_former.figures.style", "figures"),
    ("sklearn", "from lgi_former.figures import map_embeddings", "figures"),
    ("matplotlib", "import lgi_former.inference.annotated_video", "figures"),
    ("sklearn", "lgi_former.make_compute_metrics(['happy', 'sad'])", "train"),
    ("sklearn", "lgi_former.FacialExpressionMetric().compute(predictions=[0], references=[0])", "train"),
    ("matplotlib", "import lgi_former.training.evaluation.report", "train"),
    ("matplotlib", "import lgi_former.inference.demo", "demo"),
    ("scipy", "from lgi_former.image_processing import FaceCropper; FaceCropper()", "faces"),
]
"""The hidden module, the import that fails, and the extra that the error names."""

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
    "prepare faces videos cropped": "faces",
    "demo --model m": "demo",
}


def _run(hidden, code, *arguments, folder):
    script = HIDE.format(hidden=tuple(hidden)) + code
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=folder)


@pytest.mark.slow
def test_prediction_and_trainer_need_no_extra_and_commands_name_theirs(tmp_path, save_tiny_model):
    hidden = {module for modules in MODULES.values() for module in modules}
    (tmp_path / "videos").mkdir()
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["happy", "sad"])
    done = _run(hidden, WITHOUT_EXTRAS, json.dumps(list(EXTRA_OF_COMMAND)), str(tmp_path / "model"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for command, (status, message) in json.loads(done.stdout.splitlines()[-1]).items():
        assert status == 2, command
        assert f'pip install "lgi-former[{EXTRA_OF_COMMAND[command]}]"' in message, command


@pytest.mark.slow
def test_imports_from_python_name_the_extra(tmp_path):
    done = _run([], IMPORT_EACH, json.dumps(IMPORTS), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    messages = json.loads(done.stdout.splitlines()[-1])
    for (hidden, code, extra), message in zip(IMPORTS, messages, strict=True):
        assert hidden in message and f'pip install "lgi-former[{extra}]"' in message, code


def test_all_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("json", "no_such_package", "no_other_package"))
    with pytest.raises(MissingExtraError, match=r'no_such_package, no_other_package\. .*"lgi-former\[train\]"'):
        require_extra("train")


def test_nothing_happens_if_all_packages_are_there(monkeypatch):
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


BREAKAGES = {
    "a library that cannot be loaded": "raise ImportError('DLL load failed.')",
    "a missing requirement": "import no_such_requirement",
    "another error": "raise RuntimeError('compiled for another numpy')",
    "an error in a module of the package": "from broken_tool import inner",
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_package_is_named_with_the_cause(breakage, tmp_path, monkeypatch):
    (tmp_path / "broken_tool").mkdir()
    (tmp_path / "broken_tool/__init__.py").write_text(BREAKAGES[breakage])
    (tmp_path / "broken_tool/inner.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(MODULES, "train", ("json", "broken_tool"))
    with pytest.raises(BrokenExtraError) as raised, needs_extra("train"):
        import broken_tool  # noqa: F401
    message = str(raised.value)
    assert message.startswith("The package broken_tool is installed but cannot be imported (")
    causes = ("DLL load failed)", "'no_such_requirement'", "another numpy", "division")
    assert any(cause in message for cause in causes)


@pytest.mark.parametrize(
    ("command", "package"), [("prepare faces in out", "onnxruntime"), ("demo --model m", "gradio")]
)
def test_commands_report_a_broken_package(command, package, tmp_path, monkeypatch, capsys):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise ImportError('undefined symbol: abc')")
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("lgi_former.inference.demo.launch.load_demo", lambda *_: None)
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"The package {package} is installed but cannot be imported" in error
    assert "undefined symbol: abc" in error


def test_setup_installs_what_the_errors_promise(setup_arguments):
    installed_by = importlib.metadata.packages_distributions() | {"umap": ["umap-learn"]}
    for extra, modules in MODULES.items():
        names = {requirement.partition(">=")[0] for requirement in setup_arguments["extras_require"][extra]}
        for module in modules:
            assert names & set(installed_by[module]), (extra, module)
