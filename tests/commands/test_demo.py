"""`lgi-former demo`: the server, the exported Space, and errors in one sentence."""

import importlib.metadata
import importlib.util

import pytest

from lgi_former.commands.cli import main
from lgi_former.inference.demo import UploadLimits, launch
from lgi_former.inference.demo.answers import Recognition, Reconstruction


@pytest.fixture
def served(monkeypatch):
    """The arguments of each call of `_serve`, which serves nothing here."""
    calls = []
    monkeypatch.setattr(launch, "_serve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return calls


@pytest.mark.parametrize(("model", "kind"), [("finetuned", Recognition), ("pretrained", Reconstruction)])
def test_the_model_decides_what_is_served(model, kind, served, request):
    model = request.getfixturevalue(model)
    options = ["--max-megabytes", "7", "--max-seconds", "8", "--port", "9", "--device", "cpu"]
    assert main(["demo", "--model", model, *options]) == 0
    ((demo, *arguments),) = served
    assert type(demo) is kind
    assert demo.limits == UploadLimits(7, 8)
    assert arguments == [model, "127.0.0.1", 9, False]


def test_missing_gradio_is_an_error_with_advice(finetuned, monkeypatch, error_line):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["demo", "--model", finetuned]) == 2
    assert 'pip install "lgi-former[demo]"' in error_line()


def test_a_missing_face_detector_is_an_error_with_advice(finetuned, served, monkeypatch, error_line):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "gradio" else None)
    assert main(["demo", "--model", finetuned, "--device", "cpu"]) == 2
    assert "pip install" in error_line()


def test_a_missing_model_is_an_error(tmp_path, served, error_line):
    assert main(["demo", "--model", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in error_line()


def test_a_space_is_written_once(finetuned, tmp_path, monkeypatch, capsys, error_line):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['gradio>=6; extra == "demo"'])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.31.0")
    export = ["demo", "--model", finetuned, "--export-space", str(tmp_path / "space")]
    assert main(export) == 0
    assert "hf upload" in capsys.readouterr().out
    assert (tmp_path / "space" / "app.py").exists()
    assert main(export) == 2
    assert "is not empty" in error_line()


def test_a_space_of_an_impossible_repository_is_an_error(tmp_path, error_line):
    assert main(["demo", "--model", "outputs/my run/model", "--export-space", str(tmp_path / "space")]) == 2
    assert "it cannot be a repository of the Hub" in error_line()


@pytest.mark.parametrize("port", ["0", "65536", "http", 400 * "9"])
def test_a_port_is_a_number(port, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--model", "x", "--port", port])
    assert f"'{port}' is not a port" in capsys.readouterr().err
