"""Embeddings of videos: levels, views, kinds of models, and broken videos."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel

from lgi_former import (
    FacialExpressionPipeline,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
)
from lgi_former.image_processing import open_frames, sample_in_time
from lgi_former.inference import embed_video, embed_videos


@pytest.fixture
def videos(clip):
    """A file, and an array of equal frames."""
    return [clip, np.full((9, 20, 20, 3), 200, dtype=np.uint8)]


@pytest.fixture
def processor(tiny_processor):
    return tiny_processor(sampling_rate=2)


@pytest.fixture
def encoder(tiny_model):
    return tiny_model(LGIFormerModel)


@pytest.fixture
def outputs_of(processor):
    """`outputs_of(model, video, **sampling)`: the outputs of the model without `embed_video`."""

    def compute(model, video, **sampling):
        with torch.no_grad():
            return model(processor(video, return_tensors="pt", **sampling)["pixel_values"])

    return compute


@pytest.mark.parametrize(
    ("level", "output", "shape"),
    [
        ("clip", "pooler_output", (32,)),
        ("region", "representative_hidden_state", (4, 32)),
        ("token", "last_hidden_state", (8, 32)),
    ],
)
def test_a_level_is_an_output_of_the_model(level, output, shape, videos, encoder, processor, outputs_of):
    embedding = embed_video(encoder, processor, videos[0], level)
    assert (embedding.shape, embedding.dtype) == (shape, np.float32)
    np.testing.assert_allclose(embedding, outputs_of(encoder, videos[0])[output][0].numpy(), atol=1e-5)


def test_views_are_returned_and_averaged(videos, encoder, processor, outputs_of):
    (embedding,) = embed_videos(encoder, processor, videos[:1], num_segments=3)
    expected = outputs_of(encoder, videos[0], num_segments=3).pooler_output.numpy()
    np.testing.assert_allclose(embedding.views, expected, atol=1e-5)
    np.testing.assert_allclose(embedding.mean, expected.mean(axis=0), atol=1e-5)


def test_equal_views_are_computed_once_and_all_returned(videos, encoder, processor):
    clips = []
    encoder.register_forward_pre_hook(
        lambda _, args, kwargs: clips.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    (embedding,) = embed_videos(encoder, processor, videos[1:], num_segments=3)
    assert clips == [1]
    assert embedding.views.shape == (3, 32)


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"batch_size": 2, "num_workers": 1}], ids=str)
def test_batches_give_the_same_embeddings(options, videos, encoder, processor):
    together = list(embed_videos(encoder, processor, [*videos, videos[0]], num_segments=2, **options))
    assert [(embedding.video, embedding.index) for embedding in together] == [
        (videos[0], 0),
        ("video 1", 1),
        (videos[0], 2),
    ]
    for embedding, video in zip(together, [*videos, videos[0]], strict=True):
        np.testing.assert_allclose(embedding.mean, embed_video(encoder, processor, video, num_segments=2), atol=1e-5)


@pytest.mark.parametrize("model_class", [LGIFormerModel, LGIFormerForPreTraining, LGIFormerForVideoClassification])
def test_every_kind_of_model_embeds(model_class, videos, tmp_path, tiny_model, processor):
    tiny_model(model_class).save_pretrained(tmp_path)
    assert embed_video(AutoModel.from_pretrained(tmp_path), processor, videos[0]).shape == (32,)


def test_the_embedding_of_a_classifier_is_the_input_of_its_head(videos, tiny_model, processor, outputs_of):
    classifier = tiny_model(LGIFormerForVideoClassification)
    embedding = embed_video(classifier.lgi_former, processor, videos[0])
    with torch.no_grad():
        logits = classifier.classifier(torch.from_numpy(embedding))
    torch.testing.assert_close(logits, outputs_of(classifier, videos[0]).logits[0])


def test_features_of_frames_are_averaged(videos, tiny_model, processor, outputs_of):
    model = tiny_model(LGIFormerModel, frame_level=True)
    features = outputs_of(model, videos[0]).pooler_output
    assert features.shape == (1, 4, 32)
    np.testing.assert_allclose(embed_video(model, processor, videos[0]), features[0].mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_broken_videos_are_reported_and_the_others_embedded(num_workers, videos, tmp_path, encoder, processor):
    broken, missing = tmp_path / "broken.mp4", Path(tmp_path, "missing.mp4")
    broken.write_bytes(b"no video")
    failures = {}
    embeddings = embed_videos(
        *(encoder, processor, [str(broken), missing, videos[0]]),
        batch_size=2,
        num_workers=num_workers,
        on_failure=failures.__setitem__,
    )
    assert [embedding.index for embedding in embeddings] == [2]
    assert list(failures) == [str(broken), str(missing)]
    assert all(video in message for video, message in failures.items())


def test_a_broken_video_is_an_error_without_a_callback(tmp_path, encoder, processor):
    with pytest.raises(ValueError, match=r"missing\.mp4"):
        embed_video(encoder, processor, tmp_path / "missing.mp4")


def test_embeddings_that_are_not_finite_are_refused(videos, encoder, processor):
    encoder.embeddings.projection.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"face\.mp4 is not finite"):
        embed_video(encoder, processor, videos[0])


def test_an_unknown_level_is_refused_at_once(videos, encoder, processor):
    with pytest.raises(ValueError, match="'clip', 'region', 'token'"):
        embed_videos(encoder, processor, videos, level="frame")


def test_views_have_the_times_of_their_frames(videos, encoder, processor):
    (embedding,) = embed_videos(encoder, processor, videos[:1], num_segments=3)  # 4 frames, 0.08 seconds apart
    assert embedding.times == pytest.approx(np.array([[0, 0.32], [1.12, 1.44], [2.24, 2.56]]), abs=1e-3)
    (embedding,) = embed_videos(encoder, processor, videos[1:], start=0.05, end=0.3)  # frames 1 to 7 of 9
    assert embedding.times == pytest.approx(np.array([[0.05, 0.3]]))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_windows_are_those_of_the_pipeline(num_workers, videos, encoder, processor, tiny_model, outputs_of):
    settings = {"window": 0.8, "stride": 0.6, "start": 0.3}
    pipeline = FacialExpressionPipeline(model=tiny_model(), video_processor=processor, device="cpu", crop_faces=False)
    expected = [[(entry["start"], entry["end"]) for entry in pipeline(videos[0], **settings)["timeline"]]]
    expected.append([(0.3, 0.36)])
    seen = {
        embedding.index: embedding
        for embedding in embed_videos(encoder, processor, videos, **settings, batch_size=2, num_workers=num_workers)
    }
    assert len(expected[0]) > 2
    for index, times in enumerate(expected):
        assert seen[index].times == pytest.approx(np.array(times), abs=1e-3)
        assert seen[index].views.shape == (len(times), 32)
    with open_frames(videos[0], start=0.9) as stream:
        frames = [frame.image for frame in itertools.islice(sample_in_time(stream, 0.2), 4)]
    direct = outputs_of(encoder, np.stack(frames), do_sample_frames=False).pooler_output[0].numpy()
    np.testing.assert_allclose(seen[0].views[1], direct, atol=1e-5)


def test_no_window_goes_over_a_cut(encoder, processor):
    shots = [np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8) for seed in (0, 1)]
    video = np.concatenate([[shot.repeat(30, axis=0).repeat(30, axis=1)] * 25 for shot in shots])
    per_shot, over_cut = [[0, 0.8], [0.2, 1], [1, 1.8], [1.2, 2]], [[0, 0.8], [0.8, 1.6], [1.2, 2]]
    for cuts, expected in ((True, per_shot), (False, over_cut)):
        (embedding,) = embed_videos(encoder, processor, [video], window=0.8, stride=0.8, cuts=cuts)
        assert embedding.times == pytest.approx(np.array(expected), abs=1e-3)


def test_a_video_that_breaks_within_has_no_windows(write_broken_frames, encoder, processor):
    failures = {}
    folder = write_broken_frames(30, broken=20)
    options = {"window": 0.32, "batch_size": 2, "on_failure": failures.__setitem__}
    assert not list(embed_videos(encoder, processor, [folder], **options))
    assert list(failures) == [str(folder)]


@pytest.fixture
def write_broken_frames(tmp_path):
    """Function that writes a folder of frames with one damaged frame."""

    def write(count, broken):
        for number in range(count):
            Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / f"{number:03d}.png")
        (tmp_path / f"{broken:03d}.png").write_bytes(b"no image")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window=0 must be"),
        ({"stride": float("nan")}, "stride=nan must be"),
        ({"window": "1"}, "window='1' must be"),
        ({"window": 1, "num_segments": 2}, "leave out window and stride"),
        ({"start": 3, "end": 1}, "must be later"),
        ({"stream": -1}, "stream=-1"),
        ({"frame_rate": 0}, "frame_rate=0"),
    ],
)
def test_impossible_settings_are_refused_at_once(settings, message, videos, encoder, processor):
    with pytest.raises(ValueError, match=message):
        embed_videos(encoder, processor, videos, **settings)
