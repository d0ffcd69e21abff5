"""Collators: they make a batch of items.

They run in the data loader's workers, whose number must not change the result. So all random draws depend on the
items' `"seed"`, a whole number of at least 0. A data set derives it from the run's seed, the epoch and the item's
index. A mask depends only on its own item.

Batches hold the items' `"video"` as a list `"videos"`, for messages. Models do not use it.
"""

import numpy as np
import torch
from torch.utils.data import default_collate

from ...modeling_lgi_former import RegionTubeMasking
from .tasks import check_task


class PretrainingCollator:
    """Stacks clips and draws a mask for each clip.

    Items have `pixel_values` (frames, 3, height, width), `seed` and `video`. A batch has `pixel_values` (batch,
    frames, 3, height, width), `bool_masked_pos` bool (batch, tokens) and `videos`. With a `decoder_mask_ratio`, it
    also has `bool_decoded_pos` bool (batch, tokens).

    Args:
        masking: Draws the masks.
    """

    def __init__(self, masking: RegionTubeMasking):
        self.masking = masking

    def __call__(self, items: list[dict]) -> dict:
        draws = [torch.Generator().manual_seed(_mixed_seed([item])) for item in items]
        masks = [self.masking(1, generator=generator) for generator in draws]
        batch = {**_stacked(items), "bool_masked_pos": torch.cat(masks)}
        if self.masking.config.decoder_mask_ratio:
            decoded = [
                self.masking.decoded(mask, generator=generator) for mask, generator in zip(masks, draws, strict=True)
            ]
            batch["bool_decoded_pos"] = torch.cat(decoded)
        return batch


class FinetuningCollator:
    """Stacks clips and mixes them with the same batch in reverse order, by mixup or cutmix, drawn for each batch.

    Mixup (Zhang et al., https://arxiv.org/abs/1710.09412) blends two clips. Cutmix (Yun et al.,
    https://arxiv.org/abs/1905.04899) copies a box, in all frames, from one clip to the other. Labels are smoothed
    (Szegedy et al., https://arxiv.org/abs/1512.00567), then mixed with the same shares: the share of mixup, or the
    area of cutmix. This is timm's `Mixup` in the mode "batch". The middle clip of an odd batch is mixed with itself.

    A label y is smoothed, with s = `label_smoothing`, to

    - y (1 - s) + s / `num_labels` for one class (y is 0 or 1) and for shares of classes,
    - y (1 - s) + s / 2 for each of several labels,
    - y for numbers, which are not smoothed.

    (For clips, VideoMAE's copy of timm's code cuts the box from time and height. This one cuts it from height and
    width, as the papers describe.)

    Items have `pixel_values` (frames, 3, height, width), `labels` as from `label_values`, `seed` and `video`. A batch
    has `pixel_values` (batch, frames, 3, height, width), `labels` float32 (batch, `num_labels`), or (batch, frames,
    `num_labels`) if items have labels for each frame, and `videos`.

    A plain `Trainer` has one collator. So items of `EvaluationTransform`, whose `seed` is None, become an
    `evaluation_batch`.

    Args:
        num_labels: Number of classes or quantities.
        task: One of `TASKS`: what the labels of items are.
        mixup_alpha: Shares of mixup are drawn from Beta(alpha, alpha). 0 switches mixup off.
        cutmix_alpha: The same for cutmix.
        label_smoothing: s above. None: 0.1, and 0 for numbers.

    Raises:
        ValueError: If the task is unknown or numbers would be smoothed. From a batch, if an item has no seed, or
            labels that do not fit the task.
    """

    def __init__(
        self,
        num_labels: int,
        *,
        task: str = "single_label",
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        label_smoothing: float | None = None,
    ):
        check_task(task)
        if label_smoothing is None:
            label_smoothing = 0.0 if task == "regression" else 0.1
        if task == "regression" and label_smoothing:
            raise ValueError(f"label_smoothing={label_smoothing} has no meaning for numbers. Set it to 0.")
        self.num_labels = num_labels
        self.task = task
        self.label_smoothing = label_smoothing
        self.ways = [(mix, alpha) for mix, alpha in ((mixup, mixup_alpha), (cutmix, cutmix_alpha)) if alpha > 0]

    def __call__(self, items: list[dict]) -> dict:
        if all(item.get("seed", 0) is None for item in items):
            return evaluation_batch(items)
        if "view_weights" in items[0]:
            raise ValueError(
                "The items are views of videos. Give LGIFormerTrainer eval_data_collator=ViewCollator(). A plain "
                "Trainer cannot average views, so its processor needs num_segments=1."
            )
        batch = _stacked(items)
        labels = self._smoothed(torch.stack([self._target(item) for item in items]))
        if self.ways:
            generator = np.random.default_rng(_mixed_seed(items))
            mix, alpha = self.ways[generator.integers(len(self.ways))]
            share = mix(batch["pixel_values"], generator.beta(alpha, alpha), generator)
            labels = labels.flip(0).lerp(labels, share)
        return {**batch, "labels": labels}

    def _target(self, item: dict) -> torch.Tensor:
        """The label before smoothing, float32 (..., num_labels)."""
        labels = torch.as_tensor(item["labels"])
        if self.task == "single_label":
            if labels.is_floating_point():
                raise ValueError(
                    f"'{item['video']}' has the label {labels.tolist()}, but a class is a whole number. For other "
                    "labels, set the collator's task."
                )
            if (outside := labels[(labels < 0) | (labels >= self.num_labels)]).numel():
                raise ValueError(
                    f"'{item['video']}' has the class {outside[0].item()}, but {self.num_labels} classes go from 0 to "
                    f"{self.num_labels - 1}."
                )
            return torch.nn.functional.one_hot(labels.long(), self.num_labels).float()
        if labels.shape[-1:] != (self.num_labels,):
            raise ValueError(
                f"'{item['video']}' has labels of shape {tuple(labels.shape)}, but {self.num_labels} labels are "
                "expected."
            )
        labels = labels.float()
        if not VALID[self.task](labels).all():
            raise ValueError(f"'{item['video']}' has the labels {labels.tolist()}, which must be {RULES[self.task]}.")
        return labels

    def _smoothed(self, labels: torch.Tensor) -> torch.Tensor:
        spread = 2 if self.task == "multi_label" else self.num_labels
        return labels * (1 - self.label_smoothing) + self.label_smoothing / spread


