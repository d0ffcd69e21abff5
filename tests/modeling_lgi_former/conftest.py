import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.initialization import no_init_weights

from lgi_former import LGIFormerConfig


TINY = {
    "image_size": 16,
    "patch_size": 4,
    "num_frames": 8,
    "region_size": (2, 2, 4),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 40,
    "mask_ratio": 0.75,
    "num_labels": 5,
    # Larger than the defaults, so that outputs and gradients are not nearly zero.
    "initializer_range": 0.2,
    "classifier_init_scale": 1.0,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def tiny_config():
    """Function that returns a configuration with 4 x 4 x 4 local tokens in 2 x 2 x 1 regions."""
    return lambda **fields: LGIFormerConfig(**{**TINY, **fields})


@pytest.fixture
def clips():
    """Function that returns a batch of random clips for a configuration."""
    return lambda config, batch_size=2: torch.randn(
        batch_size, config.num_frames, config.num_channels, config.image_size, config.image_size
    )


@pytest.fixture
def fake_gpu():
    """Tensors on "cuda" have only shapes. Reading a value or combining them with tensors on the CPU is an error."""
    with FakeTensorMode(), no_init_weights(), torch.device("cuda"):
        yield
