"""Attention of a layer: its values, and the figure for all variants of the model."""

import pytest
import torch

from lgi_former import LGIFormerModel
from lgi_former.figures import attend, draw_attention


@pytest.mark.parametrize("intra_region_attention", ["self", "cross"])
@pytest.mark.parametrize("heads", ["mean", "max"])
def test_attention_is_that_of_the_model(intra_region_attention, heads, tiny_config, clip):
    model = LGIFormerModel(tiny_config(intra_region_attention=intra_region_attention)).eval()
    pixel_values = clip(model.config)
    with torch.no_grad():
        attentions = model(pixel_values, output_attentions=True).attentions
    s1, s2, s3 = ({"mean": a.mean(1), "max": a.amax(1)}[heads] for a in attentions[3:6])
    found = attend(model, pixel_values, layer=1, heads=heads)
    assert (found.layer, found.tubelet_size) == (1, 2)
    torch.testing.assert_close(found.inter_region, s2[0])
    for time, row, column in [(0, 0, 0), (0, 3, 1), (1, 1, 2), (3, 2, 3)]:
        region = 2 * (time // 2) + row // 2  # 2 x 2 x 1 regions of 2 x 2 x 4 tokens
        token = 8 * (time % 2) + 4 * (row % 2) + column
        key = token + (intra_region_attention == "self")  # there, the representative token comes first
        assert found.regions[time, row, column] == region
        torch.testing.assert_close(found.intra_region[time, row, column], s1[region, 0, key])
        torch.testing.assert_close(found.local_global[time, row, column], s3[0, 16 * region + token])


@pytest.mark.parametrize(
    ("fields", "layer"), [({}, 1), ({"pooling": "all"}, 2), ({"num_hidden_layers": 1}, 0)], ids=str
)
def test_the_default_layer_is_the_last_that_reaches_the_output(fields, layer, tiny_config, clip):
    model = LGIFormerModel(tiny_config(**fields)).eval()
    assert attend(model, clip(model.config)).layer == layer


def test_negative_layers_count_from_the_end(tiny_config, clip):
    model = LGIFormerModel(tiny_config()).eval()
    pixel_values = clip(model.config)
    last, counted = (attend(model, pixel_values, layer=layer) for layer in (-1, 2))
    assert last.layer == 2
    assert torch.equal(last.intra_region, counted.intra_region)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layer": 3}, "no layer 3: .* 0 to 2"), ({"layer": -4}, "no layer -4"), ({"heads": "median"}, "'mean', 'max'")],
    ids=str,
)
def test_a_missing_layer_or_combination_of_heads_is_refused(options, message, tiny_config, clip):
    model = LGIFormerModel(tiny_config()).eval()
    with pytest.raises(ValueError, match=message):
        attend(model, clip(model.config), **options)


def test_clips_of_one_channel_are_refused(tiny_config):
    model = LGIFormerModel(tiny_config(num_channels=1)).eval()
    with pytest.raises(ValueError, match="1 channels"):
        attend(model, torch.randn(1, 8, 1, 16, 16))


@pytest.mark.parametrize(
    ("fields", "rows", "matrices"),
    [
        ({}, 3, ["S2", "S3"]),
        ({"inter_region_attention": False}, 3, ["S3"]),
        ({"local_global_interaction": None}, 2, ["S2"]),
        ({"local_global_interaction": "self"}, 2, ["S2"]),
        ({"local_global_interaction": None, "inter_region_attention": False}, 2, []),
        ({"region_size": (4, 4, 4)}, 2, []),
        ({"num_frames": 32, "region_size": (1, 1, 1)}, 3, ["S2", "S3"]),
        ({"num_frames": 2, "region_size": (1, 2, 4)}, 3, ["S2", "S3"]),
    ],
    ids=["all", "no S2", "no S3", "S3 self", "S1 alone", "one region", "256 regions", "2 frames"],
)
def test_the_figure_shows_the_parts_that_a_model_has(fields, rows, matrices, tiny_config, clip, texts):
    model = LGIFormerModel(tiny_config(**fields)).eval()
    figure = draw_attention(attend(model, clip(model.config)))
    shown = texts(figure)
    assert "layer 1" in shown
    assert sum(text.startswith(("frames\n", "S1: read", "S3: region")) for text in shown) == rows
    assert [text[:2] for text in shown if text.startswith(("S2: repr", "S3: local"))] == matrices