VALID = {
    "multi_label": lambda labels: (labels >= 0) & (labels <= 1),
    "regression": torch.isfinite,
    "distribution": lambda labels: (labels >= 0).all(-1) & ((labels.sum(-1) - 1).abs() < 1e-3),
}
RULES = {
    "multi_label": "from 0 to 1",
    "regression": "finite numbers",
    "distribution": "shares of at least 0 whose sum is 1",
}
"""What labels of each task must be, and the same in words."""


def evaluation_batch(items: list[dict]) -> dict:
    """Stack the clips (frames, 3, height, width) of items, without random changes.

    A batch has `pixel_values` (batch, frames, 3, height, width), `videos` and, if known, `labels` as `ViewCollator`.
    """
    return _stacked(items) | _labels_of(items)


class ViewCollator:
    """Concatenates the views of several videos, which may have different numbers of views.

    Items have `pixel_values` (views, frames, 3, height, width), `view_weights` (views,), `video` and, if known,
    `labels` as from `label_values`. A batch has `pixel_values` (clips, frames, 3, height, width), `video_index` int64
    (clips,), the position of each clip's video in the batch, `view_weights` float (clips,), `videos` and, if known,
    `labels`: int64 (videos,) of one class, float32 (videos, labels) otherwise, or with frames between. Items
    without `view_weights` are single clips and become an `evaluation_batch`.
    """

    def __call__(self, items: list[dict]) -> dict:
        if all("view_weights" not in item for item in items):
            return evaluation_batch(items)
        views = torch.tensor([len(item["pixel_values"]) for item in items])
        return {
            "pixel_values": torch.cat([item["pixel_values"] for item in items]),
            "video_index": torch.arange(len(items)).repeat_interleave(views),
            "view_weights": torch.cat([item["view_weights"] for item in items]),
            "videos": [item["video"] for item in items],
            **_labels_of(items),
        }


def mixup(clips: torch.Tensor, share: float, generator: np.random.Generator) -> float:
    """Blend, in place, each clip (batch, frames, 3, height, width) with its partner. Returns the clip's own share."""
    half = len(clips) // 2
    # One pair at a time stays in the processor's cache. A reversed copy of the batch does not.
    for clip, partner in zip(clips[:half], reversed(clips.unbind()), strict=False):
        unmixed = clip.clone()
        clip.lerp_(partner, 1 - share)
        partner.lerp_(unmixed, 1 - share)
    return share


def cutmix(clips: torch.Tensor, share: float, generator: np.random.Generator) -> float:
    """Copy, in place, a box from the partner of each clip (batch, frames, 3, height, width) into the clip.

    The box has a random centre and the share 1 - `share` of the picture's area. The part outside the picture is cut
    off. Returns the share of the picture that is still the clip's own.
    """
    height, width = clips.shape[-2:]
    (top, bottom), (left, right) = (_cut(side, share, generator) for side in (height, width))
    clips[..., top:bottom, left:right] = clips[..., top:bottom, left:right].flip(0)
    return 1 - (bottom - top) * (right - left) / (height * width)


def _cut(side: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """Start and end of the box along a side."""
    half = int(side * (1 - share) ** 0.5) // 2
    centre = int(generator.integers(side))
    return max(centre - half, 0), min(centre + half, side)


def _stacked(items: list[dict]) -> dict:
    return {
        # In a worker, `default_collate` stacks into shared memory, which saves a copy of 160 MB for 32 clips.
        "pixel_values": default_collate([item["pixel_values"] for item in items]),
        "videos": [item["video"] for item in items],
    }


def _labels_of(items: list[dict]) -> dict:
    """The labels without random changes, if items have some."""
    if "labels" not in items[0]:
        return {}
    return {"labels": torch.stack([torch.as_tensor(item["labels"]) for item in items])}


def _mixed_seed(items: list[dict]) -> int:
    """One seed for all items. It differs from an item's seed, which the data set uses for other draws."""
    if any(item.get("seed") is None for item in items):
        raise ValueError(
            "An item of the data set has no 'seed', from which its batch makes all random draws. Add a whole number "
            "that depends on the run's seed, the epoch and the item's index."
        )
    return int(np.random.SeedSequence([item["seed"] for item in items]).generate_state(1, np.uint64)[0])
