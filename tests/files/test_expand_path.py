"""`~` and environment variables in paths."""

import argparse
import os

import pytest

from lgi_former.files import UnsetVariableError, expand_path


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CORPUS", "dfew")
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("~/data/$CORPUS/train.csv", "HOME/data/dfew/train.csv"),
        ("data/${CORPUS}_1/{fold}.csv", "data/dfew_1/{fold}.csv"),
        ("~", "HOME"),
        ("s3://$CORPUS/index.json", "s3://dfew/index.json"),
        ("a~b/100$/x$.mp4", "a~b/100$/x$.mp4"),
        ("https://host/$NOWHERE?x=$CORPUS", "https://host/$NOWHERE?x=$CORPUS"),
        ("user/model", "user/model"),
        ("", ""),
    ],
)
def test_paths(written, expanded):
    assert expand_path(written) == expanded.replace("HOME", os.environ["HOME"])


def test_existing_files_keep_their_names(tmp_path):
    for name in ("$NOWHERE.mp4", "~a.mp4", "$CORPUS"):
        (tmp_path / name).touch()
        assert expand_path(name) == name


def test_an_unset_variable_is_an_error(capsys):
    with pytest.raises(
        UnsetVariableError, match=r"^the environment variable \$NOWHERE in the path '~/\$NOWHERE/x' is"
    ):
        expand_path("~/$NOWHERE/x")
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=expand_path)
    with pytest.raises(SystemExit):
        parser.parse_args(["--data", "${NOWHERE}"])
    assert "argument --data: the environment variable $NOWHERE" in capsys.readouterr().err
