"""The files of an evaluation for each kind of labels."""

import json

import numpy as np
import pytest
from PIL import Image

from lgi_former import LGIFormerConfig
from lgi_former.training.evaluate import EvaluationArguments, task_to_evaluate
from lgi_former.training.evaluation.report import (
    evaluation_files,
    pool_evaluations,
    print_evaluation,
    read_predictions,
    write_evaluation,
)


VIDEOS = ["a.mp4", "b.mp4", "c.mp4"]
NAN = [np.nan, np.nan]
REPORTS = {
    "single_label": (
        np.array([0, 1, -100]),
        [[0.9, 0.1], [0.75, 0.25], [0, 0]],
        "path,label,prediction,probability_x,probability_y\na.mp4,x,x,0.9,0.1\nb.mp4,y,x,0.75,0.25\n",
    ),
    "distribution": (
        np.array([[0.25, 0.75], [0.5, 0.5], NAN]),
        [[0.9, 0.1], [0.75, 0.25], [0, 0]],
        "path,label,prediction,share_x,share_y,probability_x,probability_y\n"
        "a.mp4,y,x,0.25,0.75,0.9,0.1\nb.mp4,x,x,0.5,0.5,0.75,0.25\n",
    ),
    "multi_label": (
        np.array([[1, 1], [0, 1], NAN]),
        [[0.9, 0.1], [0.75, 0.25], [0, 0]],
        "path,label_x,label_y,probability_x,probability_y\na.mp4,1,1,0.9,0.1\nb.mp4,0,1,0.75,0.25\n",
    ),
    "regression": (
        np.array([[-0.5, 1.25], [0, 2], NAN]),
        [[0.125, -1], [3, 4], [0, 0]],
        "path,label_x,label_y,prediction_x,prediction_y\na.mp4,-0.5,1.25,0.125,-1\nb.mp4,0,2,3,4\n",
    ),
}


def report(folder, task, **options):
    labels, values, _ = REPORTS[task]
    return write_evaluation(folder, VIDEOS, labels, np.array(values), ["x", "y"], task, **options)


@pytest.mark.parametrize("task", REPORTS)
def test_files_of_each_task(task, tmp_path, capsys):
    figures = report(tmp_path / "one", task, units=["", "Hz"])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(evaluation_files(task))
    assert json.loads((tmp_path / "one" / "metrics.json").read_text()) == figures
    assert (figures["num_videos"], figures["num_unreadable_videos"]) == (2, 1)
    assert figures.get("task", "single_label") == task
    assert (tmp_path / "one" / "predictions.csv").read_bytes().decode() == REPORTS[task][2].replace("\n", "\r\n")
    with Image.open(tmp_path / "one" / evaluation_files(task)[2]) as picture:
        assert picture.width > 400
    read = read_predictions(tmp_path / "one")
    assert (read.task, read.label_names, read.videos) == (task, ["x", "y"], VIDEOS[:2])
    np.testing.assert_array_equal(read.labels, REPORTS[task][0][:2])
    np.testing.assert_array_equal(read.values, REPORTS[task][1][:2])
    print_evaluation(figures)
    table = capsys.readouterr().out
    assert all(title in table for title in ("x", "y", {"regression": "CCC", "multi_label": "mAP"}.get(task, "UAR")))
    assert ("y (Hz)" in table) == (task == "regression")
    # Twice the same videos have the same metrics.
    pooled = pool_evaluations([tmp_path / "one", tmp_path / "one"], tmp_path / "both")
    assert (pooled.pop("num_videos"), pooled.pop("num_unreadable_videos")) == (4, 2)
    for name in ("uar", "kl", "map", "ccc"):
        assert pooled.get(name) == pytest.approx(figures.get(name)), name
    assert task != "regression" or pooled["quantities"]["y"]["unit"] == "Hz"


