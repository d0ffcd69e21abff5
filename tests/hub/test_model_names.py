"""A misspelt path is an error. Only names of repositories are looked up on the Hub."""

import pytest

from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_config
from lgi_former.hub.model_names import check_model_name


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
def test_commands_name_the_missing_folder(command, capsys):
    assert main([*command, "--model", "outputs/pretraind"]) == 2
    assert "did you mean outputs/pretrained?" in capsys.readouterr().err
