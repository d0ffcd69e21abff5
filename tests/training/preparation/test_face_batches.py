"""`FaceCropper`: the crops of a batch of rows, and videos that fail."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lgi_former import FaceCropper, LGIFormerForVideoClassification, VideoPredictor
from lgi_former.training.preparation import face_batches
from lgi_former.training.quickstart.sample_clip import write_sample_clip


NEW = ["crops", "crops_status", "crops_people", "crops_frames", "crops_error"]
FACE = np.array([[20.0, 20.0, 120.0, 130.0, 0.9]])


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder with a video of a face, and one without. The picture's brightness decides whether a face is found."""
    (tmp_path / "videos" / "a").mkdir(parents=True)
    write_sample_clip(tmp_path / "videos" / "a" / "face.mp4")
    Image.new("RGB", (160, 160)).save(tmp_path / "videos" / "dark.png")
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    detect = lambda image: FACE if image.mean() > 10 else np.empty((0, 5))  # noqa: E731
    monkeypatch.setattr(face_batches, "CenterFaceDetector", lambda **_: detect)
    return tmp_path / "videos"


def test_each_row_has_its_crops_or_its_error(corpus, tmp_path):
    crop = pickle.loads(pickle.dumps(FaceCropper(tmp_path / "faces", corpus, size=32)))
    videos = ["a/face.mp4", "dark.png", "text.mp4", "missing.mp4", None, str(corpus / "a" / "face.mp4")]
    cropped = crop(pd.DataFrame({"video": videos, "label": range(6)}))
    assert list(cropped) == ["video", "label", *NEW]
    assert cropped["crops_status"].tolist() == ["cropped", "no face", "failed", "failed", "failed", "cropped"]
    folder = str(tmp_path / "faces" / "a" / "face.mp4")
    assert cropped["crops"].tolist() == [folder, "", "", "", "", folder]
    errors = cropped["crops_error"]
    assert errors[0] == errors[1] == "" and "cannot be decoded" in errors[2] and "There is no file" in errors[3]
    frames = sorted(Path(folder).iterdir())
    assert len(frames) == cropped["crops_frames"][0] > 0 and Image.open(frames[0]).size == (32, 32)
    assert [entry.name for entry in (tmp_path / "faces").iterdir()] == ["a"]  # no unfinished folders


@pytest.mark.parametrize("video", ["../face.mp4", "a/../../face.mp4", "/face.mp4", ".", "a/.."])
def test_crops_are_written_inside_their_folder_only(video, corpus, tmp_path):
    cropped = FaceCropper(tmp_path / "faces", corpus)({"video": [video]})
    assert cropped["crops_status"].tolist() == ["failed"] and "is not inside" in cropped["crops_error"][0]
    assert os.listdir(tmp_path) == ["videos"]


def test_types_do_not_depend_on_the_videos(corpus, tmp_path):
    crop = FaceCropper(tmp_path / "faces", corpus, size=32)
    batches = [crop({"video": videos}) for videos in (["a/face.mp4"], ["missing.mp4", None], [])]
    types = [{name: batch[name].dtype for name in NEW} for batch in batches]
    assert types[0] == types[1] == types[2]


def test_the_predictor_reads_the_crops(corpus, tmp_path, save_tiny_model):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["happy", "sad"])
    cropped = FaceCropper(tmp_path / "faces", corpus, size=32)({"video": ["a/face.mp4", "dark.png"]})
    predicted = VideoPredictor(str(tmp_path / "model"), "crops", crop_faces=False, device="cpu")(cropped)
    assert predicted["error"].tolist() == ["", "The row has no path of a video."]
