"""`VideoPredictor`: batches of every kind, broken videos, and a Ray cluster that loses a machine."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import datasets
import fsspec
import numpy as np
import pandas as pd
import pytest

import lgi_former
from lgi_former import LGIFormerForVideoClassification, VideoPredictor
from lgi_former.inference import FacialExpressionPipeline
from lgi_former.inference.loading import load_classifier
from lgi_former.training.quickstart.sample_clip import write_sample_clip


LABELS = ("happy", "sad", "video")
NEW = ["error", "note", "duration", "people", "expression", "happy", "sad", "score of video", "windows"]
RAY_MAIN = """
import functools, runpy, sys
import ray

ray.init = functools.partial(ray.init, num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""  # as small as possible: one processor reads, one predicts
SETTINGS = {"crop_faces": False, "device": "cpu", "window": 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory, save_tiny_model):
    folder = tmp_path_factory.mktemp("model")
    save_tiny_model(LGIFormerForVideoClassification, folder, LABELS)
    return str(folder)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A good video, three that fail, and the good one again."""
    folder = tmp_path_factory.mktemp("videos")
    good, text = str(write_sample_clip(folder / "face.mp4")), folder / "text.mp4"
    text.write_text("no video")
    return [good, str(text), str(folder / "missing.mp4"), None, good]


def as_dictionary(videos):
    return {"video": videos, "label": [0] * len(videos)}


def as_arrays(videos):
    return {name: np.array(column, dtype=object) for name, column in as_dictionary(videos).items()}


def as_frame(videos):
    return pd.DataFrame(as_dictionary(videos), index=[7] * len(videos))


@pytest.mark.parametrize("batch_of", [as_dictionary, as_arrays, as_frame])
def test_each_row_has_its_result_or_its_error(batch_of, model, videos):
    batch = batch_of(videos)
    predicted = VideoPredictor(model, **SETTINGS)(batch)
    assert type(predicted) is type(batch) and list(predicted) == ["video", "label", *NEW]
    rows = pd.DataFrame(dict(predicted)).reset_index(drop=True)
    assert rows["error"].astype(bool).tolist() == [False, True, True, True, False]
    assert "cannot be decoded" in rows["error"][1] and "There is no file" in rows["error"][2]
    assert rows["error"][3] == "The row has no path of a video."
    failed = rows.iloc[1:4]
    assert failed[["duration", "happy"]].isna().all(axis=None) and set(failed["windows"]) == {"[]"}
    assert failed["people"].isna().all() and set(failed["expression"]) == {""}
    assert rows.iloc[0].equals(rows.iloc[4])


def test_results_are_those_of_the_pipeline(model, videos):
    predicted = VideoPredictor(model, **SETTINGS)({"video": videos[:1]})
    classifier, processor = load_classifier(model, "cpu")
    recognise = FacialExpressionPipeline(model=classifier, video_processor=processor, device="cpu")
    result = recognise(videos[0], crop_faces=False, window=1.0)
    assert predicted["expression"][0] == next(iter(result["scores"]))
    assert (predicted["duration"][0], predicted["people"][0]) == (result["duration"], 1)
    scores = [predicted[title][0] for title in ("happy", "sad", "score of video")]
    assert scores == pytest.approx([result["scores"][label] for label in LABELS], abs=1e-5)
    windows, timeline = json.loads(predicted["windows"][0]), result["timeline"]
    assert [(entry["start"], entry["end"]) for entry in windows] == [(e["start"], e["end"]) for e in timeline]


def test_types_do_not_depend_on_the_videos(model, videos):
    predict = VideoPredictor(model, **SETTINGS)
    for batch_of in (as_dictionary, as_frame):
        batches = [predict(batch_of(some)) for some in (videos[:1], videos[1:3], [])]
        types = [{name: batch[name].dtype for name in NEW} for batch in batches]
        assert types[0] == types[1] == types[2]


def test_spark_and_datasets_may_call_it(model, videos, tmp_path):
    predict = pickle.loads(pickle.dumps(VideoPredictor(model, **SETTINGS)))
    frames = list(predict.map_in_pandas(iter([as_frame(videos[:2]), as_frame(videos[2:])])))
    assert [list(frame["error"] == "") for frame in frames] == [[True, False], [False, False, True]]
    rows = datasets.Dataset.from_dict(as_dictionary(videos))
    mapped = rows.map(predict, batched=True, batch_size=2)
    assert mapped["expression"] == [text for frame in frames for text in frame["expression"]]
    again = rows.map(VideoPredictor(model, **SETTINGS), batched=True, batch_size=2)
    assert again._fingerprint == mapped._fingerprint  # so that `datasets` finds it in its cache


def test_no_state_is_copied_to_other_processes(model, videos):
    predict = VideoPredictor(model, **SETTINGS)
    before = pickle.dumps(predict)
    predict({"video": videos[:1]})
    assert pickle.dumps(predict) == before and len(before) < 1000


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ({"path": ["a.mp4"]}, ValueError, "has no column 'video', only path. Name the column"),
        ({"video": ["a.mp4"], "note": [""], "error": [""]}, ValueError, "already has the columns error, note"),
        ([{"video": "a.mp4"}], TypeError, "The batch is a list. Give a dictionary"),
        ("a.mp4", TypeError, "The batch is a str"),
    ],
)
def test_a_wrong_batch_is_refused(batch, error, message, model):
    with pytest.raises(error, match=message):
        VideoPredictor(model, **SETTINGS)(batch)


def test_another_column_may_hold_the_paths(model, videos):
    predicted = VideoPredictor(model, "clip", **SETTINGS)({"clip": [Path(videos[0])]})
    assert predicted["error"].tolist() == [""] and "video" in predicted


def test_videos_may_be_in_object_storage(model, videos):
    with fsspec.open("memory://bucket/face.mp4", "wb") as file:
        file.write(Path(videos[0]).read_bytes())
    predict = VideoPredictor(model, **SETTINGS)
    remote = ["memory://bucket/face.mp4", "memory://bucket/missing.mp4", "rtsp://camera/1"]
    predicted, local = predict({"video": remote}), predict({"video": videos[:1]})
    assert predicted["happy"][0] == local["happy"][0] and predicted["error"][0] == ""
    assert all(name in error for name, error in zip(remote[1:], predicted["error"][1:], strict=True))


@pytest.mark.slow
def test_the_example_runs_on_ray(model, videos, tmp_path):
    """On this machine alone. `tests/stress/test_ray_cluster.py` kills one of two."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    pd.DataFrame({"video": videos[:2]}).to_parquet(tmp_path / "videos.parquet")
    example = str(Path(lgi_former.__file__).parent / "examples" / "ray_predict.py")
    words = [example, "videos.parquet", "results", "--model", model, "--no_crop_faces"]
    variables = {"RAY_gcs_server_port_wait_time_s": "120", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("w+") as log:  # processes of Ray that end late would keep a pipe open
        command, environment = [sys.executable, "-c", RAY_MAIN, *words], os.environ | variables
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, timeout=300)
        log.seek(0)
        shown = log.read()
    assert done.returncode == 0 and "2 videos, 1 of them failed" in shown, shown
    table = pd.read_parquet(tmp_path / "results")
    assert sorted(table["video"]) == sorted(videos[:2])
    assert table["error"].astype(bool).sum() == 1 and table["happy"].notna().sum() == 1
