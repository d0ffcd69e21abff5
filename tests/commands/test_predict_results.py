"""`lgi-former predict --output`: files of each video, one table of all, and folders of videos."""

import csv
import io
import json
import shutil
import sys
import time
from pathlib import Path

import av
import pytest
from PIL import Image

from lgi_former import LGIFormerForVideoClassification
from lgi_former.commands import predict as predict_command
from lgi_former.commands.cli import main
from lgi_former.commands.find_videos import FoundVideo, find_videos
from lgi_former.commands.result_files import plan_files
from lgi_former.inference import annotated_video, timeline_figure


def predict(*arguments):
    return main(["predict", *map(str, arguments), "--device", "cpu", "--no_crop_faces"])


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture
def videos(video, tmp_path):
    """A folder with two videos of the same name, a folder of frames and a text."""
    folder = tmp_path / "videos"
    for name in ("x/a.mp4", "y/deep/a.mp4"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(video, folder / name)
    write_frames(folder / "frames", 3)
    (folder / "notes.txt").touch()
    return folder


def write_frames(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", (40, 30), (80 * index, 90, 90)).save(folder / f"{index}.png")


def test_each_video_has_files_and_a_row(videos, video, finetuned, tmp_path, capsys):
    results = tmp_path / "new" / "results"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    options = ["--model", finetuned, "--output", results, "--window", 1.28, "--annotate"]
    assert predict(videos, video, broken, *options) == 1
    names = ["face", "frames", "x_a", "y_deep_a"]
    expected = [f"{name}{end}" for name in names for end in (".csv", "_annotated.mp4", "_timeline.png")]
    assert names_in(results) == sorted([*expected, "predictions.csv"])
    rows = rows_of(results / "predictions.csv")
    assert list(rows[0]) == ["video", "duration", "people", "expression", "happy", "sad", "neutral", "file", "note"]
    inside = [str(videos / name) for name in ("frames", "x/a.mp4", "y/deep/a.mp4")]
    assert [row["video"] for row in rows] == [*inside, video, str(broken)]
    assert [row["file"] for row in rows] == ["frames.csv", "x_a.csv", "y_deep_a.csv", "face.csv", ""]
    assert "cannot be decoded" in rows[-1]["note"] and rows[-1]["happy"] == ""
    assert [(row["duration"], row["people"]) for row in rows[:2]] == [("0.12", "1"), ("2.56", "1")]
    windows = rows_of(results / "x_a.csv")
    assert [(row["start"], row["end"]) for row in windows] == [("0.0", "1.28"), ("0.64", "1.92"), ("1.28", "2.56")]
    assert windows[0]["video"] == inside[1] and windows[0]["expression"] == rows[1]["expression"]
    for name in names:
        with av.open(str(results / f"{name}_annotated.mp4")) as container:
            assert container.streams.video
        assert Image.open(results / f"{name}_timeline.png").format == "PNG"
    error = capsys.readouterr().err
    assert error.count(f"lgi-former: '{broken}'") == 1 and "notes.txt' is skipped" in error
    last = error.splitlines()[-1]
    assert last.startswith("Wrote 5 tables, 4 timelines and 4 annotated videos to") and "predictions.csv" in last


def test_csv_on_stdout_has_the_columns_and_rows_of_the_files(videos, finetuned, tmp_path, capsys):
    assert predict(videos, "--model", finetuned, "--csv", "--output", tmp_path / "out", "--window", 1) == 0
    printed = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    written = [row for name in ("frames", "x_a", "y_deep_a") for row in rows_of(tmp_path / "out" / f"{name}.csv")]
    assert printed == written and len(printed) > 3


def test_nothing_is_overwritten(video, finetuned, tmp_path, capsys):
    results = tmp_path / "results"
    assert predict(video, "--model", finetuned, "--output", results) == 0
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    capsys.readouterr()
    for name in ("face.csv", "face_timeline.png", "predictions.csv"):
        others = {path.name for path in results.iterdir()} - {name}
        for other in others:
            (results / other).rename(tmp_path / other)
        with pytest.raises(SystemExit):
            predict(video, "--model", finetuned, "--output", results)
        error = capsys.readouterr().err
        assert error.startswith("lgi-former: ") and f"{name}' is there already" in error and error.count("\n") == 1
        for other in others:
            (tmp_path / other).rename(results / other)
    assert {path: path.stat().st_mtime_ns for path in results.iterdir()} == before
    assert predict(video, "--model", finetuned, "--output", results, "--overwrite") == 0
    assert all(path.stat().st_mtime_ns > before[path] for path in results.iterdir())


def test_a_video_is_never_replaced(video, finetuned, tmp_path, capsys):
    shutil.copy(video, tmp_path / "a.mp4")
    annotated = Path(shutil.copy(video, tmp_path / "a_annotated.mp4"))
    arguments = [tmp_path / "a.mp4", annotated, "--output", tmp_path, "--annotate", "--overwrite"]
    with pytest.raises(SystemExit):
        predict(*arguments, "--model", finetuned)
    assert "is one of the videos and would be replaced" in capsys.readouterr().err
    assert annotated.read_bytes() == Path(video).read_bytes()


def test_results_are_not_searched_for_videos(videos, finetuned, capsys):
    arguments = [videos, "--model", finetuned, "--output", videos / "results", "--annotate"]
    assert predict(*arguments) == 0
    first = names_in(videos / "results")
    assert predict(*arguments, "--overwrite") == 0
    assert names_in(videos / "results") == first
    with pytest.raises(SystemExit):
        predict(videos, "--model", finetuned, "--output", videos)
    assert "both a folder of videos and the folder of the results" in capsys.readouterr().err


def test_an_interrupted_run_leaves_whole_files(video, finetuned, tmp_path, monkeypatch):
    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    results = tmp_path / "results"
    monkeypatch.setattr(annotated_video._Painter, "paint", interrupt)
    assert predict(video, "--model", finetuned, "--output", results, "--annotate") == 130
    assert names_in(results) == ["face.csv", "face_timeline.png"]
    monkeypatch.setattr(timeline_figure.Figure, "savefig", interrupt)
    assert predict(video, "--model", finetuned, "--output", tmp_path / "other") == 130
    assert names_in(tmp_path / "other") == ["face.csv"]


def test_a_file_that_cannot_be_written_is_reported_and_the_others_are_written(
    video, finetuned, tmp_path, capsys, monkeypatch
):
    def fill_the_disk(*arguments, **keywords):
        raise OSError(28, "No space left on device", "annotated.mp4")

    monkeypatch.setattr(annotated_video, "annotate_video", fill_the_disk)
    assert predict(video, video, "--model", finetuned, "--output", tmp_path / "out", "--annotate") == 1
    assert len(names_in(tmp_path / "out")) == 5
    assert capsys.readouterr().err.count("No space left") == 2
    rows = rows_of(tmp_path / "out" / "predictions.csv")
    assert all("No space left" in row["note"] and row["happy"] for row in rows)


def test_the_papers_evaluation_has_the_table_alone(videos, finetuned, tmp_path):
    assert predict(videos, "--model", finetuned, "--output", tmp_path / "out", "--num_segments", 2) == 0
    assert names_in(tmp_path / "out") == ["predictions.csv"]
    rows = rows_of(tmp_path / "out" / "predictions.csv")
    assert len(rows) == 3 and all(row["expression"] and not row["duration"] for row in rows)


@pytest.mark.parametrize(
    ("problem_type", "labels", "last_column", "shown"),
    [
        ("regression", ["valence", "person"], "value of person", "quantity"),
        (None, ["valence"], "valence", "Values are in the unit of the training labels."),
        ("multi_label_classification", ["happy", "sad"], "sad", "Labels with a score of at least 0.5: "),
    ],
)
def test_tables_fit_the_kind_of_the_model(
    problem_type, labels, last_column, shown, save_tiny_model, video, tmp_path, capsys
):
    model = tmp_path / "model"
    save_tiny_model(LGIFormerForVideoClassification, model, labels, problem_type)
    arguments = [video, "--model", model, "--window", 1.28]
    assert predict(*arguments, "--output", tmp_path / "out") == 0
    table = capsys.readouterr().out
    assert shown in table and ("lowest" in table) == (problem_type != "multi_label_classification")
    for name in ("face.csv", "predictions.csv"):
        for row in rows_of(tmp_path / "out" / name):
            is_above = [name for name in labels if float(row.get(name) or -1) > 0.5]
            assert row["expression"] == (";".join(is_above) if "Labels" in shown else "")
            assert row[last_column] and f"score of {last_column}" not in row
    assert predict(*arguments, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["problem_type"] == (problem_type or "regression")
    if result["problem_type"] == "regression":
        assert list(result["scores"]) == labels
        assert predict(*arguments, "--top_k", 1) == 2
        assert "--top_k is for scores" in capsys.readouterr().err


def test_a_class_with_the_name_of_a_column_has_its_own_column(save_tiny_model, video, tmp_path):
    labels = ["file", "expression", "people", "sad"]
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", labels)
    assert predict(video, "--model", tmp_path / "model", "--output", tmp_path / "out", "--window", 3) == 0
    for name in ("face.csv", "predictions.csv"):
        (row,) = rows_of(tmp_path / "out" / name)
        titles = ["score of file", "score of expression", "score of people", "sad"]
        assert [title for title in row if title in titles] == titles and row["expression"] in labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--annotate"], "--annotate needs the name of a file, or --output DIR"),
        (["--output", "out", "--annotate", "b.mp4"], "--annotate takes no file name"),
        (["--output", "out", "--timeline", "b.png"], "leave out --timeline"),
        (["--output", "out", "--num_segments", "2", "--annotate"], "leave out --annotate"),
    ],
)
def test_options_that_contradict_are_refused(options, message, capsys):
    with pytest.raises(SystemExit):
        predict("a.mp4", "--model", "x", *options)
    assert message in capsys.readouterr().err


def test_a_file_for_one_video_is_refused_for_a_folder_of_several(videos, finetuned, tmp_path, capsys):
    with pytest.raises(SystemExit):
        predict(videos, "--model", finetuned, "--timeline", tmp_path / "a.png")
    assert "--timeline is for one video, but 3 were found" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        predict(videos, "--model", finetuned, "--output", videos / "notes.txt")
    assert "is a file. Name a folder." in capsys.readouterr().err


def found_in(*arguments, **keywords):
    return [(found.video, found.problem) for found in find_videos(list(map(str, arguments)), **keywords).videos]


def test_the_content_of_a_folder_decides(tmp_path):
    write_frames(tmp_path / "frames", 2)
    write_frames(tmp_path / "corpus" / "happy" / "00001", 2)
    (tmp_path / "corpus" / "b.MOV").touch()
    (tmp_path / "corpus" / ".hidden.mp4").touch()
    (tmp_path / "corpus" / "frames.zip").touch()
    (tmp_path / "corpus" / "loop").symlink_to(tmp_path / "corpus")
    corpus = tmp_path / "corpus"
    assert found_in(tmp_path / "frames") == [(str(tmp_path / "frames"), None)]
    expected = [(str(corpus / name), None) for name in ("b.MOV", "frames.zip", "happy/00001")]
    assert found_in(corpus) == expected
    assert found_in("http://host/a.mp4?x=1", "missing.mp4") == [("http://host/a.mp4?x=1", None), ("missing.mp4", None)]


def test_animated_images_are_videos_and_not_frames(tmp_path):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "b.png", "c.webp"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    assert found_in(tmp_path) == [(str(tmp_path / name), None) for name in ("a.gif", "b.png", "c.webp")]


@pytest.mark.parametrize("inner", ["a.mp4", "deep/er/a.mkv", "deep/0.png"])
def test_a_folder_of_images_and_videos_is_refused(inner, tmp_path, finetuned, capsys):
    write_frames(tmp_path, 1)
    (tmp_path / inner).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(tmp_path / inner, format="PNG")
    assert predict(tmp_path, "--model", finetuned, "--csv") == 1
    output = capsys.readouterr()
    assert "holds both images and a video" in output.err and "holds both images" in output.out


@pytest.mark.parametrize("inner", [None, "notes.txt", "empty/deep/.a.mp4"])
def test_a_folder_without_videos_is_reported(inner, tmp_path, video, finetuned, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    if inner is not None:
        (folder / inner).parent.mkdir(parents=True, exist_ok=True)
        (folder / inner).touch()
    assert predict(folder, video, "--model", finetuned) == 1
    output = capsys.readouterr()
    assert f"The folder '{folder}' holds no videos" in output.err and video in output.out


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.mp4", "a.mkv", "A.mp4", "a_2.mp4"], ["a", "a_2", "A_3", "a_2_2"]),
        (["x/a.mp4", "x_a.mp4"], ["x_a", "x_a_2"]),
        (["predictions.mp4", "PREDICTIONS.avi"], ["predictions_2", "PREDICTIONS_3"]),
        (["con.mp4", "..mp4", "a:b?.mp4", " .mp4"], ["con_2", "mp4", "a_b", "video"]),
        (["v1.2.mp4", "clip.v2"], ["v1.2", "clip"]),
        (["caf\udce9.mp4", "caf\u00e9.mp4", "cafe\u0301.mp4"], ["caf_udce9", "caf\u00e9", "caf\u00e9_2"]),
        (["\u5e78" * 80 + "1.mp4", "\u5e78" * 80 + "2.mp4"], ["\u5e78" * 50, "\u5e78" * 50 + "_2"]),
    ],
)
def test_names_of_files_never_collide(names, expected):
    files = plan_files([FoundVideo(f"folder/{name}", name) for name in names], Path("out"), annotate=True)
    assert [each.windows.name.removesuffix(".csv") for each in files] == expected
    paths = [str(path).casefold() for each in files for path in each.paths()]
    assert len(set(paths)) == 3 * len(names)


