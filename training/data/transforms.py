"""Transforms of rows into items, for `with_transform` of the library `datasets`."""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset, Features, Value, Video
from torch.utils.data import get_worker_info
from transformers import TrainerCallback
from transformers.utils import logging
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ...image_processing import LGIFormerVideoProcessor, sampling_of
from ...image_processing.augmentation import FinetuningAugmentation
from ...image_processing.decoding.local_videos import content_digest, encoded_video, video_name
from ...image_processing.training_frame_sampling import finetuning_frame_indices
from .clips import ClipLabel, derived_seeds, frame_sampling, read_clip, read_views
from .dataset_labels import column_of
from .label_values import check_feature, is_frame_level
from .repetitions import Repetition, Visit, keys_of
from .tasks import check_task
from .video_rows import RowVideo


logger = logging.get_logger(__name__)

AUGMENTED = {
    "do_sample_frames": True,
    "do_resize": True,
    "resample": LGIFormerVideoProcessor.resample,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": LGIFormerVideoProcessor.rescale_factor,
    "do_normalize": True,
    "image_mean": LGIFormerVideoProcessor.image_mean,
    "image_std": LGIFormerVideoProcessor.image_std,
}
"""Settings of the processor that the augmentation has, too, but that cannot be changed there."""

_NO_EPOCH = -1


class RowTransform(ABC):
    """The base class of `TrainingTransform` and `EvaluationTransform`, which describe the arguments."""

    def __init__(self, processor: BaseVideoProcessor, *, task: str = "single_label", features: Features | None = None):
        check_task(task)
        if task != "single_label" and features is None:
            raise ValueError(f"task={task!r} needs the names of the labels: give features=videos.features.")
        self.processor = processor
        self.task = task
        self.feature = None if features is None else features.get("label")
        if self.feature is not None:
            check_feature(self.feature, task)

    def __call__(self, batch: dict, repetitions: Sequence[int] | None = None) -> dict:
        """Make the items of a batch of rows. Each value is a list with one entry a row.

        `repetitions` has the number of earlier visits of each row's video in the epoch, by default 0.
        """
        if "video" not in batch:
            raise ValueError(
                f"The rows have no column 'video', only {', '.join(batch)}. Set remove_unused_columns=False in "
                "TrainingArguments, or rename the column of videos with `rename_column`."
            )
        columns = [batch[name] for name in ("video", "label") if name in batch]
        numbers = [0] * len(batch["video"]) if repetitions is None else repetitions
        items = [self._item(*row) for row in zip(numbers, *columns, strict=True)]
        return {name: [item[name] for item in items] for name in (items[0] if items else ())}

    def _item(self, repetition: int, video: RowVideo, *label) -> dict:
        name = video_name(video)
        item, metadata = self._read(video, repetition)
        if label:
            item["labels"] = self._labels(self._clip_label(*label, name), metadata, name)
        return {**item, "video": name}

    def _clip_label(self, label, name: str) -> ClipLabel:
        is_index = isinstance(label, int) or (self.feature is not None and is_frame_level(self.feature, self.task))
        if self.task == "single_label" and not is_index:
            raise ValueError(
                f"'{name}' has the label {label!r}, which is not the index of a class. Load the data set with "
                "`load_videos`. If it has labels of another kind, give this transform its task and features."
            )
        return ClipLabel(label, self.feature, self.task)

    @abstractmethod
    def _read(self, video: RowVideo, repetition: int) -> tuple[dict, VideoMetadata]:
        """Read the clips of a video: an item without labels and name, and the metadata of its (first) clip."""

    @abstractmethod
    def _labels(self, label: ClipLabel, metadata: VideoMetadata, name: str):
        """The labels of an item."""


