"""`lgi-former predict --data`: lists, tables, and runs that are killed, repeated or changed."""

import math
import multiprocessing
import os
import signal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from lgi_former import FacialExpressionPipeline, LGIFormerForVideoClassification
from lgi_former.commands import list_journal, prediction_list
from lgi_former.commands.cli import main
from lgi_former.files import Journal, only_writer_of
from lgi_former.inference.loading import load_classifier
from lgi_former.training.quickstart.sample_clip import write_sample_clip


LABELS = ["happy", "sad", "neutral"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three videos, one of them in a subfolder, and a broken one."""
    folder = tmp_path_factory.mktemp("list of videos")
    (folder / "more").mkdir()
    for name in ("a b.mp4", "c.mp4", "more/d.mp4"):
        write_sample_clip(folder / name)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture
def predict(finetuned):
    """`predict(data, output, *options)`: the exit status."""

    def run(data, output, *options):
        words = ["predict", "--data", data, "--output", output, "--model", finetuned, "--no_crop_faces", *options]
        return main([*map(str, words), "--device", "cpu", "--num_workers", "0"])

    return run


@pytest.fixture
def predicted(monkeypatch):
    """A list that gets the videos of each call of `predict_videos`."""
    calls, original = [], prediction_list.predict_videos

    def record(model, processor, videos, **settings):
        calls.append([os.path.basename(getattr(video, "video", video)) for video in videos])
        return original(model, processor, videos, **settings)

    monkeypatch.setattr(prediction_list, "predict_videos", record)
    return calls


def write_list(folder, *rows, header="path,label,fold"):
    path = folder / "list.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def test_a_list_becomes_two_tables(folder, predict, finetuned, tmp_path, capsys):
    """Relative paths, spaces, a video that is listed twice with different labels, a broken one, other columns."""
    data = write_list(folder, "a b.mp4,happy,1", "broken.mp4,,1", "more/d.mp4,sad,2", "a b.mp4,sad,2")
    assert predict(data, tmp_path / "new" / "results.parquet", "--window", 1.28) == 1
    output, errors = capsys.readouterr()
    new = tmp_path / "new"
    assert (
        output
        == f"{new / 'results.parquet'}: 4 rows, 1 failed. Their windows are in {new / 'results.windows.parquet'}.\n"
    )
    assert errors.count("broken.mp4' cannot be decoded") == 1
    videos = pd.read_parquet(tmp_path / "new" / "results.parquet")
    windows = pd.read_parquet(tmp_path / "new" / "results.windows.parquet")
    listed, results = ["video", "label", "fold"], ["duration", "people", "expression", *LABELS, "note", "error"]
    assert list(videos) == [*listed, *results]
    names = ["a b.mp4", "broken.mp4", "more/d.mp4", "a b.mp4"]
    assert list(videos["video"]) == [str(folder / name) for name in names]
    assert list(videos["label"]) == ["happy", "", "sad", "sad"]
    assert "cannot be decoded" in videos["error"][1]
    assert videos.loc[[0, 2, 3], "error"].isna().all()
    assert videos.loc[1, ["duration", *LABELS]].isna().all()
    assert list(windows) == ["video", "person", "start", "end", "expression", *LABELS]
    model, processor = load_classifier(finetuned, "cpu")
    recognise = FacialExpressionPipeline(
        model=model, video_processor=processor, device="cpu", crop_faces=False, window=1.28
    )
    for name, rows in windows.groupby("video"):
        expected = recognise(name)
        for row in videos[videos["video"] == name].to_dict("records"):
            assert {label: row[label] for label in LABELS} == pytest.approx(expected["scores"], abs=1e-6)
            assert (row["duration"], row["people"]) == (expected["duration"], 1)
            assert row["expression"] == next(iter(expected["scores"]))
        assert list(rows["start"]) == [entry["start"] for entry in expected["timeline"]]
        assert set(rows["person"]) == {1}
        scores = [[entry["scores"][label] for label in LABELS] for entry in expected["timeline"]]
        assert rows[LABELS].to_numpy() == pytest.approx(np.array(scores), abs=1e-6)
    assert list(windows["video"].unique()) == [str(folder / "a b.mp4"), str(folder / "more/d.mp4")]
    assert sorted(os.listdir(tmp_path / "new")) == ["results.parquet", "results.windows.parquet"]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("c.mp4\na b.mp4\n", []),
        ("c.mp4 happy\na b.mp4\tvery sad\n", ["label"]),
        ("# a comment\nvideo\tSad\tError\tperson\tperson\nc.mp4\t1\t2\t3\t4\na b.mp4\t1\t2\t3\t4\n", None),
    ],
)
def test_text_lists(folder, predict, tmp_path, content, columns):
    (folder / "list.txt").write_text(content)
    assert predict(folder / "list.txt", tmp_path / "results.csv") == 0
    table = pd.read_csv(tmp_path / "results.csv")
    assert list(table["video"]) == [str(folder / "c.mp4"), str(folder / "a b.mp4")]
    assert list(table)[1 : list(table).index("duration")] == (
        ["list_Sad", "list_Error", "person", "person_2"] if columns is None else columns
    )
    assert list(pd.read_csv(tmp_path / "results.windows.csv")["video"].unique()) == list(table["video"])


def test_columns_of_a_list_keep_their_content_when_they_are_renamed(folder, predict, tmp_path):
    names = ["sad", "list_sad", "Error", "LIST_ERROR", "list_list_person", "person", "list_person"]
    rows = {"video": ["c.mp4"], **{name: [f"content of {name}"] for name in names}}
    pd.DataFrame(rows).to_csv(folder / "list.csv", index=False)
    assert predict(folder / "list.csv", tmp_path / "results.parquet") == 0
    (row,) = pq.read_table(tmp_path / "results.parquet").to_pylist()
    contents = {name: text for name, text in row.items() if str(text).startswith("content of ")}
    assert sorted(contents.values()) == sorted(f"content of {name}" for name in names)
    assert contents["list_sad"] == "content of list_sad"
    assert contents["list_list_sad"] == "content of sad"


def test_a_parquet_list_keeps_its_types(folder, predict, tmp_path):
    rows = {"video": ["c.mp4", "more/d.mp4"], "fold": [1, 2], "ratings": [[0.5, 1.0], []]}
    pd.DataFrame(rows).to_parquet(tmp_path / "list.parquet")
    assert predict(tmp_path / "list.parquet", tmp_path / "results.parquet", "--data_root", folder) == 0
    table = pq.read_table(tmp_path / "results.parquet")
    assert table["fold"].to_pylist() == rows["fold"]
    assert table["ratings"].to_pylist() == rows["ratings"]
    assert table["video"].to_pylist() == [str(folder / video) for video in rows["video"]]


def test_a_folder_and_views(folder, predict, tmp_path):
    assert predict(folder, tmp_path / "results.parquet", "--num_segments", 2) == 1
    table = pd.read_parquet(tmp_path / "results.parquet")
    names = ["a b.mp4", "broken.mp4", "c.mp4", "more/d.mp4"]
    assert list(table["video"]) == [str(folder / name) for name in names]
    assert list(table.columns) == ["video", "num_views", "expression", *LABELS, "note", "error"]
    assert not (tmp_path / "results.windows.parquet").exists()


def test_shards_have_every_row_once(folder, predict, tmp_path):
    names = ["c.mp4", "a b.mp4", "more/d.mp4"]
    data = write_list(folder, *names, header="path")
    for shard in range(4):
        options = ["--num_shards", 4, "--shard", shard]
        assert predict(data, tmp_path / f"results-{shard}.parquet", *options) == 0
    tables = [pd.read_parquet(tmp_path / f"results-{shard}.parquet") for shard in range(4)]
    assert [len(table) for table in tables] == [1, 1, 1, 0]
    assert list(pd.concat(tables)["video"]) == [str(folder / name) for name in names]
    assert predict(data, tmp_path / "results-0.parquet", "--num_shards", 4, "--shard", 1) == 2


def killed_at(append, moment, argv):
    """Run a command in a fork that kills itself at its third video, before or within the line of the journal."""

    def append_or_die(journal, key, item):
        if len(journal._offsets) == 2:
            if moment == "within a line":
                with journal.path.open("ab") as file:
                    file.write(b'0123abcd ["half of a li')
            os.kill(os.getpid(), signal.SIGKILL)
        append(journal, key, item)

    torch.set_num_threads(1)
    Journal.append = append_or_die
    main(argv)


@pytest.mark.parametrize("moment", ["between lines", "within a line"])
def test_a_killed_run_continues(folder, predict, predicted, finetuned, tmp_path, capsys, moment):
    names = ["c.mp4", "a b.mp4", "more/d.mp4", "broken.mp4"]
    data = write_list(folder, *names, header="path")
    words = ["predict", "--data", data, "--output", tmp_path / "results.parquet", "--model", finetuned]
    words += ["--no_crop_faces", "--device", "cpu", "--num_workers", "0", "--batch_size", "1"]
    run = multiprocessing.get_context("fork").Process(
        target=killed_at, args=(Journal.append, moment, list(map(str, words)))
    )
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    assert not (tmp_path / "results.parquet").exists()
    assert predict(data, tmp_path / "results.parquet") == 1
    assert predicted == [["d.mp4", "broken.mp4"]]
    assert "2 of 4 videos are finished already." in capsys.readouterr().err
    assert predict(data, tmp_path / "whole.parquet") == 1
    for name in ("results{}.parquet", "results{}.windows.parquet"):
        resumed = pd.read_parquet(tmp_path / name.format(""))
        pd.testing.assert_frame_equal(
            resumed, pd.read_parquet(tmp_path / name.replace("results{}", "whole")), rtol=0, atol=1e-6
        )


def test_failed_and_new_videos_are_added(folder, predict, predicted, video, tmp_path):
    """A second call on a complete output. The labels of the list may have changed, too."""
    late = folder / "late.mp4"
    output = tmp_path / "results.parquet"
    assert predict(write_list(folder, "c.mp4,happy,1", "late.mp4,sad,1"), output) == 1
    write_sample_clip(late)
    try:
        assert predict(write_list(folder, "a b.mp4,sad,2", "c.mp4,sad,1", "late.mp4,sad,1"), output) == 0
        assert predict(write_list(folder, "late.mp4,sad,1", "c.mp4,sad,1"), output) == 0
    finally:
        late.unlink()
    assert predicted == [["c.mp4", "late.mp4"], ["a b.mp4", "late.mp4"], []]
    table = pd.read_parquet(output)
    assert [os.path.basename(path) for path in table["video"]] == ["late.mp4", "c.mp4"]
    assert list(table["label"]) == ["sad", "sad"]
    assert table["happy"].notna().all()
    windows = pd.read_parquet(tmp_path / "results.windows.parquet")
    assert [os.path.basename(path) for path in windows["video"].unique()] == ["late.mp4", "c.mp4"]
    assert not windows.duplicated(["video", "start"]).any()


def test_other_settings_are_refused(folder, predict, save_tiny_model, tmp_path, capsys):
    data = write_list(folder, "c.mp4", header="path")
    output = tmp_path / "results.parquet"
    assert predict(data, output) == 0
    before = output.read_bytes()
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "other", ["sad", "happy", "neutral"])
    for options, name in [
        (["--window", 1.28], "window was None and is 1.28"),
        (["--model", tmp_path / "other"], "model was"),
        (["--num_segments", 1], "num_segments was None and is 1"),
        (["--num_shards", 1, "--shard", 0], "num_shards was None and is 1"),
    ]:
        assert predict(data, output, *options) == 2
        error = capsys.readouterr().err
        assert "from a run with other settings: " in error and name in error
    assert output.read_bytes() == before
    assert predict(data, output, "--window", 1.28, "--overwrite") == 0


def test_wrong_uses_are_refused(folder, predict, tmp_path, capsys):
    data = write_list(folder, "c.mp4", header="path")
    (tmp_path / "foreign.parquet").write_bytes(b"PAR1")
    (tmp_path / "there.csv").touch()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "none").mkdir()
    pd.DataFrame({"video": ["c.mp4"], "clip": [[1]]}).to_parquet(tmp_path / "nested.parquet")
    pd.DataFrame({"clip": ["c.mp4"]}).to_parquet(tmp_path / "unnamed.parquet")
    pd.DataFrame({"video": [b"content"]}).to_parquet(tmp_path / "bytes.parquet")
    pd.DataFrame({"video": ["c.mp4", None]}).to_parquet(tmp_path / "missing.parquet")
    new = tmp_path / "new.parquet"
    for arguments, message in [
        ((data, tmp_path / "results"), "should end in .parquet or .csv"),
        ((data, tmp_path / "foreign.parquet"), "this command did not write it"),
        ((data, tmp_path / "there.csv"), "is there already"),
        ((tmp_path / "empty.txt", new), "lists no video"),
        ((tmp_path / "none", new), "holds no videos"),
        ((tmp_path / "missing.txt", new), "missing.txt' cannot be read"),
        ((tmp_path / "nested.parquet", tmp_path / "new.csv"), "'clip' of the list does not fit into CSV"),
        ((tmp_path / "unnamed.parquet", new), "has no column of videos, only 'clip'"),
        ((tmp_path / "bytes.parquet", new), "'video' is of type binary"),
        ((tmp_path / "missing.parquet", new), "row 1: the path is missing"),
        ((tmp_path / "nested.parquet", tmp_path / "nested.parquet"), "is the list itself"),
        ((tmp_path / "none", new, "--data_root", tmp_path), "--data_root is for the paths in a list"),
    ]:
        assert predict(*arguments) == 2
        assert message in capsys.readouterr().err
    for options, message in [
        (["--shard", 1], "--num_shards and --shard belong together"),
        (["--shard", 2, "--num_shards", 2], "--shard 2 must be less than --num_shards 2"),
        (["--csv"], "--data writes tables: leave out --csv"),
        (["x.mp4"], "give either videos or --data"),
    ]:
        with pytest.raises(SystemExit):
            predict(data, new, *options)
        assert message in capsys.readouterr().err
    for option in ("--num_workers", "--num_shards", "--shard", "--data_root"):
        with pytest.raises(SystemExit):
            main(["predict", "x.mp4", "--model", "m", option, "1"])
        assert f"{option} is for the videos of a list: add --data" in capsys.readouterr().err


def test_two_runs_into_one_output_are_refused(folder, predict, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(list_journal, "SECONDS_FOR_LOCK", 0.1)
    data = write_list(folder, "c.mp4", header="path")
    with only_writer_of(tmp_path / "results.parquet"):
        assert predict(data, tmp_path / "results.parquet") == 2
        assert "Another process is writing" in capsys.readouterr().err
        assert predict(data, tmp_path / "others.parquet") == 0


@pytest.mark.parametrize("failing", ["append", "write_table"])
def test_a_full_disk_and_ctrl_c_leave_a_run_that_continues(
    folder, predict, predicted, tmp_path, monkeypatch, capsys, failing
):
    data = write_list(folder, "c.mp4", "a b.mp4", header="path")
    error = OSError(28, "No space left on device", "results.parquet") if failing == "append" else KeyboardInterrupt()

    def fail(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((Journal, "append") if failing == "append" else (prediction_list, "write_table")), fail)
        assert predict(data, tmp_path / "results.parquet") == (2 if failing == "append" else 130)
    assert "The same command continues." in capsys.readouterr().err
    assert predict(data, tmp_path / "results.parquet") == 0
    assert predicted == [["c.mp4", "a b.mp4"], ["c.mp4", "a b.mp4"] if failing == "append" else []]


def test_a_complete_csv_table_continues(folder, predict, predicted, tmp_path):
    data = write_list(folder, "c.mp4", "broken.mp4", header="path")
    assert predict(data, tmp_path / "results.csv") == 1
    before = (tmp_path / "results.csv").read_bytes(), (tmp_path / "results.windows.csv").read_bytes()
    assert predict(data, tmp_path / "results.csv") == 1
    assert predicted == [["c.mp4", "broken.mp4"], ["broken.mp4"]]
    assert before == ((tmp_path / "results.csv").read_bytes(), (tmp_path / "results.windows.csv").read_bytes())


def test_a_list_may_have_sections(folder, predict, predicted, finetuned, tmp_path):
    """The same section twice, a whole video, and a section that begins after the video ends."""
    rows = "c.mp4,0.64,0:01.92", "c.mp4,,", "c.mp4,.64,1.92", "c.mp4,3,", "c.mp4,1,"
    data, output = write_list(folder, *rows, header="path,start,End"), tmp_path / "results.parquet"
    for _ in range(2):
        assert predict(data, output, "--window", 0.64) == 1
        videos, windows = pd.read_parquet(output), pd.read_parquet(tmp_path / "results.windows.parquet")
        assert list(videos["start"]) == ["0.64", "", ".64", "3", "1"]
        assert list(videos["section_start"]) == [0.64, 0, 0.64, 3, 1]
        assert list(videos["section_end"]) == [1.92, math.inf, 1.92, math.inf, math.inf]
        assert list(videos["duration"].fillna(-1)) == [1.28, 2.56, 1.28, -1, 1.56]
        assert "ends after 2.560 seconds" in videos["error"][3]
        sections = windows.groupby(["section_start", "section_end"])["start"].agg(list).to_dict()
        assert sections[0.64, 1.92] == [0.64, 0.96, 1.28]
        assert {start: len(starts) for (start, _), starts in sections.items()} == {0.64: 3, 0: 7, 1: 4}
    assert predicted == [["c.mp4"] * 4, ["c.mp4"]]
    model, processor = load_classifier(finetuned, "cpu")
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, crop_faces=False, window=0.64)
    expected = recognise(str(folder / "c.mp4"), start=0.64, end=1.92)["scores"]
    assert {label: videos[label][2] for label in LABELS} == pytest.approx(expected, abs=1e-6)


def test_wrong_sections_of_a_list_are_refused(folder, predict, tmp_path, capsys):
    for header, row, options, message in [
        ("path,start,end", "c.mp4,2,1", [], "video 1 ("),
        ("path,start", "c.mp4,1:75", [], "start='1:75' is not a time in a video"),
        ("path,end", "c.mp4,0", [], "must be later than start=0"),
        ("path,end", "c.mp4,1", ["--start", 1], "leave out --start and --end"),
        ("path,end,END", "c.mp4,1,2", [], "several columns 'end'"),
    ]:
        assert predict(write_list(folder, row, header=header), tmp_path / "results.parquet", *options) == 2
        assert message in capsys.readouterr().err
    for start in (-1.0, math.nan, True):
        pd.DataFrame({"video": ["c.mp4"], "start": [start]}).to_parquet(folder / "list.parquet")
        status = predict(folder / "list.parquet", tmp_path / "results.parquet")
        assert status == (0 if start is math.nan else 2)  # pandas writes no content for NaN
