"""Clips that are decoded once and stay in memory, for small corpora. Each video is one clip."""

import copy

import datasets
import torch
from einops import rearrange, repeat
from torch.utils.data import Dataset
from tqdm import tqdm

from ...image_processing import every_frame, read_video
from ..data.clips import ClipTransform, ViewDataset, derived_seeds


class DecodedClips(Dataset):
    """All frames of each video, with a random augmentation for each access.

    Args:
        videos: Data set with the columns `video` (paths) and `label`. All videos have the same number and size of
            frames.
        transform, seed: As for `ClipDataset`.

    Items are those of `ClipDataset`.

    Raises:
        VideoReadError: If a video cannot be read.
    """

    def __init__(self, videos: datasets.Dataset, transform: ClipTransform, seed: int):
        self.paths, self.labels = list(videos["video"]), list(videos["label"])
        self.clips = torch.stack([_all_frames(path) for path in tqdm(self.paths, "Reading", unit="video")])
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int):
        """Draw other augmentations from now on."""
        self.epoch = epoch

    def with_transform(self, transform: ClipTransform) -> "DecodedClips":
        """The same clips with another transform. Both share the memory."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict:
        seed, _ = derived_seeds(self.seed, self.epoch, index)
        pixel_values = self.transform(self.clips[index], torch.Generator().manual_seed(seed))
        return {
            "pixel_values": pixel_values,
            "labels": self.labels[index],
            "video": self.paths[index],
            "seed": seed,
        }


class SingleFrame:
    """Turns a clip into one random frame that is repeated.

    Args:
        transform: Applied to the repeated frame.
        num_frames: Number of frames of the result.
    """

    def __init__(self, transform: ClipTransform, num_frames: int):
        self.transform = transform
        self.num_frames = num_frames

    def __call__(self, clip: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        frame = torch.randint(len(clip), (1,), generator=generator)
        return self.transform(clip[frame].expand(self.num_frames, -1, -1, -1), generator)


class FrameViews(ViewDataset):
    """As `ViewDataset`, but each view is one frame of the video, repeated.

    Args:
        num_frames: Number of frames of a view.
    """

    def __init__(self, *args, num_frames: int, **kwargs):
        super().__init__(*args, **kwargs)
        self.num_frames = num_frames

    def __getitem__(self, index: int) -> dict:
        item = super().__getitem__(index)
        views = item["pixel_values"]
        clip_frames = views.shape[1]
        item["pixel_values"] = repeat(views, "v t c h w -> (v t) repeats c h w", repeats=self.num_frames)
        item["view_weights"] = item["view_weights"].repeat_interleave(clip_frames) / clip_frames
        return item


def _all_frames(path: str) -> torch.Tensor:
    frames, _ = read_video(path, every_frame)
    return rearrange(torch.from_numpy(frames), "1 t h w c -> t c h w")
