"""Data sets of clips: a random clip of each video for training, all views of each video for evaluation.

A video is opened when its item is read, because decoders do not survive a fork.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import datasets
import numpy as np
import pyarrow.compute as pc
import torch
from einops import rearrange
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ...image_processing import VideoReadError, read_video
from ...image_processing.decoding.local_videos import local_video, video_name
from ...image_processing.distinct_views import distinct_views
from .dataset_labels import column_of
from .label_values import LabelFeature, is_frame_level, label_values, unreadable_values
from .repetitions import Visit, keys_of
from .sharded_videos import ShardedVideos
from .skipped_videos import SkippedVideos
from .video_rows import RowVideo, holds_paths


FrameSampling = Callable[[int, torch.Generator], np.ndarray]
"""`sample_indices(total_frames, generator)`: indices of a clip's frames, int64 (frames,)."""

ClipTransform = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""`transform(clip, generator)`: from uint8 (frames, 3, height, width) to `pixel_values`."""


class ClipLabel(NamedTuple):
    """The label of a video.

    Attributes:
        label: Value of the column `label`.
        feature (`LabelFeature`): The type of this column.
        task (`str`): One of `TASKS`.
    """

    label: int | list | dict
    feature: LabelFeature
    task: str

    def of_clip(self, metadata: VideoMetadata, name: str) -> int | np.ndarray:
        """The label of a clip, as from `label_values`. Labels of frames are those of the clip's frames.

        Raises:
            ValueError: If the video `name` has another number of frames than of labels.
        """
        values = label_values(self.label, self.feature, self.task)
        if not is_frame_level(self.feature, self.task):
            return values
        if len(values) != metadata.total_num_frames:
            raise ValueError(
                f"'{name}' has {metadata.total_num_frames} frames, but {len(values)} labels of frames. Correct its "
                "labels, or leave the video out."
            )
        return values[np.asarray(metadata.frames_indices)]

    def of_view(self, metadata: VideoMetadata, name: str) -> int | np.ndarray:
        """As `of_clip`, but a frame that repeats the one before is unreadable, so that metrics count it once."""
        values = self.of_clip(metadata, name)
        if is_frame_level(self.feature, self.task):
            repeats = np.diff(metadata.frames_indices, prepend=-1) == 0
            values[repeats] = unreadable_values(self.feature, self.task, len(values))[repeats]
        return values


@dataclass(eq=False, repr=False)
class RandomClips:
    """The base class of `ClipDataset`, which describes the arguments, and `ClipStream`."""

    videos: datasets.Dataset | ShardedVideos | datasets.IterableDataset
    sample_indices: FrameSampling
    transform: ClipTransform
    _: KW_ONLY
    seed: int
    skipped: SkippedVideos
    reading: dict | None = None

    def _item(self, video: RowVideo, name: str, seed: int, label: ClipLabel | None = None) -> dict | None:
        """An item. If the video cannot be read, it is listed as skipped, and there is no item."""
        try:
            pixel_values, metadata = read_clip(video, self.sample_indices, self.transform, seed, name, self.reading)
        except VideoReadError as error:
            self.skipped.skip(name, str(error))
            return None
        labels = {} if label is None else {"labels": label.of_clip(metadata, name)}
        return {"pixel_values": pixel_values, **labels, "video": name, "seed": seed}


@dataclass(eq=False, repr=False)
class ClipDataset(RandomClips, torch.utils.data.Dataset):
    """A random clip of each video.

    The clip depends only on the run's seed, the epoch and the item's index, not on workers and processes. A
    `Repetition` instead of the index gives another clip. A video that cannot be read is listed as skipped. Another
    video, drawn at random, replaces it.

    Args:
        videos: Data set from `load_annotations`, or `ShardedVideos`.
        sample_indices: Draws the frames of a clip, as `FrameSampling` describes.
        transform: Makes `pixel_values` of the frames, as `ClipTransform` describes.
        seed: The run's seed, a whole number of at least 0.
        skipped: Lists videos that cannot be read.
        reading: Settings of `read_video`: `backend`, `frame_order` and `sampling_frame_rate`.
        sampler: Order of the items for `LGIFormerTrainer`, such as `ShardOrder`. The default is any order.
        task: One of `TASKS`: what the labels of the videos are.

    Items are `pixel_values`, float32 (frames, 3, size, size); `labels` as from `label_values`, if there are labels;
    `video`, the path or name of the clip's video; and `seed`, int, for random draws of collators. Labels of frames are
    those of the clip's frames.

    Raises:
        ValueError: From an item, if a video and its labels of frames have different lengths.
        TooManySkippedVideosError: From an item, if more videos than allowed cannot be read.
    """

    takes_repetitions: ClassVar[bool] = True

    _: KW_ONLY
    sampler: torch.utils.data.Sampler | None = None
    task: str = "single_label"

    def __post_init__(self):
        # In shared memory, so that persistent workers see a change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int):
        """Draw other clips from now on. Call it before iterating the data loader, which reads ahead."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, visit: Visit) -> dict:
        keys = keys_of(visit)
        seed, replacement_seed = derived_seeds(self.seed, self._epoch.item(), *keys)
        for candidate in itertools.chain(keys[:1], _shuffled_range(len(self), replacement_seed)):
            row = self.videos[candidate]
            label = ClipLabel(row["label"], self.videos.features["label"], self.task) if "label" in row else None
            item = self._item(row["video"], video_name(row["video"]), seed, label)
            if item is not None:
                return item
        raise VideoReadError(f"None of the {len(self)} videos can be read; see why in {self.skipped.path}.")


