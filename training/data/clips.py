"""Data sets of clips: a random one of each video to train on, all views of each video to evaluate.

Videos are opened where an item is asked for, so in the data loader's workers; decoders do not survive a fork.
"""

import math
from collections.abc import Callable, Iterator

import datasets
import numpy as np
import torch
from einops import rearrange
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ...image_processing import VideoReadError, read_video
from ...image_processing.distinct_views import distinct_views
from .labels import UNREADABLE_LABEL
from .sharded_videos import ShardedVideos
from .skipped_videos import SkippedVideos
from .video_rows import RowVideo, holds_paths, local_video, video_name


FrameSampling = Callable[[int, torch.Generator], np.ndarray]
"""`sample_indices(total_frames, generator)`: indices of a clip's frames, int64 (frames,)."""

ClipTransform = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""`transform(clip, generator)`: from uint8 (frames, 3, height, width) to `pixel_values`."""


class ClipDataset(torch.utils.data.Dataset):
    """A random clip of each video.

    What is random in an item comes from the run's seed, the epoch and the item's index alone. So the items are the
    same whatever the number of workers and processes, and new ones in every epoch.

    A video that cannot be read is listed as skipped, and another, drawn at random, stands in for it.

    Args:
        videos: Data set with the columns `video` (paths, or `datasets.Video` without decoding) and, if there are
            labels, `label`, as from `load_annotations`; or `ShardedVideos`.
        sample_indices: Called as `sample_indices(total_frames, generator)`; returns the indices of a clip's frames,
            int64 (frames,).
        transform: Called as `transform(clip, generator)` with the frames, uint8 (frames, 3, height, width); returns
            `pixel_values`.
        seed: The run's seed, a whole number of at least 0.
        skipped: Where videos that cannot be read are listed.
        sampler: The order in which items are to be read, if not any is as good, such as `ShardOrder`.
            `LGIFormerTrainer` follows it.
        reading: Settings of `read_video`: `backend` and `frame_order`.

    Items are `pixel_values`, float32 (frames, 3, size, size); `labels`, int, if there are labels; `video`, the name of
    the video that the clip is of, its path if it has one; and `seed`, int, for what is random in collating.

    Raises:
        TooManySkippedVideosError: From an item, if that is one video too many that cannot be read.
    """

    def __init__(
        self,
        videos: datasets.Dataset | ShardedVideos,
        sample_indices: FrameSampling,
        transform: ClipTransform,
        *,
        seed: int,
        skipped: SkippedVideos,
        sampler: torch.utils.data.Sampler | None = None,
        reading: dict | None = None,
    ):
        self.videos = videos
        self.sample_indices = sample_indices
        self.transform = transform
        self.seed = seed
        self.skipped = skipped
        self.sampler = sampler
        self.reading = reading
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that persist see it change

    def set_epoch(self, epoch: int):
        """Draw other clips from now on. To be called before the data loader is iterated, as it reads ahead."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> dict:
        seed, replacement_seed = derived_seeds(self.seed, self._epoch.item(), index)
        for candidate in self._candidates(index, replacement_seed):
            row = self.videos[candidate]
            name = video_name(row["video"])
            try:
                pixel_values = read_clip(row["video"], self.sample_indices, self.transform, seed, reading=self.reading)
            except VideoReadError as error:
                self.skipped.skip(name, str(error))
                continue
            labels = {"labels": row["label"]} if "label" in row else {}
            return {"pixel_values": pixel_values, **labels, "video": name, "seed": seed}
        raise VideoReadError(f"None of the {len(self)} videos can be read; see why in {self.skipped.path}.")

    def _candidates(self, index: int, replacement_seed: int) -> Iterator[int]:
        """The item's own video, then all others in an order that is drawn at random."""
        yield index
        yield from _shuffled_range(len(self), replacement_seed)


