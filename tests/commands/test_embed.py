"""`lgi-former embed`: files, labels and errors."""

import itertools
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lgi_former import LGIFormerVideoProcessor
from lgi_former.commands.cli import main
from lgi_former.inference import embed_videos
from lgi_former.inference.embedding_file import read_embeddings
from lgi_former.inference.loading import load_encoder


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


@pytest.mark.parametrize("name", ["faces.npy", "faces.parquet"])
def test_a_list_that_was_stopped_continues(name, finetuned, video, tmp_path, monkeypatch):
    """A changed label belongs to another row. Other settings are refused."""
    calls = []

    def stop_after_one(model, processor, videos, *arguments, **options):
        calls.append([os.path.basename(path) for path in videos])
        yield from itertools.islice(embed_videos(model, processor, videos, *arguments, **options), 1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        yield from embed_videos(model, processor, videos[1:], *arguments, **options)

    for copy in "abc":
        shutil.copy(video, tmp_path / f"{copy}.mp4")
    lists = "a.mp4 sad\nb.mp4 sad\nc.mp4 sad\n", "c.mp4 happy\na.mp4 sad\nb.mp4 sad\n"
    words = ["--data", tmp_path / "list.txt", "--model", finetuned, "--output", tmp_path / name]
    (tmp_path / "list.txt").write_text(lists[0])
    with monkeypatch.context() as patch:
        patch.setattr("lgi_former.inference.embed_videos", stop_after_one)
        assert _embed(*words) == 130
        (tmp_path / "list.txt").write_text(lists[1])
        assert _embed(*words, "--level", "region") == 2
        assert not (tmp_path / name).exists()
    assert _embed(*words) == 0
    assert _embed(*words[:-1], tmp_path / f"whole-{name}") == 0
    resumed, whole = (read_embeddings(tmp_path / file) for file in (name, f"whole-{name}"))
    assert resumed.columns == whole.columns
    assert resumed.columns["label"] == ["happy", "sad", "sad"]
    np.testing.assert_array_equal(resumed.embeddings, whole.embeddings)
    assert calls == [["a.mp4", "b.mp4", "c.mp4"]]
    assert not list(tmp_path.glob("*.journal"))


@pytest.fixture
def embedded(monkeypatch):
    """A list that gets the names of the videos of each call of `embed_videos`."""
    calls = []

    def record(model, processor, videos, *arguments, **options):
        calls.append([os.path.basename(getattr(video, "video", video)) for video in videos])
        return embed_videos(model, processor, videos, *arguments, **options)

    monkeypatch.setattr("lgi_former.inference.embed_videos", record)
    return calls


@pytest.mark.parametrize("name", ["faces.npy", "faces.parquet"])
def test_a_complete_output_continues(name, finetuned, video, tmp_path, embedded, capsys):
    """A failed video is tried again, a new one is added, and nothing is computed twice."""
    for copy in "ab":
        shutil.copy(video, tmp_path / f"{copy}.mp4")
    words = ["--data", tmp_path / "list.txt", "--model", finetuned, "--output", tmp_path / name, "--keep_views"]
    words += ["--num_segments", 2]
    (tmp_path / "list.txt").write_text("a.mp4 sad\nlate.mp4 sad\na.mp4 happy\n")
    assert _embed(*words) == 1
    shutil.copy(video, tmp_path / "late.mp4")
    (tmp_path / "list.txt").write_text("b.mp4 sad\nlate.mp4 sad\na.mp4 happy\n")
    assert _embed(*words) == 0
    assert _embed(*words) == 0
    assert embedded == [["a.mp4", "late.mp4"], ["b.mp4", "late.mp4"], []]
    assert not list(tmp_path.glob("*.journal"))
    assert _embed(*words, "--level", "region") == 2
    assert "level was 'clip' and is 'region'" in capsys.readouterr().err
    whole = tmp_path / f"whole-{name}"
    assert _embed(*words, "--output", whole) == 0
    resumed, whole = read_embeddings(tmp_path / name), read_embeddings(whole)
    assert resumed.columns == whole.columns and resumed.columns["view"] == 3 * [0, 1]
    np.testing.assert_array_equal(resumed.embeddings, whole.embeddings)


def test_a_run_that_was_stopped_before_it_deleted_its_journal_continues(
    finetuned, video, tmp_path, monkeypatch, embedded
):
    unlink = Path.unlink

    def stop_at_journal(path, **options):
        if path.name == "faces.npy.journal":
            raise KeyboardInterrupt
        unlink(path, **options)

    (tmp_path / "list.txt").write_text(f"{video}\n")
    words = ["--data", tmp_path / "list.txt", "--model", finetuned, "--output", tmp_path / "faces.npy"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop_at_journal)
        assert _embed(*words) == 130
    assert np.load(tmp_path / "faces.npy").shape == (1, 32)
    assert _embed(*words) == 0
    assert embedded == [["face.mp4"], []]


def test_output_of_other_runs_is_not_continued(finetuned, video, tmp_path, error_line):
    """Not that of a run without a list, also if it replaces the output of a list."""
    (tmp_path / "list.txt").write_text(f"{video}\n")
    words = ["--model", finetuned, "--output", tmp_path / "faces.npy"]
    assert _embed("--data", tmp_path / "list.txt", *words) == 0
    assert _embed(video, video, *words, "--overwrite") == 0
    assert _embed("--data", tmp_path / "list.txt", *words) == 2
    assert "is there already" in error_line()


def test_a_list_may_have_sections(finetuned, video, tmp_path, embedded):
    """Twice, from the beginning and from the complete output."""
    (tmp_path / "list.csv").write_text(f"path,label,start,end\n{video},a,0:01,\n{video},b,,1.5\n{video},c,1.0,\n")
    words = ["--data", tmp_path / "list.csv", "--model", finetuned, "--window", "2.56", "--output"]
    for name in ("faces.parquet", "faces.npy"):
        for _ in range(2):
            assert _embed(*words, tmp_path / name) == 0
        columns = read_embeddings(tmp_path / name).columns
        assert columns["label"] == ["a", "b", "c"]
        assert columns["section_start"] == [1, 0, 1] and columns["section_end"] == [math.inf, 1.5, math.inf]
        assert columns["start"] == [1, 0, 1] and columns["end"] == [2.56, 1.5, 2.56]
    assert embedded == [["face.mp4", "face.mp4"], []] * 2
    one = embed_videos(*load_encoder(finetuned, "cpu"), [video], start=1, window=2.56)
    np.testing.assert_allclose(read_embeddings(tmp_path / "faces.npy").embeddings[0], next(one).views[0], atol=1e-6)


def test_folders_parquet_lists_and_shards(finetuned, video, tmp_path):
    (tmp_path / "videos").mkdir()
    for copy in "abc":
        shutil.copy(video, tmp_path / "videos" / f"{copy}.mp4")
    rows = {"path": ["c.mp4", "a.mp4", "b.mp4"], "label": ["happy", "sad", "sad"]}
    pd.DataFrame(rows).to_parquet(tmp_path / "videos" / "list.parquet")
    words = ["--model", finetuned, "--num_shards", 2]
    for shard, listed, in_folder in [(0, ["c", "b"], ["a", "c"]), (1, ["a"], ["b"])]:
        for source, expected in [("videos/list.parquet", listed), ("videos", in_folder)]:
            output = tmp_path / f"{expected}.parquet"
            assert _embed("--data", tmp_path / source, *words, "--shard", shard, "--output", output) == 0
            table = pd.read_parquet(output)
            assert [os.path.basename(path)[0] for path in table["video"]] == expected
            assert ("label" in table) == (source != "videos")
    empty = ["--data", tmp_path / "videos", "--model", finetuned, "--num_shards", 9, "--shard", 8]
    assert _embed(*empty, "--output", tmp_path / "empty.npy") == 0
    assert not (tmp_path / "empty.npy").exists()


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