class TrainingTransform(RowTransform, TrainerCallback):
    """Makes training clips: random frames of each video, augmented by `FinetuningAugmentation`.

    Use it with `dataset.with_transform(...)`, and set `remove_unused_columns=False` in `TrainingArguments`. The data
    set comes from `load_videos`, or has such columns: `video` of `datasets.Video(decode=False)`, and `label` if there
    are labels. Only the frames of a clip are decoded.

    A clip depends on the seed, the epoch and its video alone: not on workers, processes and the order. A video is
    known by its path, or by a checksum of its bytes. `LGIFormerTrainer` sets the epoch. For a plain
    `transformers.Trainer`, pass the transform in `callbacks`, too. If nobody sets the epoch, clips still change, but
    then they depend on the workers.

    If an epoch visits a video more than once, `LGIFormerTrainer` draws another clip at each visit. It finds such
    videos by their paths and indices. A plain `transformers.Trainer` gets the same clip, with a warning if rows repeat
    a path.

    Items are `pixel_values`, float32 (frames, 3, height, width); `labels`, if there are labels, an int for the task
    `"single_label"`, otherwise float32 (labels,); `seed`, int, for random draws of collators; and `video`, the video's
    name. Labels of frames are those of the clip's frames.

    Args:
        processor: Its size, `num_frames`, `sampling_rate`, `sampling_frame_rate`, `backend` and `frame_order` are
            used.
        seed: The run's seed, a whole number of at least 0.
        task: What labels are, as for `FinetuningCollator`: `"single_label"`, `"multi_label"`, `"regression"` or
            `"distribution"`.
        features: `features` of the data set. They are needed for every task but `"single_label"`, and for labels of
            frames.
        **augmentation: Options of `FinetuningAugmentation`: `num_operations`, `crop_area`, `flip_probability` and
            `erasing_probability`.

    Raises:
        ValueError: If the augmentation would make clips that differ from the processor's in size or normalisation, if
            a batch has no column `video`, or if a label does not fit the task.
        VideoReadError: From an item, if its video cannot be read. To skip such videos, use `ClipDataset` from
            `lgi_former.training.data.clips` instead, with the data set of `load_videos`.

    Example:

    ```python
    >>> import numpy as np
    >>> from datasets import Dataset
    >>> from lgi_former import LGIFormerVideoProcessor, TrainingTransform

    >>> processor = LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4)
    >>> transform = TrainingTransform(processor, seed=0, erasing_probability=0)
    >>> videos = Dataset.from_dict({"video": ["clips/a.mp4"], "label": [1]}).with_transform(transform)
    >>> videos.column_names  # videos[0] reads the video
    ['video', 'label']

    ```
    """

    def __init__(
        self,
        processor: BaseVideoProcessor,
        seed: int = 0,
        *,
        task: str = "single_label",
        features: Features | None = None,
        **augmentation,
    ):
        super().__init__(processor, task=task, features=features)
        self.seed = seed
        self.augmentation = FinetuningAugmentation(_image_size(processor), **augmentation)
        # In shared memory, so that persistent workers see a change.
        self._epoch = torch.tensor(_NO_EPOCH).share_memory_()
        self._visits = Counter()

    def __deepcopy__(self, memo) -> "TrainingTransform":
        return self  # copies of a data set follow the same epoch

    def set_epoch(self, epoch: int):
        """Draw the clips of another epoch from now on. Call it before iterating the data loader, which reads ahead."""
        self._epoch.fill_(epoch)

    def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs):
        """Warn if a plain `Trainer` would repeat clips."""
        dataset = getattr(train_dataloader, "dataset", None)
        if transform_of(dataset) is self and len(set(numbers_of_videos(dataset).tolist())) < len(dataset):
            logger.warning(
                "Some rows of train_dataset have the same video. In an epoch they give the same clip, because Trainer "
                "does not say which row it reads. LGIFormerTrainer gives different clips."
            )

    def on_epoch_begin(self, args, state, control, **kwargs):
        """Follow the epoch of a `Trainer`."""
        self.set_epoch(int(state.epoch))

    def _read(self, video: RowVideo, repetition: int) -> tuple[dict, VideoMetadata]:
        processor, seed = self.processor, self._seed_of(video, repetition)
        sampling = frame_sampling(finetuning_frame_indices, processor.num_frames, processor.sampling_rate)
        pixel_values, metadata = read_clip(video, sampling, self.augmentation, seed, reading=sampling_of(processor))
        return {"pixel_values": pixel_values, "seed": seed}, metadata

    def _labels(self, label: ClipLabel, metadata: VideoMetadata, name: str):
        return label.of_clip(metadata, name)

    def _seed_of(self, video: RowVideo, repetition: int) -> int:
        key, epoch = _key(video), self._epoch.item()
        keys = [epoch] if epoch != _NO_EPOCH else self._visit(key)
        if repetition:
            keys.append(repetition)
        return derived_seeds(self.seed, *keys, key)[0] // 2  # other collators make an int64 tensor of it

    def _visit(self, key: int) -> list[int]:
        """Numbers that differ between visits of a video if nobody sets the epoch."""
        # A worker's seed differs between epochs, unless the worker persists. Then the visits differ.
        worker = get_worker_info()
        self._visits[key] += 1
        return [0 if worker is None else worker.seed, int(os.environ.get("RANK", 0)), self._visits[key]]


