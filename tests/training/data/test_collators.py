import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lgi_former import LGIFormerConfig, RegionTubeMasking
from lgi_former.training.data.collators import FinetuningCollator, PretrainingCollator, ViewCollator


SIZES = {"image_size": 16, "patch_size": 4, "num_frames": 8, "region_size": (2, 2, 4)}


@pytest.fixture
def masking() -> RegionTubeMasking:
    return RegionTubeMasking(LGIFormerConfig(**SIZES))


@pytest.fixture
def dual_masking() -> RegionTubeMasking:
    """Masks for encoder and decoder."""
    return RegionTubeMasking(LGIFormerConfig(**SIZES, decoder_mask_ratio=0.5))


@pytest.fixture
def items() -> list[dict]:
    """Five clips of 20 x 10 pixels. All pixels and the class of clip i are i."""
    return [
        {"pixel_values": torch.full((2, 3, 20, 10), float(i)), "labels": i, "seed": 100 + i, "video": f"{i}.mp4"}
        for i in range(5)
    ]


def _with_seeds(items: list[dict], first_seed: int) -> list[dict]:
    return [{**item, "seed": first_seed + i} for i, item in enumerate(items)]


def test_pretraining_batches_hold_clips_masks_and_names(masking, items):
    batch = PretrainingCollator(masking)(items)
    assert set(batch) == {"pixel_values", "bool_masked_pos", "videos"}
    assert batch["pixel_values"].shape == (5, 2, 3, 20, 10) and batch["pixel_values"][3].eq(3).all()
    assert batch["videos"] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"]
    mask = batch["bool_masked_pos"]
    assert mask.shape == (5, 64) and mask.dtype == torch.bool
    assert len(mask.unique(dim=0)) > 1
    regions = mask.view(5, 2, 2, 2, 2, 4).transpose(2, 3)[:, :, 0]
    assert (regions.sum(dim=(-1, -2)) == regions.sum(dim=(-1, -2))[0, 0, 0]).all()


def test_a_mask_depends_only_on_the_seed_of_its_clip(masking, items):
    collate = PretrainingCollator(masking)
    together = collate(items)["bool_masked_pos"]
    torch.manual_seed(1)
    apart = torch.cat([collate(items[i : i + 2])["bool_masked_pos"] for i in (0, 2, 4)])
    assert torch.equal(together, apart)
    other = collate(_with_seeds(items, 7))["bool_masked_pos"]
    assert not torch.equal(together, other)


def test_decoder_masks_depend_on_the_same_seed_and_change_no_mask(masking, dual_masking, items):
    collate = PretrainingCollator(dual_masking)
    together = collate(items)
    assert torch.equal(together["bool_masked_pos"], PretrainingCollator(masking)(items)["bool_masked_pos"])
    decoded = together["bool_decoded_pos"]
    assert decoded.dtype == torch.bool and decoded.sum(dim=1).tolist() == [4 * 7] * 5
    assert not (decoded & ~together["bool_masked_pos"]).any()
    torch.manual_seed(1)
    apart = torch.cat([collate(items[i : i + 2])["bool_decoded_pos"] for i in (0, 2, 4)])
    assert torch.equal(decoded, apart)
    assert not torch.equal(decoded, collate(_with_seeds(items, 7))["bool_decoded_pos"])


def test_batches_do_not_depend_on_the_number_of_workers(masking, dual_masking, items):
    for collate in (
        PretrainingCollator(masking),
        PretrainingCollator(dual_masking),
        FinetuningCollator(num_labels=5),
    ):
        alone, helped = (
            list(DataLoader(items, batch_size=2, collate_fn=collate, num_workers=workers)) for workers in (0, 2)
        )
        assert len(alone) == 3
        for batch, same in zip(alone, helped, strict=True):
            assert batch.keys() == same.keys() and batch.pop("videos") == same.pop("videos")
            assert all(torch.equal(batch[name], same[name]) for name in batch)


def test_items_of_evaluation_are_only_stacked(items):
    """A plain `Trainer` has one collator. `EvaluationTransform` gives the seed None."""
    for collate in (FinetuningCollator(num_labels=5), ViewCollator()):
        batch = collate([{**item, "seed": None} for item in items])
        assert set(batch) == {"pixel_values", "labels", "videos"}
        assert torch.equal(batch["pixel_values"], torch.stack([item["pixel_values"] for item in items]))
        assert batch["labels"].tolist() == [0, 1, 2, 3, 4]
        assert "labels" not in collate([{"pixel_values": torch.zeros(2, 3, 2, 2), "seed": None, "video": "a.mp4"}])
    with pytest.raises(ValueError, match="has no 'seed'"):
        FinetuningCollator(num_labels=5)([{**items[0], "seed": None}, items[1]])


def test_items_without_a_seed_are_refused(masking, items):
    del items[1]["seed"]
    for collate in (PretrainingCollator(masking), FinetuningCollator(num_labels=5)):
        with pytest.raises(ValueError, match="has no 'seed'"):
            collate(items)