def test_pooled_figures_of_large_numbers(tmp_path):
    labels = np.float32(1e6) + np.arange(8, dtype=np.float32)[:, None]
    whole = write_evaluation(tmp_path / "whole", list("abcdefgh"), labels, labels + 1, ["x"], "regression")
    for name, rows in (("one", slice(4)), ("two", slice(4, 8))):
        write_evaluation(tmp_path / name, ["a"] * 4, labels[rows], labels[rows] + 1, ["x"], "regression")
    pooled = pool_evaluations([tmp_path / "one", tmp_path / "two"], tmp_path / "pooled")
    assert (pooled["ccc"], pooled["mae"]) == (whole["ccc"], 1)


def test_predicted_classes_are_read_where_there_are_any(tmp_path):
    report(tmp_path, "distribution")
    assert [classes.tolist() for classes in read_predictions(tmp_path).classes()] == [[1, 0], [0, 0]]
    report(tmp_path, "regression")
    with pytest.raises(ValueError, match=r"one of numbers \(x, y\), so a video has no single class"):
        read_predictions(tmp_path).classes()


def test_the_threshold_selects_the_predicted_labels(tmp_path):
    assert report(tmp_path / "low", "multi_label", threshold=0.2)["labels"]["y"]["f1"] == pytest.approx(2 / 3)
    assert report(tmp_path / "high", "multi_label")["labels"]["y"]["f1"] == 0
    with pytest.raises(ValueError, match="Pool evaluations of one kind"):
        pool_evaluations([tmp_path / "low", tmp_path / "high"], tmp_path / "both")


def test_a_row_for_each_frame(tmp_path):
    labels = np.array([[[0.0], [1]], [[2], [3]], [[np.nan], [np.nan]]])
    figures = write_evaluation(tmp_path, VIDEOS, labels, labels + 0.5, ["valence"], "regression")
    assert (figures["num_videos"], figures["num_frames"], figures["num_unreadable_videos"]) == (2, 4, 1)
    assert figures["mae"] == pytest.approx(0.5)
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert lines[0] == "path,frame,label_valence,prediction_valence" and lines[2] == "a.mp4,1,1,1.5"
    assert read_predictions(tmp_path).frames.tolist() == [0, 1, 0, 1]
    indices, values = np.array([[0, 1], [1, 1]]), np.eye(2)[[[0, 1], [0, 1]]]
    write_evaluation(tmp_path, VIDEOS[:2], indices, values, ["x", "y"])
    assert (tmp_path / "predictions.csv").read_text().splitlines()[3] == "b.mp4,0,y,x,1,0"
    in_video = np.array([[4, 8], [0, 4]])
    write_evaluation(tmp_path, VIDEOS[:2], indices, values, ["x", "y"], frame_indices=in_video)
    assert read_predictions(tmp_path).frames.tolist() == [4, 8, 0, 4]


@pytest.mark.parametrize(
    "header",
    ["path,label_x,probability_y", "path,label_x,label_y,probability_x", "path,share_x,probability_x", "path", ""],
)
def test_other_columns_are_refused(header, tmp_path):
    (tmp_path / "predictions.csv").write_text(header + "\n")
    with pytest.raises(ValueError, match=r"is not the predictions.csv of an evaluation"):
        read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("problem_type", "options", "task"),
    [
        (None, {}, "single_label"),
        ("single_label_classification", {"task": "distribution"}, "distribution"),
        ("regression", {}, "regression"),
        ("multi_label_classification", {"threshold": 0.2}, "multi_label"),
        (None, {"task": "regression"}, "--task regression does not fit 'm'"),
        ("multi_label_classification", {"task": "distribution"}, "Evaluate it with --task multi_label"),
        ("regression", {"threshold": 0.2}, "--threshold is for models that predict several labels"),
        (None, {"threshold": 1.5}, "threshold=1.5 must be between 0 and 1"),
    ],
)
def test_the_task_of_an_evaluation(problem_type, options, task):
    config = LGIFormerConfig(num_labels=3, problem_type=problem_type)
    if " " in task:
        with pytest.raises(ValueError, match=task):
            task_to_evaluate(EvaluationArguments(model="m", data="d", **options), config)
    else:
        assert task_to_evaluate(EvaluationArguments(model="m", data="d", **options), config) == task
