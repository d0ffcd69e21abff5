"""The metadata of the package, and the files of the wheel and of the source distribution."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import lgi_former


ROOT = Path(lgi_former.__file__).parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names of the files in the wheel and in the source distribution, without the name of the distribution."""
    folder = tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=lambda path, names: ignored(path, names) - {".ci"})
    code = f"from setuptools import build_meta as b; b.build_sdist({str(folder)!r}); b.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=folder / "source", check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        in_wheel = set(wheel.namelist())
    with tarfile.open(next(folder.glob("*.tar.gz"))) as source:
        in_source = {name.partition("/")[2] for name in source.getnames()}
    return in_wheel, in_source


def test_the_wheel_holds_the_package_only(built):
    in_wheel, _ = built
    files = {name.removeprefix("lgi_former/") for name in in_wheel if name.startswith("lgi_former/")}
    assert {"py.typed", "configuration/recipes/finetune_dfew.yaml", "training/quickstart/run.py"} <= files
    assert "setup.py" not in files
    assert not {name.partition("/")[0] for name in files} & {"tests", "benchmarks", "docs", "examples"}


def test_the_source_distribution_holds_tests_and_documents(built):
    _, in_source = built
    expected = {"setup.py", "CHANGELOG.md", "CITATION.cff", "docs/testing.md", "docs/figures/reconstruction.png"}
    expected |= {".ci/run", "tests/conftest.py", "tests/golden/optimization.json", "benchmarks/model_speed.py"}
    expected |= {"examples/analyse_a_video.ipynb", "examples/fine_tune_on_your_own_videos.ipynb"}
    expected |= {"examples/predict_onnx.py", "examples/ray_predict.py"}
    assert expected <= in_source
    assert not [name for name in in_source if name.endswith(".pyc")]


def test_the_version_is_written_in_one_place(setup_arguments):
    version = ast.literal_eval(re.search(r"__version__ = (.+)", (ROOT / "version.py").read_text())[1])
    assert setup_arguments["version"] == lgi_former.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_all_holds_every_extra_for_users(setup_arguments):
    extras = setup_arguments["extras_require"]
    expected = {need for name in extras.keys() - {"all", "dev", "docs", "ray", "torchcodec"} for need in extras[name]}
    assert set(extras["all"]) == expected


def test_every_requirement_says_what_it_is_for():
    """The comment is on the line of the requirement or on the line above."""
    lines = (ROOT / "setup.py").read_text().splitlines()
    requirements = [number for number, line in enumerate(lines) if re.match(r'(\w+ = \[| +)"[\w-]+>=', line)]
    assert len(requirements) > 25
    for number in requirements:
        assert "  # " in lines[number] or lines[number - 1].lstrip().startswith("#"), lines[number]