def test_names_of_addresses(tmp_path):
    videos = find_videos(["https://host/b/my%20video.mp4?size=1/2#t", "file:///videos/c.mp4"]).videos
    files = plan_files(videos, tmp_path, annotate=False)
    assert [each.windows.name for each in files] == ["my_video.csv", "c.csv"]


def test_slow_loading_is_announced(video, finetuned, capsys, monkeypatch):
    def load_slowly(args):
        time.sleep(0.3)
        raise ValueError("cannot load the model")

    monkeypatch.setattr("lgi_former.messages.SILENCE", 0.05)
    monkeypatch.setattr(predict_command, "_load", load_slowly)
    assert predict(video, "--model", finetuned) == 2
    assert capsys.readouterr().err == "Loading the model ...\nlgi-former: cannot load the model\n"


class Terminal(io.StringIO):
    """Says that it is a terminal."""

    def isatty(self):
        return True


def test_logs_have_no_control_codes(videos, finetuned, tmp_path, capfdbinary):
    assert predict(videos, "--model", finetuned, "--output", tmp_path / "out", "--annotate", "--window", 1) == 0
    for output in capfdbinary.readouterr():
        assert output and b"\x1b" not in output and b"\r" not in output


@pytest.mark.parametrize("no_color", ["1", ""])
def test_no_color_leaves_neither_colour_nor_bold(no_color, video, finetuned, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert predict(video, "--model", finetuned) == 0
    assert "happy" in sys.stdout.getvalue() and ("\x1b" in sys.stdout.getvalue()) == (no_color == "")


def test_a_released_model_is_loaded_by_its_name(video, finetuned, monkeypatch, capsys):
    folders = {"mae-dfer-dfew-fold5": finetuned}
    monkeypatch.setattr("lgi_former.conversion.model_folder", lambda name, revision: folders[name])
    assert predict(video, "--model", "mae-dfer-dfew-fold5", "--csv") == 0
    assert "happy" in capsys.readouterr().out
    output = str(Path(finetuned).with_name("attention.png"))
    arguments = ["attention", video, "--model", "mae-dfer-dfew-fold5", "--output", output, "--device", "cpu"]
    assert main(["visualize", *arguments]) == 0
