"""Clips from streams of `datasets`, such as tar shards. A stream is read in its order, without a download before."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path, PurePosixPath

import torch
from datasets import IterableDataset, Video, load_dataset
from datasets.distributed import split_dataset_by_node

from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX
from ...image_processing.decoding.local_videos import content_digest, video_name
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .clips import RandomClips, derived_seeds
from .labels import label_index, written_label
from .tar_samples import StreamError, damage_as_stream_error, is_tar, open_tars


LABEL_COLUMNS = ("label", "cls")  # WebDataset's name for a class is "cls"
KEY_COLUMNS = ("__url__", "__key__")  # the shard of a video in a WebDataset, and its name there


def open_stream(source: str | Sequence[str], split: str = "train") -> IterableDataset:
    """Open a stream of videos.

    Args:
        source: Tar shards in the format of WebDataset, as a pattern (`"shards/*.tar"`) or a list of patterns, paths or
            URLs; a folder of shards; or the name of a data set on the Hub, as for `datasets.load_dataset`.
        split: Part of the data set. Tar shards have only `"train"`.

    Raises:
        StreamError: If a pattern matches no shard, or the first shard is damaged or holds no video.
        OSError, ValueError: If there is no such data set (from `datasets`).
    """
    sources = [source] if isinstance(source, str) else list(source)
    sources = [str(Path(name, "*.tar")) if any(Path(name).glob("*.tar")) else name for name in sources]
    if all(map(is_tar, sources)):
        return open_tars(sources)
    if len(sources) > 1:
        raise StreamError(f"Only tar shards can be streamed together, not {' and '.join(sources)}. Give one source.")
    with damage_as_stream_error():
        return load_dataset(sources[0], split=split, streaming=True)


@dataclass(eq=False, repr=False)
class ClipStream(RandomClips, torch.utils.data.IterableDataset):
    """A random clip of each video of a stream, in endless rounds. `max_steps` ends the run.

    It is endless, so that no process waits for another one whose part of the stream is shorter. Each round shuffles
    the shards, and the videos within a buffer. A clip depends only on the run's seed, the round and the video. Its
    position also depends on the number of workers and processes.

    Use many shards: a multiple of the number of processes, and at least one per data loader worker. Workers without a
    shard stay idle. A video that cannot be read is listed as skipped. The next video from the buffer replaces it.

    Args:
        videos: Stream with one column of videos: of the type `datasets.Video`, named after a suffix of video files as
            in WebDataset, or named `video` with paths or URLs. A column `label` or `cls` holds labels.
        sample_indices, transform, seed, skipped, reading: As for `ClipDataset`.
        shuffle_buffer: Number of videos that the next one is drawn from. Each worker holds so many undecoded videos in
            memory.
        process_index, num_processes: The part of the stream for this process. `accelerator.prepare` must not split its
            data loader again.
        label_names: The classes in the order of their indices, if the stream's labels are names.
        with_labels: Whether items have labels, if the stream has any.

    Items are those of `ClipDataset`.

    Raises:
        StreamError: If there is no such column.
        TooManySkippedVideosError, StreamError: While iterating, if too many videos cannot be read, or none can, or a
            shard is damaged.
    """

    _: KW_ONLY
    shuffle_buffer: int = 256
    process_index: int = 0
    num_processes: int = 1
    label_names: Sequence[str] | None = None
    with_labels: bool = True

    def __post_init__(self):
        self.video_column = _video_column(self.videos)
        labels = [name for name in self.videos.features if name.lower() in LABEL_COLUMNS]
        self.label_column = labels[0] if labels and self.with_labels else None
        columns = {self.video_column, self.label_column, *KEY_COLUMNS}
        self.videos = self.videos.decode(False)
        self.videos = self.videos.select_columns([name for name in self.videos.column_names if name in columns])

    def __iter__(self) -> Iterator[dict]:
        for round_number in itertools.count():
            num_videos = num_items = 0
            for item in self._round(round_number):
                num_videos += 1
                if item is not None:
                    num_items += 1
                    yield item
            if not num_videos:  # there are fewer shards than workers, and this worker has none
                return
            if not num_items:
                raise StreamError(
                    f"None of the {num_videos} videos in a worker's part of the stream can be read; see why in "
                    f"{self.skipped.path}."
                )

    def _round(self, round_number: int) -> Iterator[dict | None]:
        """The items of this worker in one round; None for a video that cannot be read."""
        # All processes have the same seed, so that they agree on the order of the shards before they divide them.
        order_seed, _ = derived_seeds(self.seed, round_number)
        videos = self.videos.shuffle(seed=order_seed, buffer_size=self.shuffle_buffer)
        with damage_as_stream_error():
            for row in split_dataset_by_node(videos, self.process_index, self.num_processes):
                yield self._item_of(row, round_number)

    def _item_of(self, row: dict, round_number: int) -> dict | None:
        video = row[self.video_column]
        if isinstance(video, bytes):
            video = {"path": f"video{_suffix(self.video_column)}", "bytes": video}
        keys = [row[column] for column in KEY_COLUMNS if column in row]
        name = "/".join(keys) if len(keys) == len(KEY_COLUMNS) else video_name(video)
        seed, _ = derived_seeds(self.seed, round_number, content_digest(name.encode()))
        item = self._item(video, name, seed)
        if item is not None and self.label_column is not None:
            if row[self.label_column] is None:
                raise StreamError(
                    f"The video '{name}' has no label, unlike others of its stream. The files of a sample must be "
                    "adjacent in a tar file."
                )
            label = written_label(row[self.label_column], self.videos.features[self.label_column])
            item["labels"] = label_index(label, self.label_names, f"The video '{name}'")
        return item


def _video_column(videos: IterableDataset) -> str:
    if videos.features is None:
        raise StreamError("The stream does not say what its columns are. Name their types with `cast`.")
    # Columns of a WebDataset have the suffixes of files as names. `datasets` gives those of videos no type.
    suffixes = (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX)
    columns = videos.features.items()
    found = [name for name, feature in columns if isinstance(feature, Video) or _suffix(name) in suffixes]
    if len(found) == 1:
        return found[0]
    if "video" in videos.features:
        return "video"
    raise StreamError(
        f"The stream has {len(found) or 'no'} columns of videos among {', '.join(videos.features)}. Call the one to "
        "read 'video' with `rename_column`."
    )


def _suffix(column: str) -> str:
    return PurePosixPath(f"video.{column}").suffix.lower()
