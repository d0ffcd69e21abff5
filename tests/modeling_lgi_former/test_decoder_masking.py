"""Decoder masking: which masked tokens are reconstructed in training, and what the model makes of them."""

import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, RegionTubeMasking


ONE_LAYER = {"num_hidden_layers": 1, "decoder_num_hidden_layers": 1}
"""Each layer takes seconds to compile."""


@pytest.fixture
def dual():
    """Function that returns masks and the decoder's masks of a configuration, (clips, tokens)."""

    def draw(config, batch_size=2, symmetry=None, seed=0):
        masking, generator = RegionTubeMasking(config, symmetry), torch.Generator().manual_seed(seed)
        masks = masking(batch_size, generator=generator)
        return masks, masking.decoded(masks, generator=generator)

    return draw


@pytest.mark.parametrize("symmetry", [None, "global", "local"])
def test_half_of_the_tubelets_are_evenly_spread_in_space_and_time(symmetry, dual):
    config = LGIFormerConfig(decoder_mask_ratio=0.5)
    masks, decoded = (mask.view(16, 8, 10, 10) for mask in dual(config, 16, symmetry))
    assert not (decoded & ~masks).any()
    assert torch.equal(decoded.sum(dim=1), 4 * masks[:, 0])  # each tube at half of the times
    regions = decoded.view(16, 4, 2, 2, 5, 10).sum(dim=(2, 4, 5))
    assert (regions == 45).all()
    squares = torch.nn.functional.avg_pool2d(decoded.flatten(0, 1).float()[:, None], 2, stride=1) * 4
    assert squares.max() <= 3 and (squares == 2).float().mean() > 0.65  # of any 2 x 2 tokens; 0.4 if drawn at random
    assert len(decoded.flatten(1).unique(dim=0)) == 16


@pytest.mark.parametrize(
    "fields",
    [
        {"decoder_mask_ratio": 0.25},
        {"decoder_mask_ratio": 0.75},
        {"decoder_mask_ratio": 5 / 12},
        {"decoder_mask_ratio": 0.5, "region_size": (1, 2, 4)},
        {"decoder_mask_ratio": 0.5, "region_size": (4, 4, 1), "mask_ratio": 0.5},
        {"decoder_mask_ratio": 2 / 3, "region_size": (1, 2, 2)},
        {"decoder_mask_ratio": 0.7, "region_size": (5, 2, 2), "mask_ratio": 0.5, "num_frames": 20},
    ],
)
def test_regions_tubes_and_times_have_equally_many(fields, tiny_config, dual):
    config = tiny_config(**fields)
    (time, height, width), (_, rows, columns) = config.region_size, config.region_grid
    masks, decoded = dual(config, 32)
    assert not (decoded & ~masks).any()
    windows = decoded.view(32, -1, rows, height, columns, width).sum(dim=(3, 5))
    assert (windows.unflatten(1, (-1, time)).sum(dim=2) == config.num_decoded_of_region).all()
    tubes = decoded.view(32, -1, 16).sum(dim=1)[masks[:, :16]]
    assert windows.max() - windows.min() <= 1 and tubes.max() - tubes.min() <= 1


def test_each_token_is_decoded_equally_often(tiny_config, dual):
    _, decoded = dual(tiny_config(decoder_mask_ratio=0.75), 4096)
    torch.testing.assert_close(decoded.float().mean(dim=0), torch.full((64,), 0.75 / 4), rtol=0, atol=0.03)