@dataclass(eq=False, repr=False)
class ViewDataset(torch.utils.data.Dataset):
    """All distinct views of each video, for evaluation. Equal views are one view with a larger weight.

    A video that cannot be read is listed as skipped. Its item is one view of zeros with weight 0 and, if there are
    labels, the label of `unreadable_values`, which metrics leave out.

    Args:
        videos: As for `ClipDataset`.
        processor: Makes as many views as its `num_segments`.
        skipped: Lists videos that cannot be read.
        task: One of `TASKS`: what the labels of the videos are.

    Items are `pixel_values`, float32 (views, frames, 3, size, size); `view_weights`, float32 (views,), with the sum 1;
    `labels` as from `label_values`, if there are labels; and `video`, the video's name. Labels of frames are those of
    the first view's frames.

    Raises:
        ValueError: From an item, if a video and its labels of frames have different lengths.
        TooManySkippedVideosError: From an item, if more videos than allowed cannot be read.
    """

    videos: datasets.Dataset | ShardedVideos
    processor: BaseVideoProcessor
    _: KW_ONLY
    skipped: SkippedVideos
    task: str = "single_label"

    def __len__(self) -> int:
        return len(self.videos)

    def names(self) -> list[str]:
        """The names of the videos, in their order."""
        if holds_paths(self.videos):
            return self.videos["video"][:]
        if isinstance(self.videos, ShardedVideos):
            return self.videos.names()
        return [video_name(row["video"]) for row in self.videos]

    def frame_indices(self) -> np.ndarray | None:
        """The indices of the first view's frames in their video, int64 (videos, frames), if labels are of frames.

        A video has as many frames as labels. Videos are opened only if the processor samples them by time.
        """
        feature = (self.videos.features or {}).get("label")
        if not is_frame_level(feature, self.task):
            return None
        if self.processor.sampling_frame_rate is not None:
            return np.stack([self._first_indices(row["video"]) for row in self.videos])
        counts = pc.list_value_length(column_of(self.videos, "label")).to_pylist()
        return np.stack([self.processor.sample_frames(VideoMetadata(count))[0] for count in counts])

    def _first_indices(self, video: RowVideo) -> np.ndarray:
        """The indices of the first view's frames. Those of a video that cannot be read do not matter."""
        try:
            with local_video(video) as path:
                _, metadata = self.processor.fetch_videos(path, self.processor.sample_frames)
        except VideoReadError:
            return np.zeros(self.processor.num_frames, dtype=np.int64)
        return metadata.frames_indices[0]

    def __getitem__(self, index: int) -> dict:
        row = self.videos[index]
        name = video_name(row["video"])
        label = ClipLabel(row["label"], self.videos.features["label"], self.task) if "label" in row else None
        labels = {}
        try:
            views, weights, metadata = read_views(row["video"], self.processor)
        except VideoReadError as error:
            self.skipped.skip(name, str(error))
            size = self.processor.size
            views = torch.zeros(1, self.processor.num_frames, 3, size["height"], size["width"])
            weights = torch.zeros(1)
            if label is not None:
                labels["labels"] = unreadable_values(label.feature, self.task, self.processor.num_frames)
        else:
            if label is not None:
                labels["labels"] = label.of_view(metadata, name)
        return {"pixel_values": views, "view_weights": weights, **labels, "video": name}


