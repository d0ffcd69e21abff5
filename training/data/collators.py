"""Collators: items of the data sets become a batch.

They run in the data loader's workers, whose number and turns must not change what a run sees. So all that is random
here comes from the items: each carries `"seed"`, a whole number of at least 0 that its data set derived from the run's
seed, the epoch and the item's index. A mask depends on its own item alone, whatever batch and process that is in.

Items also carry `"video"`, their path. Batches hold the paths as a list under `"videos"`, so that a message can name
them; they are not for the model.
"""

import numpy as np
import torch
from torch.utils.data import default_collate

from ...modeling_lgi_former import RegionTubeMasking


class PretrainingCollator:
    """Stacks clips and draws a mask for each.

    Args:
        masking: Draws the masks.

    Called with items of `pixel_values` (frames, 3, height, width), `seed` and `video`, it returns `pixel_values`
    (batch, frames, 3, height, width), `bool_masked_pos` bool (batch, tokens) and `videos`.
    """

    def __init__(self, masking: RegionTubeMasking):
        self.masking = masking

    def __call__(self, items: list[dict]) -> dict:
        masks = [self.masking(1, generator=torch.Generator().manual_seed(_mixed_seed([item]))) for item in items]
        return {**_stacked(items), "bool_masked_pos": torch.cat(masks)}


class FinetuningCollator:
    """Stacks clips and mixes them with the same batch in reverse order: by mixup or by cutmix, drawn for each batch.

    Mixup (Zhang et al., https://arxiv.org/abs/1710.09412) blends two clips; cutmix (Yun et al.,
    https://arxiv.org/abs/1905.04899) puts a box of one, through all frames, into the other. Labels are mixed in the
    same shares, after smoothing (Szegedy et al., https://arxiv.org/abs/1512.00567). All as timm's `Mixup` in its mode
    "batch". The clip in the middle of an odd batch is its own partner.

    (VideoMAE's copy of timm's code takes the box out of time and height instead of height and width when it is given
    clips; what is done here is what the cutmix and VideoMAE papers describe.)

    Args:
        num_labels: Classes.
        mixup_alpha: Shares of mixup are drawn from Beta(alpha, alpha). 0 switches mixup off.
        cutmix_alpha: The same for cutmix.
        label_smoothing: Share of a label that is spread evenly over all classes.

    Called with items of `pixel_values` (frames, 3, height, width), `labels` (int), `seed` and `video`, it returns
    `pixel_values` (batch, frames, 3, height, width), soft `labels` float32 (batch, classes), whose rows sum to 1, and
    `videos` (of the clips in their order; their partners are the reverse).
    """

    def __init__(
        self,
        num_labels: int,
        *,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        label_smoothing: float = 0.1,
    ):
        self.num_labels = num_labels
        self.label_smoothing = label_smoothing
        ways = ((mixup, mixup_alpha), (cutmix, cutmix_alpha))
        self.ways = [(mix, alpha) for mix, alpha in ways if alpha > 0]

    def __call__(self, items: list[dict]) -> dict:
        batch = _stacked(items)
        labels = smoothed_labels([item["labels"] for item in items], self.num_labels, self.label_smoothing)
        if self.ways:
            generator = np.random.default_rng(_mixed_seed(items))
            mix, alpha = self.ways[generator.integers(len(self.ways))]
            share = mix(batch["pixel_values"], generator.beta(alpha, alpha), generator)
            labels = labels.flip(0).lerp(labels, share)
        return {**batch, "labels": labels}


class ViewCollator:
    """Puts the views of several videos one after another; a video may have fewer than its neighbour.

    Called with items of `pixel_values` (views, frames, 3, height, width), `view_weights` (views,), `video` and, if
    known, `labels` (int), it returns `pixel_values` (clips, frames, 3, height, width), `video_index` int64 (clips,):
    the place in the batch of the video that a clip is a view of, `view_weights` float (clips,), `videos` and, if
    known, `labels` int64 (videos,).
    """

    def __call__(self, items: list[dict]) -> dict:
        views = torch.tensor([len(item["pixel_values"]) for item in items])
        batch = {
            "pixel_values": torch.cat([item["pixel_values"] for item in items]),
            "video_index": torch.arange(len(items)).repeat_interleave(views),
            "view_weights": torch.cat([item["view_weights"] for item in items]),
            "videos": [item["video"] for item in items],
        }
        if "labels" in items[0]:
            batch["labels"] = torch.tensor([item["labels"] for item in items])
        return batch


def mixup(clips: torch.Tensor, share: float, generator: np.random.Generator) -> float:
    """Blend, in place, each clip (batch, frames, 3, height, width) with its partner. Returns the clip's own share."""
    half = len(clips) // 2
    # Pair by pair, which stays in a processor's cache as a reversed copy of the batch does not.
    for clip, partner in zip(clips[:half], reversed(clips.unbind()), strict=False):
        unmixed = clip.clone()
        clip.lerp_(partner, 1 - share)
        partner.lerp_(unmixed, 1 - share)
    return share


def cutmix(clips: torch.Tensor, share: float, generator: np.random.Generator) -> float:
    """Put, in place, a box of the partner's picture into each clip (batch, frames, 3, height, width).

    The box has the area of 1 - `share` of the picture and its centre anywhere; what of it is outside is cut off.
    Returns the share of the picture that is still the clip's own.
    """
    height, width = clips.shape[-2:]
    (top, bottom), (left, right) = (_cut(side, share, generator) for side in (height, width))
    clips[..., top:bottom, left:right] = clips[..., top:bottom, left:right].flip(0)
    return 1 - (bottom - top) * (right - left) / (height * width)


def smoothed_labels(labels: list[int], num_labels: int, smoothing: float) -> torch.Tensor:
    """One-hot labels of which `smoothing` is spread evenly over all classes: float32 (batch, num_labels)."""
    one_hot = torch.nn.functional.one_hot(torch.tensor(labels), num_labels).float()
    return one_hot * (1 - smoothing) + smoothing / num_labels


def _cut(side: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """Where along a side the box begins and ends."""
    half = int(side * (1 - share) ** 0.5) // 2
    centre = int(generator.integers(side))
    return max(centre - half, 0), min(centre + half, side)


def _stacked(items: list[dict]) -> dict:
    return {
        # In a worker, PyTorch's function stacks into shared memory: a batch of 32 clips, 160 MB, is copied once less.
        "pixel_values": default_collate([item["pixel_values"] for item in items]),
        "videos": [item["video"] for item in items],
    }


def _mixed_seed(items: list[dict]) -> int:
    """One seed for all items. Not an item's own, from which its data set may have made the item's other draws."""
    if any("seed" not in item for item in items):
        raise ValueError(
            "An item of the data set has no 'seed', from which its batch makes all random draws. Add a whole number "
            "that depends on the run's seed, the epoch and the item's index."
        )
    return int(np.random.SeedSequence([item["seed"] for item in items]).generate_state(1, np.uint64)[0])
