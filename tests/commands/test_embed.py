"""`lgi-former embed`: files, labels and errors."""

import shutil

import numpy as np
import pandas as pd
import pytest

from lgi_former import LGIFormerVideoProcessor
from lgi_former.commands.cli import main


def _embed(*arguments):
    return main(["embed", *map(str, arguments), "--device", "cpu"])


@pytest.mark.parametrize(("level", "shape"), [("clip", (2, 32)), ("region", (2, 4, 32)), ("token", (2, 8, 32))])
def test_an_array_and_the_table_of_its_rows(level, shape, pretrained, video, tmp_path, capsys):
    output = tmp_path / "faces.npy"
    assert _embed(video, video, "--model", pretrained, "--output", output, "--level", level) == 0
    assert np.load(output).shape == shape
    rows = {"video": [video, video], "start": [0.96, 0.96], "end": [1.6, 1.6]}
    assert pd.read_csv(tmp_path / "faces.rows.csv").to_dict("list") == rows
    assert capsys.readouterr().out == f"{output}: {' x '.join(map(str, shape))}\n"


def test_labels_of_an_annotation_file_are_written(finetuned, video, tmp_path):
    (tmp_path / "test.txt").write_text(f"{video} sad\n{tmp_path / 'missing.mp4'} sad\n{video} happy\n")
    output = tmp_path / "faces.parquet"
    assert _embed("--data", tmp_path / "test.txt", "--model", finetuned, "--output", output) == 1
    table = pd.read_parquet(output)
    assert table["video"].tolist() == [video, video]
    assert table["label"].tolist() == ["sad", "happy"]
    assert len(table["embedding"][0]) == 32


def test_labels_may_be_numbers_or_missing(finetuned, video, tmp_path):
    for name, line in (("labelled", f"{video} 3\n"), ("unlabelled", f"{video}\n")):
        (tmp_path / f"{name}.txt").write_text(line)
        arguments = ["--data", tmp_path / f"{name}.txt", "--model", finetuned]
        assert _embed(*arguments, "--output", tmp_path / f"{name}.parquet") == 0
    assert pd.read_parquet(tmp_path / "labelled.parquet")["label"].tolist() == [3]
    assert list(pd.read_parquet(tmp_path / "unlabelled.parquet")) == ["video", "start", "end", "embedding"]


def test_views_are_averaged_or_written(finetuned, video, tmp_path):
    views, mean = tmp_path / "views.npy", tmp_path / "mean.npy"
    arguments = [video, "--model", finetuned, "--num-segments", "3"]
    assert _embed(*arguments, "--output", views, "--keep-views") == 0
    assert _embed(*arguments, "--output", mean) == 0
    rows = pd.read_csv(tmp_path / "views.rows.csv")
    assert rows["view"].tolist() == [0, 1, 2]
    assert rows["start"].tolist() == [0, 0.96, 1.92] and rows["end"].tolist() == [0.64, 1.6, 2.56]
    assert pd.read_csv(tmp_path / "mean.rows.csv").to_dict("list") == {"video": [video], "start": [0], "end": [2.56]}
    np.testing.assert_allclose(np.load(mean)[0], np.load(views).mean(axis=0), atol=1e-6)


def test_broken_videos_are_reported_and_the_others_embedded(finetuned, video, tmp_path, capsys):
    missing = tmp_path / "missing.mp4"
    assert _embed(missing, video, "--model", finetuned, "--output", tmp_path / "faces.npy") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lgi-former: ") and str(missing) in line
    assert pd.read_csv(tmp_path / "faces.rows.csv")["video"].tolist() == [video]


def test_nothing_is_written_if_no_video_can_be_read(finetuned, tmp_path, capsys):
    assert _embed(tmp_path / "missing.mp4", "--model", finetuned, "--output", tmp_path / "faces.npy") == 2
    assert "none of the videos" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_processor_of_another_model_is_an_error(finetuned, video, tmp_path, error_line):
    shutil.copytree(finetuned, tmp_path / "model")
    LGIFormerVideoProcessor().save_pretrained(tmp_path / "model")
    assert _embed(video, "--model", tmp_path / "model", "--output", tmp_path / "faces.npy") == 2
    assert "this model takes clips of" in error_line()
    assert not (tmp_path / "faces.npy").exists()


@pytest.mark.parametrize("existing", ["faces.npy", "faces.rows.csv"])
def test_files_are_overwritten_only_with_the_option(existing, finetuned, video, tmp_path, error_line):
    (tmp_path / existing).write_text("precious")
    arguments = [video, "--model", finetuned, "--output", tmp_path / "faces.npy"]
    assert _embed(*arguments) == 2
    assert existing in error_line()
    assert (tmp_path / existing).read_text() == "precious"
    assert _embed(*arguments, "--overwrite") == 0
    assert np.load(tmp_path / "faces.npy").shape == (1, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["a.mp4", "--model", "nowhere/at/all", "--output", "a.npy"],
            "cannot load the model: There is no folder 'nowhere/at/all'",
        ),
        (["a.mp4", "--model", "x", "--output", "a.csv"], "should end in .npy or .parquet"),
        (["--data", "nothing.txt", "--model", "x", "--output", "a.npy"], "'nothing.txt' cannot be read"),
    ],
    ids=["model", "suffix", "data"],
)
def test_wrong_arguments_are_an_error(arguments, message, tmp_path, monkeypatch, error_line):
    monkeypatch.chdir(tmp_path)
    assert _embed(*arguments) == 2
    assert message in error_line()


@pytest.mark.parametrize("videos", [[], ["a.mp4", "--data", "b.txt"]], ids=["neither", "both"])
def test_videos_and_data_exclude_each_other(videos, capsys):
    with pytest.raises(SystemExit):
        _embed(*videos, "--model", "x", "--output", "a.npy")
    assert "give either videos or --data" in capsys.readouterr().err


def test_windows_have_a_row_each(finetuned, video, tmp_path):
    options = ["--window", "1", "--stride", "0.5", "--start", "0:00.5", "--end", "2.1"]
    assert _embed(video, video, "--model", finetuned, "--output", tmp_path / "faces.parquet", *options) == 0
    table = pd.read_parquet(tmp_path / "faces.parquet")
    assert table["start"].tolist() == 2 * [0.5, 1.0, 1.25]
    assert table["end"].tolist() == 2 * [1.5, 2.0, 2.1]
    assert table["view"].tolist() == [0, 1, 2, 0, 1, 2]
    assert list(table) == ["video", "view", "start", "end", "embedding"]


@pytest.mark.parametrize("option", [["--num_segments", "2"], ["--keep_views"]])
def test_windows_and_segments_exclude_each_other(option, capsys):
    with pytest.raises(SystemExit):
        _embed("a.mp4", "--model", "x", "--output", "a.npy", "--stride", "1", *option)
    assert "--window and --stride give a row for each window" in capsys.readouterr().err