class ViewDataset(torch.utils.data.Dataset):
    """All distinct views of each video, as it is evaluated.

    Views that are the same clip, as those of a short video, are there once and weigh accordingly. Evaluation cannot
    put another video in place of one that cannot be read: such a video is listed as skipped, and its item is one view
    of zeros that weighs 0, with the label -100 if there are labels. Metrics leave out rows of that label.

    Args:
        videos: Data set with the columns `video` (paths, or `datasets.Video` without decoding) and, if there are
            labels, `label`, as from `load_annotations`; or `ShardedVideos`.
        processor: Makes the views, as many as its `num_segments`.
        skipped: Where videos that cannot be read are listed.

    Items are `pixel_values`, float32 (views, frames, 3, size, size); `view_weights`, float32 (views,), summing to 1;
    `labels`, int, if there are labels; and `video`, the video's name.

    Raises:
        TooManySkippedVideosError: From an item, if that is one video too many that cannot be read.
    """

    def __init__(
        self, videos: datasets.Dataset | ShardedVideos, processor: BaseVideoProcessor, *, skipped: SkippedVideos
    ):
        self.videos = videos
        self.processor = processor
        self.skipped = skipped

    def __len__(self) -> int:
        return len(self.videos)

    def names(self) -> list[str]:
        """What the videos are called, in their order."""
        if holds_paths(self.videos):
            return list(self.videos["video"])
        if isinstance(self.videos, ShardedVideos):
            return self.videos.names()
        return [video_name(row["video"]) for row in self.videos]

    def __getitem__(self, index: int) -> dict:
        row = self.videos[index]
        name = video_name(row["video"])
        labels = {"labels": row["label"]} if "label" in row else {}
        try:
            with local_video(row["video"]) as path:
                clips = self.processor(path, return_tensors="pt")["pixel_values"]
        except VideoReadError as error:
            self.skipped.skip(name, str(error))
            views, weights = self._unreadable_view(), torch.zeros(1)
            labels = dict.fromkeys(labels, UNREADABLE_LABEL)
        else:
            views, view_index = distinct_views(clips)
            weights = torch.bincount(view_index) / len(clips)
        return {"pixel_values": views, "view_weights": weights, **labels, "video": name}

    def _unreadable_view(self) -> torch.Tensor:
        size = self.processor.size
        return torch.zeros(1, self.processor.num_frames, 3, size["height"], size["width"])


def read_clip(
    video: RowVideo,
    sample_indices: FrameSampling,
    transform: ClipTransform,
    seed: int,
    name: str | None = None,
    reading: dict | None = None,
) -> torch.Tensor:
    """Read a random clip of a video; only its frames are decoded.

    Args:
        video: The video of a row: a path or URL, or a file in memory.
        sample_indices, transform: As for `ClipDataset`.
        seed: Of all that is random.
        name: What messages call a video that is not a local file; by default `video_name`.
        reading: As for `ClipDataset`.

    Raises:
        VideoReadError: If the video cannot be read.
        ValueError: If `transform` refuses its frames.
    """
    generator = torch.Generator()

    def clip_indices(metadata: VideoMetadata) -> np.ndarray:
        # Seeded anew for every decoder that is tried, so that the clip does not depend on which of them succeeds.
        return sample_indices(metadata.total_num_frames, generator.manual_seed(seed))

    with local_video(video, name) as path:
        frames, _ = read_video(path, clip_indices, **(reading or {}))
    try:
        return transform(rearrange(torch.from_numpy(frames), "t h w c -> t c h w"), generator)
    except ValueError as error:  # the video is not broken: it is not left out, as after a VideoReadError
        raise ValueError(f"'{name or video_name(video)}': {error}") from error


def derived_seeds(*keys: int) -> list[int]:
    """Two independent seeds that follow from whole numbers of at least 0, of any size."""
    return np.random.SeedSequence(keys).generate_state(2, np.uint64).tolist()


def _shuffled_range(length: int, seed: int) -> Iterator[int]:
    """The numbers below `length`, each once, out of order. Unlike a permutation it is not held in memory."""
    start, step = (number % length for number in derived_seeds(seed))
    while math.gcd(step, length) > 1:
        step += 1
    yield from ((start + step * count) % length for count in range(length))
