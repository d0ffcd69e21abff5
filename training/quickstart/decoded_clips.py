"""Data sets of videos that are decoded once and stay in memory, for small corpora. Each video is one clip."""

import datasets
import torch
from einops import rearrange
from torch.utils.data import Dataset
from tqdm import tqdm

from ...image_processing import every_frame, read_video
from ...image_processing.resizing import resize_frames
from ...messages import shows_progress
from ..data.clips import ViewDataset, derived_seeds
from ..data.repetitions import Visit, keys_of
from .random_crops import NUM_DRAWS, RandomCrops


class DecodedClips(Dataset):
    """All frames of each video, with another random crop in each epoch.

    Args:
        videos: Data set with the columns `video` (paths) and `label`. All videos have the same number and size of
            frames.
        size: Height and width of the clips in pixels. Frames are resized to it.
        crops: Crops the clips of a batch.
        seed: Seed of the run.

    Items are those of `ClipDataset`. The random draws of an item depend only on the seed, the epoch and its `Visit`.

    Raises:
        VideoReadError: If a video cannot be read.
    """

    takes_repetitions = True

    def __init__(self, videos: datasets.Dataset, size: int, crops: RandomCrops, seed: int):
        self.paths, self.labels = list(videos["video"]), list(videos["label"])
        self.clips = torch.stack(
            [
                _all_frames(path, size)
                for path in tqdm(self.paths, "Reading", unit="video", disable=not shows_progress())
            ]
        )
        self.crops = crops
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int):
        """Draw other crops from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, visit: Visit) -> dict:
        return self.__getitems__([visit])[0]

    def __getitems__(self, visits: list[Visit]) -> list[dict]:
        """The items of a batch. PyTorch's data loaders call this."""
        indices = [keys_of(visit)[0] for visit in visits]
        seeds = [derived_seeds(self.seed, self.epoch, *keys_of(visit))[0] for visit in visits]
        draws = [torch.rand(NUM_DRAWS, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        pixel_values = self.crops(self.clips[indices], torch.stack(draws))
        return [
            {"pixel_values": clip, "labels": self.labels[index], "video": self.paths[index], "seed": seed}
            for clip, index, seed in zip(pixel_values, indices, seeds, strict=True)
        ]


class DecodedViews(ViewDataset):
    """As `ViewDataset`, but the views are decoded once and stay in memory. Training evaluates them many times."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.items = [super(DecodedViews, self).__getitem__(index) for index in range(len(self.videos))]

    def __getitem__(self, index: int) -> dict:
        return self.items[index]


def _all_frames(path: str, size: int) -> torch.Tensor:
    frames, _ = read_video(path, every_frame)
    return resize_frames(rearrange(torch.from_numpy(frames), "1 t h w c -> t c h w"), size, size)
