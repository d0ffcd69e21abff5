"""`lgi-former demo`: what it starts or writes, and one sentence for what is wrong."""

import importlib.metadata
import importlib.util

import pytest

from lgi_former.commands.cli import main
from lgi_former.inference.demo import UploadLimits, launch
from lgi_former.inference.demo.answers import Recognition, Reconstruction


@pytest.fixture
def served(monkeypatch):
    """What would be served, as `_serve` was called."""
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


def test_without_gradio_a_sentence_says_how_to_go_on(finetuned, monkeypatch, told):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["demo", "--model", finetuned]) == 2
    assert 'pip install "lgi-former[demo]"' in told()


def test_without_the_face_detector_too(finetuned, served, monkeypatch, told):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "gradio" else None)
    assert main(["demo", "--model", finetuned, "--device", "cpu"]) == 2
    assert "pip install" in told()


def test_a_model_that_is_not_there_is_told(tmp_path, served, told):
    assert main(["demo", "--model", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in told()


def test_a_space_is_written_and_not_over_others(finetuned, tmp_path, monkeypatch, capsys, told):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['gradio>=6; extra == "demo"'])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.31.0")
    export = ["demo", "--model", finetuned, "--export-space", str(tmp_path / "space")]
    assert main(export) == 0
    assert "hf upload" in capsys.readouterr().out
    assert (tmp_path / "space" / "app.py").exists()
    assert main(export) == 2
    assert "is not empty" in told()


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_is_a_number(port, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--model", "x", "--port", port])
    assert f"'{port}' is not a port" in capsys.readouterr().err
