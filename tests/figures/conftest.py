import pytest
import torch

from lgi_former import LGIFormerConfig


TINY = {
    "image_size": 16,
    "patch_size": 4,
    "num_frames": 8,
    "region_size": (2, 2, 4),
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "decoder_hidden_size": 12,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
    "mask_ratio": 0.75,
    "initializer_range": 0.5,  # makes attention uneven
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def tiny_config():
    """`tiny_config(**fields)`: a configuration of 4 x 4 x 4 local tokens in 2 x 2 x 1 regions."""
    return lambda **fields: LGIFormerConfig(**{**TINY, **fields})


@pytest.fixture
def clip():
    """`clip(config)`: a clip for a configuration."""
    return lambda config: torch.randn(1, config.num_frames, 3, config.image_size, config.image_size)


@pytest.fixture
def texts():
    """`texts(figure)`: draws a figure and returns its texts. Fails if the edge of the figure cuts anything off."""

    def draw(figure):
        figure.draw_without_rendering()
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height
        return [artist.get_text() for artist in figure.findobj(lambda artist: hasattr(artist, "get_text"))]

    return draw
