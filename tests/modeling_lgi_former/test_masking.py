import pytest
import torch

from lgi_former import LGIFormerConfig, RegionTubeMasking
from lgi_former.modeling_lgi_former.regions import LGIFormerRegions, visible_first


def test_base_masks_keep_ten_tokens_of_every_region():
    config = LGIFormerConfig()
    mask = RegionTubeMasking(config)(batch_size=4)
    assert mask.dtype == torch.bool and mask.shape == (4, 800)
    regions = mask.view(4, 4, 2, 2, 5, 10)  # clip, region in time, time, region in height, height, width
    assert ((~regions).sum(dim=(2, 4, 5)) == 10).all()


@pytest.mark.parametrize(
    ("ratio", "region_size"), [(0.94, (2, 5, 10)), (0.58, (2, 5, 10)), (0.29, (1, 10, 10)), (0.83, (4, 10, 10))]
)
def test_masks_have_the_numbers_that_follow_from_the_ratio(ratio, region_size):
    """These ratios times height times width are rounded to less than a whole number: 0.94 * 5 * 10 < 47."""
    config = LGIFormerConfig(mask_ratio=ratio, region_size=region_size)
    masks = RegionTubeMasking(config)(2)
    assert LGIFormerRegions(config).has_count_by_ratio(masks).all()
    assert (masks.sum(dim=1) == config.num_regions * config.num_masked_of_region).all()


@pytest.mark.parametrize("symmetry", [None, "global", "local"])
def test_the_pattern_is_a_tube_and_every_window_is_masked_alike(tiny_config, symmetry):
    mask = RegionTubeMasking(tiny_config(), symmetry)(64).view(64, 4, 2, 2, 4)
    assert (mask == mask[:, :1]).all()
    assert (mask.sum(dim=(3, 4)) == int(0.75 * 8)).all()


def test_each_token_is_visible_equally_often(tiny_config):
    visible = ~RegionTubeMasking(tiny_config())(4096, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(visible.float().mean(dim=0), torch.full((64,), 0.25), rtol=0, atol=0.03)


def test_a_generator_makes_masks_repeatable(tiny_config):
    masking = RegionTubeMasking(tiny_config())
    first, second = (masking(8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1))
    other = masking(8, generator=torch.Generator().manual_seed(2))
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize("symmetry", ["global", "local"])
def test_symmetric_masks_show_one_half_of_a_window(tiny_config, symmetry):
    visible = ~RegionTubeMasking(tiny_config(), symmetry)(256).view(256, 4, 2, 2, 4)[:, 0]
    left, right = visible[..., :2].any(dim=(2, 3)), visible[..., 2:].any(dim=(2, 3))  # (clip, window)
    assert (left ^ right).all()
    assert 0.3 < left.float().mean() < 0.7
    all_windows_alike = (left == left[:, :1]).all()
    assert all_windows_alike if symmetry == "global" else not all_windows_alike


def test_masks_are_made_on_a_device(tiny_config):
    assert RegionTubeMasking(tiny_config())(1, device="meta").device.type == "meta"


def test_what_cannot_be_masked_is_refused(tiny_config):
    with pytest.raises(ValueError, match="masks none of the 8 tokens"):
        RegionTubeMasking(tiny_config(mask_ratio=0.1))
    with pytest.raises(ValueError, match="symmetry='diagonal' is not one of"):
        RegionTubeMasking(tiny_config(), "diagonal")
    with pytest.raises(ValueError, match="at most half of the tokens visible"):
        RegionTubeMasking(tiny_config(mask_ratio=0.4), "local")
    with pytest.raises(ValueError, match="even width"):
        RegionTubeMasking(tiny_config(region_size=(2, 4, 1)), "local")


@pytest.mark.parametrize("shape", [(3, 64), (2, 8, 100), (1, 1), (5, 7)])
def test_visible_tokens_come_first_as_in_a_stable_sort(shape):
    for probability in (0.0, 0.3, 1.0):
        masked = torch.rand(shape) < probability
        assert torch.equal(visible_first(masked), masked.int().argsort(dim=-1, stable=True))
