import pytest
import torch

from lgi_former import (
    LGIFormerConfig,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
)
from lgi_former.inference.sample_clip import write_sample_clip


TINY = {
    "image_size": 32,
    "num_frames": 4,
    "region_size": (1, 2, 2),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_intermediate_size": 48,
    "decoder_num_hidden_layers": 1,
    "mask_ratio": 0.75,
    "id2label": {0: "happy", 1: "sad", 2: "neutral"},
}


@pytest.fixture(scope="session")
def save_model():
    """Writes a small model of a class, with fields of its own, and its processor to a folder."""

    def save(model_class, folder, **fields):
        torch.manual_seed(0)
        model_class(LGIFormerConfig(**TINY, **fields)).save_pretrained(folder)
        LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4).save_pretrained(folder)
        return str(folder)

    return save


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory, save_model):
    return save_model(LGIFormerForPreTraining, tmp_path_factory.mktemp("pretrained"))


@pytest.fixture(scope="session")
def finetuned(tmp_path_factory, save_model):
    return save_model(LGIFormerForVideoClassification, tmp_path_factory.mktemp("finetuned"))


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    return str(write_sample_clip(tmp_path_factory.mktemp("videos") / "face.mp4"))


@pytest.fixture
def told(capsys):
    """What the command said on stderr, which must be one line."""

    def one_line():
        message = capsys.readouterr().err
        assert message.startswith("lgi-former: ")
        assert message.count("\n") == 1
        return message

    return one_line