def read_clip(
    video: RowVideo,
    sample_indices: FrameSampling,
    transform: ClipTransform,
    seed: int,
    name: str | None = None,
    reading: dict | None = None,
) -> tuple[torch.Tensor, VideoMetadata]:
    """Read a random clip of a video, which depends only on `seed`. Only the frames of the clip are decoded.

    The other arguments are those of `ClipDataset`. Messages call the video `name`, by default `video_name`.

    Returns:
        `pixel_values`, and the metadata with the number of frames and the indices of the clip's frames.

    Raises:
        VideoReadError: If the video cannot be read.
        ValueError: If `transform` refuses its frames.
    """
    generator = torch.Generator()

    def clip_indices(metadata: VideoMetadata) -> np.ndarray:
        # Several decoders may be tried. Each gets the same seed, so that the clip does not depend on the decoder.
        return sample_indices(metadata.total_num_frames, generator.manual_seed(seed))

    with local_video(video, name) as path:
        frames, metadata = read_video(path, clip_indices, **(reading or {}))
    try:
        return transform(rearrange(torch.from_numpy(frames), "t h w c -> t c h w"), generator), metadata
    except ValueError as error:  # the video can be read, so it must not be skipped
        raise ValueError(f"'{name or video_name(video)}': {error}") from error


def read_views(video: RowVideo, processor: BaseVideoProcessor) -> tuple[torch.Tensor, torch.Tensor, VideoMetadata]:
    """Read the distinct views of a video.

    Returns:
        The views, float32 (views, frames, 3, height, width); their weights, float32 (views,), with the sum 1; and the
        metadata with the number of frames and the indices of the frames of the processor's first clip.

    Raises:
        VideoReadError: If the video cannot be read.
    """
    with local_video(video) as path:
        inputs = processor(path, return_tensors="pt", return_metadata=True)
    views, view_index = distinct_views(inputs["pixel_values"])
    return views, torch.bincount(view_index) / len(view_index), inputs["video_metadata"][0]


def frame_sampling(frame_indices: Callable[..., np.ndarray], num_frames: int, sampling_rate: int) -> FrameSampling:
    """The `FrameSampling` of `finetuning_frame_indices` or `pretraining_frame_indices`, for clips of a model.

    Args:
        frame_indices: One of these functions.
        num_frames: Frames of a clip.
        sampling_rate: Step between frames of a clip, in frames of the video.
    """
    return functools.partial(_sample, frame_indices, num_frames, sampling_rate)


def _sample(
    frame_indices: Callable[..., np.ndarray],
    num_frames: int,
    sampling_rate: int,
    total_frames: int,
    generator: torch.Generator,
) -> np.ndarray:
    # A function of the module, so that a data set can be sent to a worker.
    return frame_indices(total_frames, num_frames, sampling_rate, generator)


def derived_seeds(*keys: int) -> list[int]:
    """Two independent seeds from whole numbers of at least 0, of any size."""
    return np.random.SeedSequence(keys).generate_state(2, np.uint64).tolist()


def _shuffled_range(length: int, seed: int) -> Iterator[int]:
    """The numbers below `length` in another order. Unlike a permutation, it needs no memory."""
    start, step = (number % length for number in derived_seeds(seed))
    while math.gcd(step, length) > 1:
        step += 1
    yield from ((start + step * count) % length for count in range(length))
