"""Opens the data sets of a run: videos in a list, in shards or in a stream."""

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path

import datasets
from torch.utils.data import Sampler
from transformers import PreTrainedConfig

from ...messages import note
from ..data.annotations import check_that_videos_are_there, load_wanted
from ..data.classes import SPLITS
from ..data.clip_stream import ClipStream, open_stream
from ..data.clips import ClipDataset, ClipTransform, FrameSampling
from ..data.data_check import check_data
from ..data.joined_sources import JoinedVideos, ListedVideos, mixed_order, open_joined
from ..data.label_values import is_frame_level
from ..data.mixed_order import MixedOrder
from ..data.shard_index import INDEX_FILE, index_url
from ..data.shard_order import ShardOrder
from ..data.sharded_videos import ShardedVideos
from ..data.skipped_videos import SkippedVideos
from ..data.tar_samples import is_tar
from ..data.tasks import Wanted
from ..data.video_rows import count_distinct
from .arguments import DataArguments, RecipeTrainingArguments


BAD_VIDEOS_FILE = "bad_videos.csv"

# The shuffle buffer of a stream holds videos, that of shards only their numbers.
STREAM_SHUFFLE_BUFFER = 256
SHARD_SHUFFLE_BUFFER = 10_000


TrainingVideos = ListedVideos | datasets.IterableDataset


def open_training_videos(
    arguments: DataArguments, label_names: list[str] | None = None, *, with_labels: bool = True, **label_options
) -> TrainingVideos:
    """Open the videos of `--train_data`, several sources as by `open_joined`.

    Args:
        with_labels: Whether the labels are needed.
        label_options: `task` and `frame_level` of `Wanted`.

    Raises:
        ValueError: If `--train_data` is missing or cannot be understood, `--mix` is given for a stream, or a stream
            should have other labels than single ones.
    """
    if not arguments.train_data:
        raise ValueError("train_data is missing: say which videos to train on.")
    if arguments.streaming or any(map(is_tar, arguments.train_data)):
        if arguments.mix:
            raise ValueError(
                "A stream cannot be mixed. Give lists, class folders or shards of `lgi-former prepare shards` for mix."
            )
        refuse_other_tasks("A stream", **label_options)
        return open_stream(arguments.train_data)
    open_source = functools.partial(
        open_videos, data_root=arguments.data_root, may_be_columns=with_labels, **label_options
    )
    if len(arguments.train_data) > 1:
        return open_joined(arguments.train_data, open_source, label_names, with_labels=with_labels, **label_options)
    return open_source(arguments.train_data[0], label_names=label_names)


def open_videos(
    source: str, data_root: str | None = None, label_names: Sequence[str] | None = None, **label_options
) -> datasets.Dataset | ShardedVideos:
    """Open videos with random access: shards that have an index, or a list as for `load_annotations`.

    Args:
        source, data_root, label_names: As for `load_annotations`.
        label_options: `task`, `frame_level` and `may_be_columns` of `Wanted`.

    Raises:
        ValueError: If the source cannot be understood, no video of a list exists, or shards should have other labels
            than single ones.
    """
    if (url := index_url(source)) is not None:
        refuse_other_tasks(f"The index '{url}'", **label_options)
        return ShardedVideos(url, label_names)
    videos = load_wanted(source, data_root, Wanted(label_names=label_names, **label_options))
    check_that_videos_are_there(videos)
    return videos


def name_of_source(source: str) -> str:
    """A name for the videos of a source, without the folders around it and the name of a part.

    Both `clips/my_faces/test` and `clips/my_faces/test.csv` are `my_faces`. The user's own folder names nothing.
    """
    *folders, last = [part for part in re.split(r"[/\\]+", source.split("://")[-1]) if part not in (INDEX_FILE, "")]
    names = [os.path.splitext(last)[0], *reversed(folders)]
    named = (name for name in names if name.strip(".").lower() not in (*SPLITS, "", Path.home().name.lower()))
    return next(named, names[0])


def refuse_other_tasks(source: str, task: str | None = None, frame_level: bool | None = None, **_):
    """Raise a `ValueError` if shards or a stream should have other labels than one class for each video."""
    if task not in (None, "single_label") or frame_level:
        wanted = f"--task {task}" if task not in (None, "single_label") else "labels of frames"
        raise ValueError(f"{source} has one class for each video, which does not fit {wanted}. Give a list instead.")


