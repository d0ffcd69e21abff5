"""`lgi-former predict` with names of videos that a terminal or a spreadsheet would obey."""

import csv
import shutil

import pytest

from lgi_former.commands.cli import main
from lgi_former.messages import printable


NAME = "=1+1\x1b]0;title\x07\x1b[2J\r.mp4"


@pytest.fixture
def folder(video, tmp_path, monkeypatch):
    """The current folder, with a video and a broken one."""
    shutil.copy(video, tmp_path / NAME)
    (tmp_path / f"@broken{NAME}").write_text("not a video")
    (tmp_path / "notes\x1b[2J.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("option", [[], ["--csv"], ["--json"]])
def test_nothing_that_is_printed_moves_the_cursor(option, folder, finetuned, capsys):
    options = ["--model", str(finetuned), "--device", "cpu", "--no_crop_faces", *option]
    assert main(["predict", NAME, f"@broken{NAME}", str(folder), *options]) == 1
    printed = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\r"} & set(printed)
    assert "x1b" in printed or "u001b" in printed


def test_no_cell_of_a_table_is_a_formula(folder, finetuned):
    options = ["--model", str(finetuned), "--device", "cpu", "--no_crop_faces", "--output", "results"]
    assert main(["predict", NAME, f"@broken{NAME}", *options]) == 1
    with (folder / "results" / "predictions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == [f"'{printable(NAME)}", f"'@broken{printable(NAME)}"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+"))]
