"""`lgi-former visualize`: figures of embeddings, attention, confusion and losses, and errors."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lgi_former.commands.cli import main
from lgi_former.commands.read_confusion import read_confusion
from lgi_former.inference.embedding_file import embedding_writer
from lgi_former.training.evaluation.report import write_evaluation


@pytest.fixture
def evaluation(video, tmp_path):
    """The output folder of an evaluation of five videos."""
    videos, labels = [video] * 5, np.array([0, 1, 0, 2, 1])
    write_evaluation(tmp_path / "evaluation", videos, labels, np.eye(3)[labels], ["happy", "sad", "neutral"])
    return str(tmp_path / "evaluation")


@pytest.fixture
def drawn(tmp_path):
    """Runs the command, checks its exit status, and returns whether a picture was written."""

    def visualize(*arguments, status=0):
        output = tmp_path / "figure.png"
        assert main(["visualize", *map(str, arguments), "--output", str(output)]) == status
        return output.exists() and output.read_bytes().startswith(b"\x89PNG")

    return visualize


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("labels", [True, False], ids=["labelled", "unlabelled"])
def test_a_file_of_embeddings_is_drawn(suffix, labels, drawn, tmp_path, capsys):
    with embedding_writer(tmp_path / f"faces{suffix}") as writer:
        for row in range(8):
            columns = {"video": f"{row}.mp4"} | ({"label": row % 3} if labels else {})
            writer.write(np.random.default_rng(row).normal(size=6), **columns)
    assert drawn("embeddings", tmp_path / f"faces{suffix}", "--seed", "1")
    assert capsys.readouterr().out == f"{tmp_path / 'figure.png'}\n"


def test_the_videos_of_an_evaluation_are_drawn(evaluation, finetuned, drawn):
    assert drawn("embeddings", evaluation, "--model", finetuned)


def test_missing_videos_of_an_evaluation_are_skipped(evaluation, finetuned, drawn, tmp_path, error_line):
    predictions = tmp_path / "evaluation" / "predictions.csv"
    lines = predictions.read_text().splitlines(keepends=True)
    predictions.write_text("".join([*lines, "gone.mp4,sad,sad,0,1,0\n"]))
    assert drawn("embeddings", evaluation, "--model", finetuned)
    message = error_line()
    assert "1 of 6 videos are left out" in message and "gone.mp4" in message


def test_an_evaluation_without_any_video_is_an_error(evaluation, finetuned, drawn, tmp_path, error_line):
    predictions = tmp_path / "evaluation" / "predictions.csv"
    header = predictions.read_text().splitlines(keepends=True)[0]
    predictions.write_text(f"{header}gone.mp4,sad,sad,0,1,0\n")
    assert not drawn("embeddings", evaluation, "--model", finetuned, status=2)
    assert "gone.mp4" in error_line()


def test_an_evaluation_needs_a_model(evaluation, drawn, error_line):
    assert not drawn("embeddings", evaluation, status=2)
    assert "--model" in error_line()


def test_a_folder_without_an_evaluation_is_an_error(drawn, tmp_path, error_line):
    assert not drawn("embeddings", tmp_path, "--model", "x", status=2)
    assert "holds no predictions.csv" in error_line()


def test_a_missing_package_is_an_error(drawn, tmp_path, error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with embedding_writer(tmp_path / "faces.npy") as writer:
        for row in range(8):
            writer.write(np.arange(6.0) * row, video=f"{row}.mp4")
    assert not drawn("embeddings", tmp_path / "faces.npy", "--method", "umap", status=2)
    assert 'lgi-former: Packages are missing: umap. Install them with: pip install "lgi-former[umap]"' in error_line()


def test_a_confusion_matrix_is_drawn_from_each_file(evaluation, drawn, tmp_path, capsys):
    folder = Path(evaluation)
    for source in (folder, folder / "metrics.json", folder / "predictions.csv"):
        assert drawn("confusion", source, "--overwrite")
        assert read_confusion(source)[1] == ["happy", "sad", "neutral"]
        assert read_confusion(source)[0].tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 1]]
    (folder / "metrics.json").unlink()
    assert drawn("confusion", folder, "--overwrite")


HEADER = "path,label,prediction,probability_happy,probability_sad\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "video,duration,people,expression,happy,sad,file,note\n", "has no true classes"),
        ("a.csv", "", "is not the predictions.csv of an evaluation"),
        ("a.csv", "path,label,prediction\n", "is not the predictions.csv of an evaluation"),
        ("a.csv", HEADER, "holds no video"),
        ("a.csv", f"{HEADER}a.mp4,happy,sad,1,0\nb.mp4,happy,angry,1,0\n", "line 3: 'angry' is not one of"),
        ("a.csv", f"{HEADER}a.mp4,happy,sad,1\n", "line 2: 4 values, but 5 columns"),
        ("a.csv", b"\xff\xfe\x00", "is not a text file in UTF-8"),
        ("a.json", "{}", "is not the metrics.json of an evaluation"),
        ("a.csv", b"\0" * 9, "is not"),
        ("a.json", '{"class_accuracy": [0.5, 1], "confusion_matrix": [[1, 1], [0, 1]]}', "is not the metrics.json"),
        ("a.json", "[1", "is not the metrics.json of an evaluation"),
        ("a.json", '{"class_accuracy": {"a": 1}, "confusion_matrix": [[1, 2]]}', "each pair of its 1 classes"),
        ("a.json", '{"class_accuracy": {"a": 1}, "confusion_matrix": [[0.5]]}', "each pair of its 1 classes"),
        ("a.json", '{"class_accuracy": {"a": 1}, "confusion_matrix": [[-1]]}', "each pair of its 1 classes"),
        ("a.json", '{"class_accuracy": {"a": null}, "confusion_matrix": [[0]]}', "counts no video"),
        (
            "a.json",
            '{"class_accuracy": {"a": 1, "b": 1}, "confusion_matrix": [[1, 2], [1]]}',
            "is not the metrics.json",
        ),
    ],
)
def test_a_file_without_a_confusion_matrix_is_an_error(name, text, message, drawn, tmp_path, error_line):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert not drawn("confusion", tmp_path / name, status=2)
    assert message in error_line()


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
@pytest.mark.parametrize(("task", "message"), [("regression", "numbers"), ("multi_label", "several labels a video")])
def test_an_evaluation_without_classes_has_no_confusion_matrix(task, message, name, drawn, tmp_path, error_line):
    labels = np.array([[0.0, 1], [1, 0]])
    write_evaluation(tmp_path / "of_task", ["a.mp4", "b.mp4"], labels, labels, ["x", "y"], task)
    assert not drawn("confusion", tmp_path / "of_task" / name, status=2)
    error = error_line()
    assert (f"the task {task}, which has no confusion matrix" if name == "metrics.json" else message) in error


def test_the_confusion_matrix_of_shares_is_that_of_the_winners(tmp_path):
    shares = np.array([[0.5, 0.5], [0.2, 0.8], [0.7, 0.3]])
    write_evaluation(tmp_path, list("abc"), shares, shares[[0, 0, 1]], ["x", "y"], "distribution")
    for source in (tmp_path, tmp_path / "predictions.csv"):
        assert read_confusion(source)[0].tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_a_confusion_matrix_is_an_error(name, drawn, tmp_path, error_line):
    assert not drawn("confusion", tmp_path / name, status=2)
    assert str(tmp_path / name) in error_line()


def test_predictions_that_a_spreadsheet_saved_are_read(tmp_path):
    rows = f"{HEADER}a.mp4,happy,sad,0.4,0.6\n\nb.mp4,sad,sad,0,1\n"
    (tmp_path / "a.csv").write_text(rows.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert read_confusion(tmp_path / "a.csv")[0].tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("model", ["pretrained", "finetuned"])
def test_attention_of_any_model_is_drawn(model, video, drawn, request):
    model = request.getfixturevalue(model)
    assert drawn("attention", video, "--model", model, "--layer", "-1", "--heads", "max", "--device", "cpu")


@pytest.mark.parametrize(
    ("video_name", "options", "message"),
    [(None, ["--layer", "2"], "no layer 2"), ("missing.mp4", [], "missing.mp4")],
    ids=["layer", "video"],
)
def test_a_missing_layer_or_video_is_an_error(video_name, options, message, finetuned, video, drawn, error_line):
    assert not drawn("attention", video_name or video, "--model", finetuned, *options, status=2)
    assert message in error_line()


def test_losses_of_several_runs_are_drawn(drawn, tmp_path):
    runs = []
    for name in ("first", "second"):
        runs.append(tmp_path / name)
        runs[-1].mkdir()
        history = [{"step": step, "loss": 1 / step} for step in range(1, 9)]
        (runs[-1] / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    assert drawn("losses", *runs)


def test_a_log_without_losses_is_an_error(drawn, tmp_path, error_line):
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": [{"step": 1, "train_loss": 2.0}]}))
    assert not drawn("losses", tmp_path, status=2)
    assert "logs no loss" in error_line()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["visualize", "atention"], "did you mean attention?"),
        (["visualize", "losses", "run", "--output", "a.png", "--overwirte"], "did you mean --overwrite?"),
        (["visualize", "losses", "run"], "--output"),
    ],
    ids=["kind", "option", "output"],
)
def test_wrong_usage_is_an_error(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