def check_frames(source: str, videos: TrainingVideos, task: str, config: PreTrainedConfig):
    """Check that labels are of frames if the model predicts each frame, and of videos otherwise.

    Raises:
        ValueError: If one is so and the other is not.
    """
    feature = (videos.features or {}).get("label")
    by_model, by_labels = getattr(config, "frame_level", False), is_frame_level(feature, task)
    if by_labels and not by_model:
        raise ValueError(
            f"{source} has a label for each frame, but the model predicts one for a clip. Train one with "
            "--config_overrides '{\"frame_level\": true}'."
        )
    if by_model and not by_labels:
        raise ValueError(
            f"The model predicts each frame (frame_level=true), but {source} has one label for each video. Write a "
            "label for each frame, see docs/datasets.md."
        )


def training_clips(
    videos: TrainingVideos,
    transform: ClipTransform,
    sample_indices: FrameSampling,
    *,
    label_names: list[str] | None,
    arguments: DataArguments,
    training: RecipeTrainingArguments,
    skipped: SkippedVideos,
    task: str = "single_label",
    order: Sampler | None = None,
    sampling_frame_rate: float | None = None,
) -> ClipDataset | ClipStream:
    """Make the data set of random training clips.

    Args:
        sampling_frame_rate: As for `read_video`.
        task: One of `TASKS`: what the labels of the videos are.
        order: Replaces the random order of a list or of shards.
    """
    reading = arguments.reading | {"sampling_frame_rate": sampling_frame_rate}
    if isinstance(videos, datasets.IterableDataset):
        return ClipStream(
            videos,
            sample_indices,
            transform,
            seed=training.seed,
            skipped=skipped,
            shuffle_buffer=shuffle_buffer_of(arguments, STREAM_SHUFFLE_BUFFER),
            process_index=training.process_index,
            num_processes=training.world_size,
            label_names=label_names,
            with_labels=label_names is not None,
            reading=reading,
        )
    if order is None:
        order = _order_of(videos, arguments, training)
    return ClipDataset(
        videos,
        sample_indices,
        transform,
        seed=training.seed,
        skipped=skipped,
        sampler=order,
        task=task,
        reading=reading,
    )


def _order_of(
    videos: ListedVideos, arguments: DataArguments, training: RecipeTrainingArguments
) -> ShardOrder | MixedOrder | None:
    """The order of shards and of mixed sources; None for lists, which the trainer shuffles."""
    shuffle_buffer = shuffle_buffer_of(arguments, SHARD_SHUFFLE_BUFFER)
    if isinstance(videos, ShardedVideos):
        return ShardOrder(videos.counts, training.seed, shuffle_buffer)
    if not arguments.mix and not isinstance(videos, JoinedVideos):
        return None
    order = mixed_order(videos, arguments.mix, training.seed, shuffle_buffer)
    if arguments.mix and training.process_index == 0:
        parts = zip(order.counts, arguments.train_data, order.orders, strict=True)
        read = [f"{count} of '{source}' (of {len(whole)})" for count, source, whole in parts]
        note(f"Each epoch reads {', '.join(read)}.")
    return order


def shuffle_buffer_of(arguments: DataArguments, default: int) -> int:
    """The size of the shuffle buffer in videos."""
    return default if arguments.shuffle_buffer is None else arguments.shuffle_buffer


def count_videos(*sources: TrainingVideos, training: RecipeTrainingArguments) -> int:
    """Count the distinct videos of all sources. For a stream of unknown length, count the clips that the run reads.

    Raises:
        ValueError: If there is a stream and `max_steps` is not set.
    """
    listed = [source for source in sources if not isinstance(source, datasets.IterableDataset)]
    videos = count_distinct(listed)
    if len(listed) == len(sources):
        return videos
    if training.max_steps < 1:
        raise ValueError("A stream has no end. Set --max_steps.")
    batch_size = training.train_batch_size * training.gradient_accumulation_steps * training.world_size
    return videos + training.max_steps * batch_size


def check_videos(videos: list[ListedVideos], arguments: DataArguments, training: RecipeTrainingArguments) -> int:
    """Read every video once, write the list of the broken ones and print their number.

    Returns:
        The exit status of the command: 1 if a video is broken.

    Raises:
        ValueError: If the videos are a stream.
    """
    if any(isinstance(source, datasets.IterableDataset) for source in videos):
        raise ValueError("check_data reads lists of videos; a stream is checked where its shards are made.")
    output = Path(training.output_dir, BAD_VIDEOS_FILE)
    broken = check_data(videos, output, training.dataloader_num_workers, arguments.reading)
    print(f"{len(broken)} videos cannot be read. They are listed in {output}." if broken else "All videos are good.")
    return 1 if broken else 0
