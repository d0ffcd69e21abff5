"""Prediction for one video: scores, averaging of views, and errors."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import lgi_former
from lgi_former import LGIFormerForPreTraining
from lgi_former.hub.loading import load_classifier
from lgi_former.image_processing.faces import face_cropping
from lgi_former.inference import embed_videos, predict_video


class _Processor:
    """Returns given views."""

    def __init__(self, views):
        self.views = views

    def __call__(self, video, return_tensors, **sampling):
        return {"pixel_values": self.views}


class _CountingClips(torch.nn.Module):
    """Calls a model and records the number of clips of each call."""

    def __init__(self, model):
        super().__init__()
        self.model, self.config, self.clips = model, model.config, []
        self.device, self.dtype = model.device, model.dtype

    def forward(self, pixel_values):
        self.clips.append(len(pixel_values))
        return self.model(pixel_values=pixel_values)


def _logits(model, views):
    with torch.no_grad():
        return model(pixel_values=views).logits


def test_scores_are_probabilities_by_label_highest_first(clip, tiny_model, tiny_processor):
    model, processor = tiny_model(), tiny_processor()
    prediction = predict_video(model, processor, clip)
    probabilities = _logits(model, processor(clip, return_tensors="pt")["pixel_values"]).softmax(-1)[0]
    assert prediction.video == clip
    assert prediction.num_views == 1
    assert list(prediction.scores.values()) == sorted(prediction.scores.values(), reverse=True)
    for index, label in model.config.id2label.items():
        assert prediction.scores[label] == pytest.approx(probabilities[index].item(), abs=1e-6)


def test_videos_of_datasets_have_short_names(clip, tiny_model, tiny_processor):
    model, processor = tiny_model(), tiny_processor()
    content = Path(clip).read_bytes()
    expected = predict_video(model, processor, clip).scores
    for video, name in (({"path": clip}, re.escape(clip)), ({"bytes": content}, "[0-9a-f]{20,32}")):
        prediction = predict_video(model, processor, video)
        assert prediction.scores == expected and re.fullmatch(name, prediction.video)
    embeddings = list(embed_videos(model.lgi_former, processor, [content, {"path": clip}]))
    assert re.fullmatch("[0-9a-f]{20,32}", embeddings[0].video) and embeddings[1].video == clip


def test_probabilities_are_averaged_over_segments(clip, tiny_model, tiny_processor):
    model, processor = tiny_model(), tiny_processor()
    views = processor(clip, return_tensors="pt", num_segments=3)["pixel_values"]
    probabilities = _logits(model, views).softmax(-1).mean(0)
    prediction = predict_video(model, processor, clip, num_segments=3)
    assert prediction.num_views == 3
    assert prediction.scores["sad"] == pytest.approx(probabilities[1].item(), abs=1e-6)


def test_equal_views_are_evaluated_once_and_weighted(tiny_model):
    model = tiny_model()
    first, second = torch.randn(2, 4, 3, 32, 32)
    views = torch.stack([first, second, first])
    counting = _CountingClips(model)
    prediction = predict_video(counting, _Processor(views), "video")
    probabilities = _logits(model, views).softmax(-1).mean(0)
    assert counting.clips == [2]
    assert prediction.num_views == 2
    assert prediction.scores["happy"] == pytest.approx(probabilities[0].item(), abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "scores_of_logits"),
    [
        ({"problem_type": "multi_label_classification"}, torch.sigmoid),
        ({"problem_type": "regression"}, torch.nn.Identity()),
        ({"id2label": {0: "valence"}}, torch.nn.Identity()),
    ],
    ids=["multi-label", "regression", "regression by one label"],
)
def test_scores_follow_the_problem_type(fields, scores_of_logits, tiny_model):
    model = tiny_model(**fields)
    views = torch.randn(2, 4, 3, 32, 32)
    expected = scores_of_logits(_logits(model, views)).mean(0)
    scores = predict_video(model, _Processor(views), "video").scores
    for index, label in model.config.id2label.items():
        assert scores[label] == pytest.approx(expected[index].item(), abs=1e-6)


def test_frame_level_probabilities_are_averaged_over_frames(tiny_model):
    model = tiny_model(frame_level=True)
    views = torch.randn(2, 4, 3, 32, 32)
    logits = _logits(model, views)
    assert logits.shape == (2, 4, 3)
    expected = logits.softmax(-1).mean((0, 1))
    scores = predict_video(model, _Processor(views), "video").scores
    assert scores["neutral"] == pytest.approx(expected[2].item(), abs=1e-6)


def test_scores_that_are_not_finite_are_refused(tiny_model):
    views = torch.full((1, 4, 3, 32, 32), float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        predict_video(tiny_model(), _Processor(views), "video")


def test_a_saved_classifier_predicts_the_same(clip, tmp_path, tiny_model, tiny_processor):
    model, processor = tiny_model(), tiny_processor()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded_model, loaded_processor = load_classifier(tmp_path, device="cpu")
    assert not loaded_model.training
    assert predict_video(loaded_model, loaded_processor, clip) == predict_video(model, processor, clip)


def test_a_model_without_a_trained_head_is_refused(tmp_path, tiny_model, tiny_processor):
    tiny_model(LGIFormerForPreTraining).save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"has no weights for .*classifier\.weight.*fine-tuned"):
        load_classifier(tmp_path, device="cpu")


def test_the_sample_clip_has_a_moving_face(clip):
    with av.open(clip) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 64
    assert frames[0].shape == (160, 160, 3)
    assert abs(frames[0].astype(int) - frames[-1]).max() > 50


def test_the_readme_predicts(clip, tmp_path, monkeypatch, capsys, tiny_model, tiny_processor):
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    first_block = re.search(r"```py(?:thon)?\n(.*?)```", readme, re.DOTALL)[1]
    video, model = re.search(r'"([^"]+\.mp4)"', first_block)[1], re.search(r'download\("([^"]+)"\)', first_block)[1]
    monkeypatch.chdir(tmp_path)
    Path(video).write_bytes(Path(clip).read_bytes())
    tiny_model().save_pretrained(model)
    tiny_processor().save_pretrained(model)
    face = np.array([[25, 10, 135, 150, 0.9]])  # the drawn face, which the detector does not find
    monkeypatch.setattr(face_cropping, "CenterFaceDetector", lambda: lambda image: face)
    monkeypatch.setattr(lgi_former, "download", Path, raising=False)  # the folder of the tiny model
    exec(first_block, {})
    assert re.search(r"happy|sad|neutral", capsys.readouterr().out)