class EvaluationTransform(RowTransform):
    """Makes the processor's clips of each video, for `dataset.with_transform(...)`.

    The data set is as for `TrainingTransform`. Items are `pixel_values`, float32 (frames, 3, height, width); `labels`
    and `video` as from `TrainingTransform`; and `seed`, which is None. `FinetuningCollator` does not mix items with
    this seed. If `num_segments` of the processor is more than 1, items are those of `ViewDataset`. Then give
    `LGIFormerTrainer` a `ViewCollator` as `eval_data_collator`.

    Args:
        processor: Makes the clips.
        task, features: As for `TrainingTransform`.

    Raises:
        ValueError: If a batch has no column `video`, or a label does not fit the task.
        VideoReadError: From an item, if its video cannot be read. To skip such videos, use `ViewDataset` from
            `lgi_former.training.data.clips` instead, with the data set of `load_videos`.
    """

    def _read(self, video: RowVideo, repetition: int) -> tuple[dict, VideoMetadata]:
        views, weights, metadata = read_views(video, self.processor)
        if getattr(self.processor, "num_segments", 1) > 1:
            return {"pixel_values": views, "view_weights": weights}, metadata
        return {"pixel_values": views[0], "seed": None}, metadata

    def _labels(self, label: ClipLabel, metadata: VideoMetadata, name: str):
        return label.of_view(metadata, name)


def transform_of(dataset) -> TrainingTransform | None:
    """The `TrainingTransform` of a data set of the library `datasets`, if it has one."""
    form = getattr(dataset, "format", None)
    transform = form.get("format_kwargs", {}).get("transform") if isinstance(form, Mapping) else None
    return transform if isinstance(transform, TrainingTransform) else None


def numbers_of_videos(dataset: Dataset) -> np.ndarray:
    """A number for the video of each row, int64 (rows,). Equal paths have equal numbers. Contents are not read."""
    if "video" not in dataset.column_names:
        return np.arange(len(dataset))  # the transform refuses the first row
    videos = dataset.with_format(None).select_columns(["video"])
    if not isinstance(videos.features["video"], Value):
        videos = videos.cast_column("video", Video(decode=False)).flatten()
        videos = videos.select_columns(["video.path"]).rename_column("video.path", "video")
    paths = column_of(videos, "video")
    numbers = pc.dictionary_encode(paths, null_encoding="encode").indices.to_numpy()
    return np.where(pc.is_null(paths).to_numpy(zero_copy_only=False), len(paths) + np.arange(len(paths)), numbers)


def items_of_visits(dataset: Dataset, visits: Sequence[Visit]) -> list[dict]:
    """The items of a data set with a `TrainingTransform`. A data set itself takes indices only."""
    form, rows = dataset.format, dataset.with_format(None)[[keys_of(visit)[0] for visit in visits]]
    items = transform_of(dataset)(
        {name: rows.pop(name) for name in form["columns"]},
        [visit.number if isinstance(visit, Repetition) else 0 for visit in visits],
    )
    if form["output_all_columns"]:
        items |= rows
    return [{name: values[number] for name, values in items.items()} for number in range(len(visits))]


def _key(video: RowVideo) -> int:
    """A number that stands for a video on every machine."""
    video = encoded_video(video)
    content = video.get("bytes") if isinstance(video, Mapping) else None
    return content_digest(content or video_name(video).encode())


def _image_size(processor: BaseVideoProcessor) -> int:
    """The side of the clips. Raises a ValueError if the augmentation cannot make clips like those of a processor."""
    if not hasattr(processor, "sampling_rate"):
        raise ValueError(
            f"A {type(processor).__name__} has no sampling_rate. Give an LGIFormerVideoProcessor with the size and "
            "num_frames of the model."
        )
    for name, value in AUGMENTED.items():
        own = getattr(processor, name)
        if (list(own) if isinstance(own, (list, tuple)) else own) != value:
            raise ValueError(
                f"The processor has {name}={own!r}, but training clips are made with {value!r}. Evaluation would see "
                "other pixels than training. Leave this setting of the processor out."
            )
    size = processor.size
    if size.get("height") is None or size.get("height") != size.get("width"):
        raise ValueError(f"Training clips are square, but the processor has size={dict(size)!r}.")
    return size["height"]
