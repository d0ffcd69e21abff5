"""A misspelt path is an error. Only names of repositories are looked up on the Hub."""

import time

import pytest

from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_config
from lgi_former.hub.model_names import check_model_name


ADDRESS = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"  # nothing listens there


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """The current folder has `outputs/pretrained` and `dfew`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "pretrained").mkdir(parents=True)
    (tmp_path / "dfew").mkdir()


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("outputs/pretraind", "outputs/pretrained"),
        ("outputs/other", None),
        ("output/pretrained", "outputs/pretrained"),
        ("Outputs/pretrained", "outputs/pretrained"),
        ("dfwe", "dfew"),
        ("./outputs/pretraind", "outputs/pretrained"),
        ("outputs\\pretrained", None),
        ("C:/models/dfew", None),
        ("outputs/a/b", None),
        ("someone/", None),
        ("bert-base", None),
        ("", None),
    ],
)
def test_a_misspelt_path_is_not_looked_up_on_the_hub(name, suggestion):
    with pytest.raises(FileNotFoundError, match="There is no folder") as error:
        load_config(name)
    assert ("did you mean" in str(error.value)) == (suggestion is not None)
    assert suggestion is None or suggestion in str(error.value)


@pytest.mark.parametrize("name", ["someone/mae-dfer", "outputs", "outputs/pretrained", "dfew/../dfew"])
def test_folders_and_repositories_are_accepted(name):
    check_model_name(name)


@pytest.mark.parametrize("command", [["predict", "a.mp4"], ["embed", "a.mp4", "--output", "a.npy"], ["demo"]])
def test_a_hub_that_does_not_answer_is_asked_once(command, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", ADDRESS)
    start = time.monotonic()
    assert main([*command, "--model", "someone/mae-dfer", "--device", "cpu"]) == 2
    assert time.monotonic() - start < 10
    error = capsys.readouterr().err.splitlines()[-1]
    assert "There is no folder 'someone/mae-dfer' here, and the Hub cannot be reached" in error


@pytest.mark.parametrize("command", [["predict", "a.mp4"], ["embed", "a.mp4", "--output", "a.npy"], ["demo"]])
def test_commands_name_the_missing_folder(command, capsys):
    assert main([*command, "--model", "outputs/pretraind"]) == 2
    assert "did you mean outputs/pretrained?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["predict", "embed", "demo", "reconstruct", "visualize attention", "visualize embeddings"]
)
def test_help_mentions_released_models(command, capsys):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    shown = "".join(capsys.readouterr().out.split())  # lines also break at hyphens
    assert "anamethat`lgi-formerdownload`lists" in shown
