import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor


TINY = {
    "image_size": 16,
    "patch_size": 4,
    "num_frames": 8,
    "region_size": (2, 2, 4),
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 40,
    "mask_ratio": 0.75,
    "id2label": {0: "sad", 1: "happy", 2: "angry"},
    # Larger than the defaults, so that outputs are not nearly zero.
    "initializer_range": 0.2,
    "classifier_init_scale": 1.0,
}


@pytest.fixture(scope="session")
def tiny():
    """Function `(model_class, **fields)` that returns a small model with random weights."""

    def make(model_class, **fields):
        torch.manual_seed(0)
        return model_class(LGIFormerConfig(**{**TINY, **fields})).eval()

    return make


@pytest.fixture(scope="session")
def tiny_processor():
    return LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=8, num_segments=2)
