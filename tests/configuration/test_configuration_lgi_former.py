import ast
import inspect
import re

import pytest
from transformers import AutoConfig

from lgi_former import LGIFormerConfig


def test_defaults_are_the_published_base_model():
    config = LGIFormerConfig()
    assert config.token_grid == (8, 10, 10) and config.region_grid == (4, 2, 1)
    assert (config.num_tokens, config.num_regions, config.tubelet_pixels) == (800, 8, 1536)


def test_every_field_is_documented_once_with_its_default():
    documented = re.findall(r"^ *(\w+) \(.*?(?:, defaults to (.+)|, \*optional\*)\):$", LGIFormerConfig.__doc__, re.M)
    fields = [name for name in inspect.get_annotations(LGIFormerConfig) if name != "model_type"]
    assert sorted(name for name, _ in documented) == sorted(fields)
    for name, default in documented:
        assert getattr(LGIFormerConfig(), name) == ast.literal_eval(default.strip("`") or "None")


def test_a_saved_configuration_is_the_same_again(tmp_path):
    config = LGIFormerConfig(
        region_size=(4, 5, 5),
        num_labels=7,
        label_units=["mV", *6 * [""]],
        motion_loss_weight=0.3,
        local_global_interaction=None,
    )
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is LGIFormerConfig
    saved, loaded = config.to_dict(), again.to_dict()
    assert {**loaded, "_name_or_path": None} == {**saved, "_name_or_path": None}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"region_size": (3, 5, 10)}, r"\(8, 10, 10\): along time, 3 does not divide 8. Use one of 1, 2, 4, 8"),
        ({"region_size": (2, 5)}, "must be three positive whole numbers"),
        ({"region_size": (2, 5, 0)}, "must be three positive whole numbers"),
        (
            {"num_attention_heads": 7},
            "num_attention_heads=7 does not divide hidden_size=512. Use one of 1, 2, 4, 8, 16",
        ),
        ({"decoder_num_attention_heads": 5}, "decoder_num_attention_heads=5 does not divide decoder_hidden_size=384"),
        ({"patch_size": 15}, "patch_size=15 does not divide image_size=160"),
        ({"num_frames": 15}, "tubelet_size=2 does not divide num_frames=15"),
        ({"hidden_size": 0}, "hidden_size=0 must be a positive whole number"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers=2.5 must be a positive whole number"),
        ({"drop_path_rate": 1.0}, "drop_path_rate=1.0 must be a number of at least 0 and less than 1"),
        ({"mask_ratio": -0.1}, "mask_ratio=-0.1"),
        ({"decoder_mask_ratio": 1}, "decoder_mask_ratio=1 must be a number of at least 0 and less than 1"),
        ({"decoder_mask_ratio": -0.5}, "decoder_mask_ratio=-0.5 must be a number of at least 0"),
        ({"decoder_mask_ratio": "0.5"}, "decoder_mask_ratio='0.5' must be a number"),
        ({"decoder_mask_ratio": float("nan")}, "decoder_mask_ratio=nan must be a number"),
        (
            {"decoder_mask_ratio": 0.75},
            r"leaves out 67.5 of the 90 masked tokens of a region.* Use 0.744444 or 0.755556, or 0",
        ),
        ({"decoder_mask_ratio": 0.999}, "a whole number from 1 to 89. Use 0.988889, or 0"),
        ({"decoder_mask_ratio": 1e-4}, "leaves out 0.009 of the 90 masked tokens.* Use 0.0111111, or 0"),
        ({"decoder_mask_ratio": 0.5, "mask_ratio": 0.01}, "masks 0 of region_size"),
        ({"decoder_mask_ratio": 0.5, "region_size": (1, 1, 2)}, "needs at least two masked tokens in a region"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps=-1.0 must be a positive number"),
        ({"initializer_range": 0.0}, "initializer_range=0.0 must be a positive number"),
        ({"norm_pix_loss": "no"}, "norm_pix_loss='no' is not one of True, False"),
        ({"hidden_act": "step"}, "hidden_act='step' is unknown"),
        ({"pooling": "cls"}, "pooling='cls' is not one of 'representative', 'local', 'all'"),
        ({"intra_region_attention": None}, "intra_region_attention=None"),
        ({"local_global_interaction": "none"}, "local_global_interaction='none'"),
        ({"attention_sharing": True}, "attention_sharing=True"),
        ({"decoder_position_order": "time"}, "decoder_position_order='time'"),
        ({"head_activation": "softmax"}, "head_activation='softmax'"),
        ({"attention_sharing": "all", "local_global_interaction": None}, "removes it"),
        (
            {"attention_sharing": "all", "inter_region_attention": False},
            "Use attention_sharing='intra_and_interaction'",
        ),
        ({"motion_group_size": 3}, "motion_group_size=3 does not divide num_frames=16"),
        ({"motion_loss_weight": 0.5, "motion_target": False}, "needs motion_target=True"),
        ({"motion_loss_weight": 0.5, "motion_group_size": 4}, "motion_group_size=2"),
        ({"motion_loss_weight": 1.5}, "motion_loss_weight=1.5 must be a number from 0 to 1"),
        ({"motion_loss_weight": "0.5"}, "motion_loss_weight='0.5' must be a number"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps=nan must be a positive number"),
        ({"num_labels": 2, "label_units": ["mV"]}, r"label_units=\['mV'\] has the length 1, but there are 2 labels"),
        ({"num_labels": 2, "label_units": "mV"}, "label_units='mV' must be a list of strings"),
        ({"num_labels": 2, "label_units": ["mV", None]}, "must be a list of strings"),
        ({"classifier_init_scale": -1}, "classifier_init_scale=-1 must be a positive number or 0"),
    ],
)
def test_impossible_configurations_say_what_clashes(fields, message):
    with pytest.raises(ValueError, match=message):
        LGIFormerConfig(**fields)


@pytest.mark.parametrize(("ratio", "decoded"), [(0, 90), (0.5, 45), (0.1, 81), (0.744444, 23), (0.988889, 1)])
def test_a_decoder_mask_ratio_leaves_out_whole_tokens(ratio, decoded):
    """Rounded ratios count, too: 0.744444 is 67 of 90."""
    assert LGIFormerConfig(decoder_mask_ratio=ratio).num_decoded_of_region == decoded