def _shares(labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Soft labels before smoothing."""
    return (labels - smoothing / labels.shape[1]) / (1 - smoothing)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("alphas", [(0.8, 0), (0, 1.0), (0.8, 1.0)], ids=["mixup", "cutmix", "either"])
def test_labels_are_mixed_as_the_pixels_are(items, batch_size, alphas):
    collate = FinetuningCollator(5, mixup_alpha=alphas[0], cutmix_alpha=alphas[1])
    items, values = items[:batch_size], torch.arange(5.0)
    for seed in range(30):
        batch = collate(_with_seeds(items, seed))
        assert batch["labels"].shape == (batch_size, 5) and batch["labels"].dtype == torch.float32
        torch.testing.assert_close(batch["labels"].sum(dim=1), torch.ones(batch_size))
        shares = _shares(batch["labels"], 0.1)
        # The pixels of a clip are its class, so their mean gives the shares. All frames have the same mixture.
        torch.testing.assert_close(batch["pixel_values"].mean(dim=(2, 3, 4)), (shares @ values)[:, None].expand(-1, 2))
        own = shares[torch.arange(batch_size), torch.arange(batch_size)]
        partner = shares[torch.arange(batch_size), torch.arange(batch_size).flip(0)]
        torch.testing.assert_close(
            torch.where(torch.arange(batch_size) == torch.arange(batch_size).flip(0), own, own + partner),
            torch.ones(batch_size),
        )
    assert batch["videos"] == [item["video"] for item in items]


def _is_cutmix(batch: dict) -> bool:
    return torch.isin(batch["pixel_values"], torch.arange(5.0)).all().item()


def test_mixup_and_cutmix_take_half_of_the_batches_each(items):
    collate = FinetuningCollator(5)
    batches = [collate(_with_seeds(items[:2], seed)) for seed in range(0, 800, 2)]
    assert 160 < sum(_is_cutmix(batch) for batch in batches) < 240


def test_shares_follow_their_beta_distributions(items):
    for alphas, variance in (((0.8, 0), 1 / (4 * (2 * 0.8 + 1))), ((1e6, 0), 0)):
        collate = FinetuningCollator(5, mixup_alpha=alphas[0], cutmix_alpha=alphas[1], label_smoothing=0)
        shares = [collate(_with_seeds(items[:2], seed))["labels"][0, 0].item() for seed in range(0, 1000, 2)]
        assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
        assert np.var(shares) == pytest.approx(variance, abs=0.015)


def test_cutmix_puts_one_box_of_rows_and_columns_into_all_frames(items):
    collate = FinetuningCollator(5, mixup_alpha=0, label_smoothing=0)
    centres = []
    for seed in range(0, 400, 2):
        batch = collate(_with_seeds(items[:2], seed))
        changed = batch["pixel_values"][0] == 1
        assert (changed == changed[:1, :1]).all()
        box = changed[0, 0].nonzero()
        if len(box):
            (top, left), (bottom, right) = box.min(dim=0).values.tolist(), box.max(dim=0).values.tolist()
            assert (bottom - top + 1) * (right - left + 1) == len(box)
            centres.append(((top + bottom + 1) / 40, (left + right + 1) / 20))
        assert batch["labels"][0, 0].item() == pytest.approx(1 - len(box) / 200)  # the area of the clipped box
    assert np.mean(centres, axis=0) == pytest.approx([0.5, 0.5], abs=0.06)


def test_without_mixing_labels_are_only_smoothed(items):
    batch = FinetuningCollator(5, mixup_alpha=0, cutmix_alpha=0)(items)
    torch.testing.assert_close(batch["labels"], 0.9 * torch.eye(5) + 0.02)
    assert torch.equal(batch["pixel_values"], torch.stack([item["pixel_values"] for item in items]))


def test_items_do_not_change(items):
    FinetuningCollator(5)(items)
    assert all(item["pixel_values"].eq(i).all() for i, item in enumerate(items))


def _views(count: int, value: float) -> dict:
    clips = torch.full((count, 2, 3, 4, 4), value)
    return {"pixel_values": clips, "view_weights": torch.full((count,), 1 / count), "video": f"{value}.mp4"}


def test_views_of_several_videos_are_one_batch_of_clips():
    items = [{**_views(2, 0.0), "labels": 4}, {**_views(1, 1.0), "labels": 0}, {**_views(3, 2.0), "labels": 1}]
    batch = ViewCollator()(items)
    assert batch["pixel_values"].shape == (6, 2, 3, 4, 4)
    assert batch["video_index"].tolist() == [0, 0, 1, 2, 2, 2] and batch["video_index"].dtype == torch.int64
    assert batch["pixel_values"].amax(dim=(1, 2, 3, 4)).tolist() == [0, 0, 1, 2, 2, 2]
    torch.testing.assert_close(batch["view_weights"], torch.tensor([0.5, 0.5, 1.0, 1 / 3, 1 / 3, 1 / 3]))
    assert batch["labels"].tolist() == [4, 0, 1] and batch["labels"].dtype == torch.int64
    assert batch["videos"] == ["0.0.mp4", "1.0.mp4", "2.0.mp4"]


def test_views_of_videos_without_labels_have_none():
    assert "labels" not in ViewCollator()([_views(2, 0.0), _views(1, 1.0)])


@pytest.mark.parametrize(
    ("seed", "label"),
    [
        (7, [0.7083333730697632, 0.03333333507180214, 0.25833332538604736]),  # cutmix
        (8, [0.08105733245611191, 0.03333333507180214, 0.8856093287467957]),  # mixup
    ],
)
def test_batches_of_single_labels_do_not_change(seed, label):
    """Computed before the collator knew other labels."""
    clip = {"pixel_values": torch.zeros(1, 3, 4, 4), "video": "v"}
    batch = FinetuningCollator(3)([{**clip, "labels": i, "seed": seed + i} for i in range(3)])
    assert batch["labels"][0].tolist() == label


OTHER_LABELS = {
    "multi_label": np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=np.float32),
    "regression": np.array([[0.5, -9, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0], [-1, 1, 0.1]], dtype=np.float32),
    "distribution": np.array(
        [[0.5, 0.5, 0], [1, 0, 0], [0.2, 0.3, 0.5], [0, 0.9, 0.1], [1 / 3, 1 / 3, 1 / 3]], dtype=np.float32
    ),
}
SMOOTHED = {
    "multi_label": lambda labels: labels * 0.9 + 0.05,
    "regression": lambda labels: labels,
    "distribution": lambda labels: labels * 0.9 + 0.1 / 3,
}


@pytest.mark.parametrize("frames", [0, 2])
@pytest.mark.parametrize("task", OTHER_LABELS)
def test_other_labels_are_smoothed_and_mixed_as_the_pixels_are(items, task, frames):
    labels = torch.from_numpy(OTHER_LABELS[task])
    if frames:  # other labels in the second frame
        labels = torch.stack([labels, labels.roll(1, 0)], dim=1)
    items = [{**item, "labels": label.numpy()} for item, label in zip(items, labels, strict=True)]
    batch = FinetuningCollator(3, task=task, mixup_alpha=0, cutmix_alpha=0)(items)
    torch.testing.assert_close(batch["labels"], SMOOTHED[task](labels))
    for seed in range(10):
        batch = FinetuningCollator(3, task=task)(_with_seeds(items, seed))
        # The pixels of clip 0 are 0, those of its partner are 4.
        partner = batch["pixel_values"][0].mean().item() / 4
        expected = SMOOTHED[task](labels[0] * (1 - partner) + labels[4] * partner)
        torch.testing.assert_close(batch["labels"][0], expected)


def test_class_indices_of_frames(items):
    items = [{**item, "labels": np.array([item["labels"], 0])} for item in items]
    batch = FinetuningCollator(5, mixup_alpha=0, cutmix_alpha=0, label_smoothing=0)(items)
    assert batch["labels"].argmax(-1).tolist() == [[i, 0] for i in range(5)]


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("single_label", 3, "'3.mp4' has the class 3, but 3 classes go from 0 to 2"),
        ("single_label", -100, "has the class -100"),
        ("single_label", 0.5, "a class is a whole number"),
        ("multi_label", np.array([0, 2.0, 0]), r"'3.mp4' has the labels \[0.0, 2.0, 0.0\], which must be from 0 to 1"),
        ("regression", np.array([0, np.nan, 0]), "must be finite numbers"),
        ("distribution", np.array([0.5, 0.2, 0]), "whose sum is 1"),
        ("regression", np.array([0.5, 0.2]), r"labels of shape \(2,\), but 3 labels are expected"),
    ],
)
def test_wrong_labels_name_their_video(items, task, labels, message):
    items[3]["labels"] = labels
    for item in items[:3]:
        item["labels"] = 0 if task == "single_label" else np.array([1.0, 0, 0])
    with pytest.raises(ValueError, match=message):
        FinetuningCollator(3, task=task)(items[:4])


def test_numbers_are_not_smoothed():
    with pytest.raises(ValueError, match=r"label_smoothing=0.1 has no meaning for numbers"):
        FinetuningCollator(2, task="regression", label_smoothing=0.1)
    with pytest.raises(ValueError, match="task='ranking' is unknown"):
        FinetuningCollator(2, task="ranking")


def test_labels_of_views_keep_their_type():
    labels = [np.array([0.5, 1], dtype=np.float32), np.array([np.nan, np.nan], dtype=np.float32)]
    batch = ViewCollator()([{**_views(1, 0.0), "labels": label} for label in labels])
    assert batch["labels"].dtype == torch.float32 and batch["labels"].isnan().any(-1).tolist() == [False, True]