def test_draws_are_repeatable_and_differ(tiny_config, dual):
    config = tiny_config(decoder_mask_ratio=0.5)
    first, again, other = (dual(config, 8, seed=seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    masks = RegionTubeMasking(tiny_config())(3)
    assert torch.equal(RegionTubeMasking(tiny_config()).decoded(masks), masks)  # a ratio of 0


@pytest.mark.parametrize(
    "fields",
    [{}, {"motion_loss_weight": 0.3}, {"motion_target": False}, {"norm_pix_loss": False}, {"motion_group_size": 4}],
)
@pytest.mark.parametrize("position_order", ["raster", "region"])
def test_logits_and_loss_are_those_of_the_selected_tokens(fields, position_order, tiny_config, clips, dual):
    """A decoder without layers predicts each token alone, so the other tokens must not change a prediction."""
    from lgi_former.modeling_lgi_former.reconstruction import reconstruction_loss, reconstruction_targets

    config = tiny_config(decoder_mask_ratio=0.5, decoder_position_order=position_order, **fields)
    model, pixel_values = LGIFormerForPreTraining(config).eval(), clips(config)
    masks, decoded = dual(config)
    every, part = model(pixel_values, masks), model(pixel_values, masks, decoded)
    assert every.logits.shape[1] == 48 and part.logits.shape[1] == 24
    targets = reconstruction_targets(pixel_values, config)[decoded].unflatten(0, (2, 24))
    torch.testing.assert_close(part.loss, reconstruction_loss(part.logits, targets, config, config.motion_loss_weight))
    assert not torch.allclose(part.logits.flatten(0, 1), every.logits.flatten(0, 1)[decoded[masks]])
    for layer in model.decoder.layers:  # without attention
        layer.attention.o_proj.weight.data.zero_()
        layer.attention.o_proj.bias.data.zero_()
    every, part = model(pixel_values, masks), model(pixel_values, masks, decoded)
    torch.testing.assert_close(part.logits.flatten(0, 1), every.logits.flatten(0, 1)[decoded[masks]])


@pytest.mark.slow
def test_training_steps_compile_whole_and_check_their_masks(tiny_config, clips, dual):
    config = tiny_config(decoder_mask_ratio=0.5, decoder_position_order="region", **ONE_LAYER)
    model, pixel_values = LGIFormerForPreTraining(config).train(), clips(config)
    masks, decoded = dual(config)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected = model(pixel_values, masks, decoded).loss
    torch.testing.assert_close(compiled(pixel_values, masks, decoded).loss, expected)
    # Too many tokens, visible tokens. Without the clone, one tensor is given twice, which compiles again.
    for wrong in (masks.clone(), decoded.roll(1, dims=1)):
        with pytest.raises(RuntimeError, match="must have 24 masked tokens of every clip"):
            compiled(pixel_values, masks, wrong)


def test_both_ways_export(tiny_config, clips, dual):
    config = tiny_config(decoder_mask_ratio=0.5, **ONE_LAYER)
    model, pixel_values = LGIFormerForPreTraining(config).eval(), clips(config)
    masks, decoded = dual(config)
    for inputs in ((pixel_values, masks), (pixel_values, masks, decoded)):
        program = torch.export.export(model, inputs)
        torch.testing.assert_close(program.module()(*inputs).logits, model(*inputs).logits)


def test_training_needs_the_masks_of_the_decoder(tiny_config, clips, dual):
    config = tiny_config(decoder_mask_ratio=0.5)
    model, pixel_values = LGIFormerForPreTraining(config).train(), clips(config)
    masks, decoded = dual(config)
    with pytest.raises(ValueError, match=r"Training with decoder_mask_ratio=0\.5 needs bool_decoded_pos"):
        model(pixel_values, masks)
    model(pixel_values, masks, decoded).loss.backward()
    without = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not without


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda decoded: decoded[:, :-1], r"has shape \(2, 63\) and dtype torch.bool"),
        (lambda decoded: decoded.float(), r"has shape \(2, 64\) and dtype torch.float32"),
        (lambda decoded: torch.ones_like(decoded), "has visible tokens"),
        (lambda decoded: torch.zeros_like(decoded), "from 0 to 0 tokens"),
        (lambda decoded: decoded & (torch.arange(64) > torch.tensor([[-1], [40]])), "must have the same number"),
    ],
)
def test_other_masks_are_refused(change, message, tiny_config, clips, dual):
    config = tiny_config(decoder_mask_ratio=0.5)
    masks, decoded = dual(config)
    with pytest.raises(ValueError, match=message):
        LGIFormerForPreTraining(config).eval()(clips(config), masks, change(decoded))
