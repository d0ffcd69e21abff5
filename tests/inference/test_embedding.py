"""Embeddings of videos: which tokens they are, of which models, and what happens to broken videos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from lgi_former import (
    LGIFormerConfig,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    LGIFormerVideoProcessor,
)
from lgi_former.inference import embed_video, embed_videos
from lgi_former.training.quickstart.sample_clip import write_sample_clip


TINY = {
    "image_size": 32,
    "num_frames": 4,
    "region_size": (1, 1, 2),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 1,
    "decoder_intermediate_size": 48,
    "classifier_init_scale": 1.0,
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    still = np.full((9, 20, 20, 3), 200, dtype=np.uint8)
    return [str(write_sample_clip(folder / "face.mp4")), still]


def _model(model_class=LGIFormerModel, **fields):
    torch.manual_seed(0)
    return model_class(LGIFormerConfig(**TINY, **fields)).eval()


def _processor(**settings):
    return LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4, sampling_rate=2, **settings)


def _outputs(model, video, **sampling):
    with torch.no_grad():
        return model(_processor()(video, return_tensors="pt", **sampling)["pixel_values"])


@pytest.mark.parametrize(
    ("level", "output", "shape"),
    [
        ("clip", "pooler_output", (32,)),
        ("region", "representative_hidden_state", (4, 32)),
        ("token", "last_hidden_state", (8, 32)),
    ],
)
def test_a_level_is_an_output_of_the_model(level, output, shape, videos):
    model = _model()
    embedding = embed_video(model, _processor(), videos[0], level)
    assert (embedding.shape, embedding.dtype) == (shape, np.float32)
    np.testing.assert_allclose(embedding, _outputs(model, videos[0])[output][0].numpy(), atol=1e-5)


def test_views_are_kept_and_averaged(videos):
    model = _model()
    (embedding,) = embed_videos(model, _processor(), videos[:1], num_segments=3)
    expected = _outputs(model, videos[0], num_segments=3).pooler_output.numpy()
    np.testing.assert_allclose(embedding.views, expected, atol=1e-5)
    np.testing.assert_allclose(embedding.mean, expected.mean(axis=0), atol=1e-5)


def test_equal_views_are_computed_once_and_all_returned(videos):
    model, clips = _model(), []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: clips.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    (embedding,) = embed_videos(model, _processor(), videos[1:], num_segments=3)
    assert clips == [1]
    assert embedding.views.shape == (3, 32)


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"batch_size": 2, "num_workers": 1}], ids=str)
def test_videos_embed_alike_alone_and_together(options, videos):
    model, processor = _model(), _processor()
    together = list(embed_videos(model, processor, [*videos, videos[0]], num_segments=2, **options))
    assert [(embedding.video, embedding.index) for embedding in together] == [
        (videos[0], 0),
        ("video 1", 1),
        (videos[0], 2),
    ]
    for embedding, video in zip(together, [*videos, videos[0]], strict=True):
        np.testing.assert_allclose(embedding.mean, embed_video(model, processor, video, num_segments=2), atol=1e-5)


@pytest.mark.parametrize("model_class", [LGIFormerModel, LGIFormerForPreTraining, LGIFormerForVideoClassification])
def test_every_kind_of_checkpoint_embeds(model_class, videos, tmp_path):
    _model(model_class).save_pretrained(tmp_path)
    assert embed_video(AutoModel.from_pretrained(tmp_path), _processor(), videos[0]).shape == (32,)


def test_the_embedding_of_a_classifier_is_what_its_head_gets(videos):
    classifier = _model(LGIFormerForVideoClassification)
    embedding = embed_video(classifier.lgi_former, _processor(), videos[0])
    with torch.no_grad():
        logits = classifier.classifier(torch.from_numpy(embedding))
    torch.testing.assert_close(logits, _outputs(classifier, videos[0]).logits[0])


def test_features_of_frames_are_averaged(videos):
    model = _model(frame_level=True)
    features = _outputs(model, videos[0]).pooler_output
    assert features.shape == (1, 4, 32)
    np.testing.assert_allclose(embed_video(model, _processor(), videos[0]), features[0].mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_broken_videos_are_reported_and_the_others_done(num_workers, videos, tmp_path):
    broken, missing = tmp_path / "broken.mp4", Path(tmp_path, "missing.mp4")
    broken.write_bytes(b"no video")
    failures = {}
    embeddings = embed_videos(
        *(_model(), _processor(), [str(broken), missing, videos[0]]),
        batch_size=2,
        num_workers=num_workers,
        on_failure=failures.__setitem__,
    )
    assert [embedding.index for embedding in embeddings] == [2]
    assert list(failures) == [str(broken), str(missing)]
    assert all(video in message for video, message in failures.items())


def test_a_broken_video_is_an_error_if_nobody_listens(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.mp4"):
        embed_video(_model(), _processor(), tmp_path / "missing.mp4")


def test_embeddings_that_are_not_finite_are_refused(videos):
    model = _model()
    model.embeddings.projection.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"face\.mp4 is not finite"):
        embed_video(model, _processor(), videos[0])


def test_an_unknown_level_is_refused_at_once(videos):
    with pytest.raises(ValueError, match="'clip', 'region', 'token'"):
        embed_videos(_model(), _processor(), videos, level="frame")
