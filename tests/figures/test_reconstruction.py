"""Reconstructions: frames from targets, masks, and rows of the figure."""

from types import SimpleNamespace

import pytest
import torch

from lgi_former import LGIFormerForPreTraining
from lgi_former.figures import draw_reconstruction, reconstruct
from lgi_former.figures.target_frames import frames_of_targets
from lgi_former.modeling_lgi_former import reconstruction_targets
from lgi_former.modeling_lgi_former.reconstruction import to_unit_range


TARGETS = {
    "as published": {},
    "raw pixels": {"norm_pix_loss": False},
    "appearance only": {"motion_target": False},
    "raw appearance": {"norm_pix_loss": False, "motion_target": False},
    "groups of two tubelets": {"motion_group_size": 4},
    "groups inside tubelets": {"tubelet_size": 4, "motion_group_size": 2},
}


class _Perfect(torch.nn.Module):
    """Predicts the targets."""

    def __init__(self, config):
        super().__init__()
        self.config, self.device = config, "cpu"

    def forward(self, pixel_values, bool_masked_pos):
        logits = reconstruction_targets(pixel_values, self.config)[bool_masked_pos]
        return SimpleNamespace(logits=logits[None], loss=torch.tensor(0.0))


@pytest.mark.parametrize("fields", TARGETS.values(), ids=TARGETS)
def test_targets_become_the_original_frames(fields, tiny_config, clip):
    config = tiny_config(**fields)
    pixel_values = clip(config)
    frames = frames_of_targets(reconstruction_targets(pixel_values, config), pixel_values, config)
    torch.testing.assert_close(frames, to_unit_range(pixel_values), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fields", TARGETS.values(), ids=TARGETS)
def test_a_perfect_model_reconstructs_the_original(fields, tiny_config, clip):
    config = tiny_config(**fields)
    reconstruction = reconstruct(_Perfect(config), clip(config))
    torch.testing.assert_close(reconstruction.reconstructed, reconstruction.original, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mask_ratio", [None, 0.5])
def test_only_masked_pixels_are_predicted(mask_ratio, tiny_config, clip):
    model = LGIFormerForPreTraining(tiny_config())
    reconstruction = reconstruct(model, clip(model.config), mask_ratio, seed=1)
    assert reconstruction.masked.float().mean().item() == pytest.approx(mask_ratio or 0.75)
    assert model.config.mask_ratio == 0.75
    unchanged = (reconstruction.reconstructed == reconstruction.original).all(dim=1, keepdim=True)
    assert torch.equal(unchanged, ~reconstruction.masked)
    assert reconstruction.loss > 0


def test_all_masked_pixels_are_predicted_after_training_with_decoder_masking(tiny_config, clip):
    """Another ratio need not fit the ratio of the decoder."""
    model = LGIFormerForPreTraining(tiny_config(decoder_mask_ratio=0.25))
    for mask_ratio in (None, 0.4):
        reconstruction = reconstruct(model, clip(model.config), mask_ratio)
        changed = (reconstruction.reconstructed != reconstruction.original).any(dim=1, keepdim=True)
        assert torch.equal(changed, reconstruction.masked)


def test_the_seed_draws_the_mask(tiny_config, clip):
    model = LGIFormerForPreTraining(tiny_config())
    pixel_values = clip(model.config)
    first, again, other = (reconstruct(model, pixel_values, seed=seed).masked for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_mask_of_nothing_is_refused(tiny_config, clip):
    model = LGIFormerForPreTraining(tiny_config())
    with pytest.raises(ValueError, match="masks none"):
        reconstruct(model, clip(model.config), mask_ratio=0.01)
    with pytest.raises(ValueError, match="less than 1"):
        reconstruct(model, clip(model.config), mask_ratio=1.0)


def test_clips_of_one_channel_are_refused(tiny_config):
    model = LGIFormerForPreTraining(tiny_config(num_channels=1))
    with pytest.raises(ValueError, match="1 channels"):
        reconstruct(model, torch.randn(1, 8, 1, 16, 16))


@pytest.mark.parametrize(
    ("fields", "frames"),
    [
        ({}, "0 1 2 3 4 5 6 7"),
        ({"num_frames": 32}, "0 1 10 11 20 21 30 31"),
        ({"num_frames": 16, "motion_group_size": 16}, "0 2 4 6 9 11 13 15"),
        ({"num_frames": 2, "region_size": (1, 2, 4)}, "0 1"),
        ({"image_size": 64, "region_size": (2, 4, 4)}, "0 1 2 3 4 5 6 7"),
    ],
    ids=["8 frames", "32 frames", "one group", "2 frames", "64 pixels"],
)
def test_motion_is_drawn_as_difference_to_the_first_frame(fields, frames, tiny_config, clip, texts):
    config = tiny_config(**fields)
    figure = draw_reconstruction(reconstruct(_Perfect(config), clip(config)))
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == [
        "original",
        "visible",
        "target",
        "prediction",
        "reconstructed",
    ]
    headings = [[label.get_text() for label in axes.get_xticklabels()] for axes in figure.axes]
    assert headings[0] == headings[4] == frames.split()
    assert headings[2][1].split(" ") == [headings[0][1], "\N{MINUS SIGN}", "0"]
    assert "original" in texts(figure)


def test_motion_is_shown_around_grey(tiny_config):
    config = tiny_config()
    still = torch.zeros(1, 8, 3, 16, 16)
    still[:, 3] = 1  # except for one frame
    figure = draw_reconstruction(reconstruct(_Perfect(config), still))
    target = figure.axes[2].images[0].get_array()
    assert target[0, 17].tolist() == pytest.approx([0.5] * 3)  # frame 1, after a gap of a pixel
    left_of_frame_3 = 3 * 16 + 1 + 2 + 1
    assert target[0, left_of_frame_3].max() > 0.9


def test_a_model_without_motion_has_three_rows(tiny_config, clip, texts):
    config = tiny_config(motion_target=False)
    figure = draw_reconstruction(reconstruct(_Perfect(config), clip(config)))
    assert [axes.get_ylabel() for axes in figure.axes] == ["original", "visible", "reconstructed"]
    assert "reconstructed" in texts(figure)
