"""Clips from streams, for corpora of millions of videos: tar shards and what else `datasets` streams.

A stream is read in the order in which it comes, so that nothing of it needs to be on this machine beforehand. Each
process and each of its data loader's workers reads a part of its own.
"""

import contextlib
import itertools
import tarfile
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import PurePosixPath

import torch
from datasets import IterableDataset, Video, load_dataset
from datasets.distributed import split_dataset_by_node

from ...image_processing import VideoReadError
from ...image_processing.decoding.frame_folders import FRAME_ARCHIVE_SUFFIX
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from .clips import ClipTransform, FrameSampling, derived_seeds, read_clip
from .labels import label_index, written_label
from .skipped_videos import SkippedVideos
from .video_rows import RowVideo, content_digest, video_name


LABEL_COLUMNS = ("label", "cls")  # WebDataset's name for a class is "cls"
KEY_COLUMNS = ("__url__", "__key__")  # in which shard of a WebDataset a video is, and its name there


class StreamError(ValueError):
    """A stream cannot be read or understood. The message says why and what to do."""


def open_stream(source: str | Sequence[str], split: str = "train") -> IterableDataset:
    """Open a stream of videos.

    Args:
        source: Tar shards in the format of WebDataset, by a pattern (`"shards/*.tar"`) or a list of paths or URLs; or
            a folder of them or the name of a data set on the Hub, as `datasets.load_dataset` takes it.
        split: Part of the data set; for tar shards there is `"train"` only.

    Raises:
        StreamError: If no shard fits the pattern, or the first is damaged.
        OSError, ValueError: If there is no such data set (from `datasets`).
    """
    if isinstance(source, str) and PurePosixPath(source).suffix != ".tar":
        return load_dataset(source, split=split, streaming=True)
    if isinstance(source, str) and "://" not in source and not glob(source):
        raise StreamError(f"There is no tar shard '{source}'. Check the path or pattern.")
    with _damage_told():
        return load_dataset("webdataset", data_files={"train": source}, split=split, streaming=True)


class ClipStream(torch.utils.data.IterableDataset):
    """A random clip of each video of a stream, over and over again: `max_steps` ends the run.

    It never ends so that no process is left waiting for another whose part of the stream was shorter. Shards and,
    within a buffer, videos come in another order every time. What is random in an item follows from the run's seed,
    the round and the video, whatever the number of workers and processes; when the item comes depends on these.

    Shards are best many: a multiple of the processes, so that each reads only its own, and no fewer than all workers,
    of which the rest stay idle.

    A video that cannot be read is listed as skipped, and the next one, drawn from the buffer, stands in for it.

    Args:
        videos: Stream with a column of the type `datasets.Video`, or named after a suffix of video files as in
            WebDataset, or of paths or URLs with the name `video`; and, if there are labels, one named `label` or
            `cls`.
        sample_indices, transform, seed, skipped: As for `ClipDataset`.
        shuffle_buffer: Videos from which the next is drawn. They wait undecoded in every worker's memory.
        process_index, num_processes: Which part of the stream is this process's. (A data loader of it must not be
            split once more by `accelerator.prepare`.)
        label_names: The classes in the order of their indices, if the stream's labels are names.
        reading: As for `ClipDataset`.

    Items are those of `ClipDataset`.

    Raises:
        StreamError: If there is no such column.
        TooManySkippedVideosError, StreamError: While iterating, if too many videos cannot be read, or none can, or a
            shard is damaged.
    """

    def __init__(
        self,
        videos: IterableDataset,
        sample_indices: FrameSampling,
        transform: ClipTransform,
        *,
        seed: int,
        skipped: SkippedVideos,
        shuffle_buffer: int = 256,
        process_index: int = 0,
        num_processes: int = 1,
        label_names: Sequence[str] | None = None,
        reading: dict | None = None,
    ):
        self.video_column, self.label_column = _video_column(videos), _label_column(videos)
        columns = (self.video_column, self.label_column, *KEY_COLUMNS)
        self.videos = videos.decode(False).select_columns([name for name in columns if name in videos.column_names])
        self.sample_indices = sample_indices
        self.transform = transform
        self.seed = seed
        self.skipped = skipped
        self.shuffle_buffer = shuffle_buffer
        self.process_index = process_index
        self.num_processes = num_processes
        self.label_names = label_names
        self.reading = reading

    def __iter__(self) -> Iterator[dict]:
        for round_number in itertools.count():
            videos_met = items_made = 0
            for item in self._round(round_number):
                videos_met += 1
                if item is not None:
                    items_made += 1
                    yield item
            if not videos_met:  # there are fewer shards than workers, and none is left for this one
                return
            if not items_made:
                raise StreamError(
                    f"None of the {videos_met} videos that a worker met in its part of the stream can be read; see "
                    f"why in {self.skipped.path}."
                )

    def _round(self, round_number: int) -> Iterator[dict | None]:
        """The items of this worker in one round through the stream; None for a video that cannot be read."""
        # The same seed everywhere, so that all agree on the order of the shards, of which each takes its own.
        order_seed, _ = derived_seeds(self.seed, round_number)
        videos = self.videos.shuffle(seed=order_seed, buffer_size=self.shuffle_buffer)
        rows = iter(split_dataset_by_node(videos, self.process_index, self.num_processes))
        with _damage_told():
            for row in rows:
                yield self._item(row, round_number)

    def _item(self, row: dict, round_number: int) -> dict | None:
        video = row[self.video_column]
        if isinstance(video, bytes):
            video = {"path": f"video{_suffix(self.video_column)}", "bytes": video}
        name = _name(row, video)
        seed, _ = derived_seeds(self.seed, round_number, content_digest(name.encode()))
        try:
            pixel_values = read_clip(video, self.sample_indices, self.transform, seed, name, self.reading)
        except VideoReadError as error:
            self.skipped.skip(name, str(error))
            return None
        labels = {}
        if self.label_column is not None:
            label = written_label(row[self.label_column], self.videos.features[self.label_column])
            labels["labels"] = label_index(label, self.label_names, f"The video '{name}'")
        return {"pixel_values": pixel_values, **labels, "video": name, "seed": seed}


@contextlib.contextmanager
def _damage_told():
    try:
        yield
    except tarfile.ReadError as error:
        raise StreamError(
            f"A tar shard of the stream is damaged ({error}). Find it with `tar -tf` and copy it again."
        ) from error


def _video_column(videos: IterableDataset) -> str:
    if videos.features is None:
        raise StreamError("The stream does not say what its columns are. Name their types with `cast`.")
    found = [name for name, feature in videos.features.items() if _holds_videos(name, feature)]
    if len(found) == 1:
        return found[0]
    if "video" in videos.features:
        return "video"
    raise StreamError(
        f"The stream has {len(found) or 'no'} columns of videos among {', '.join(videos.features)}. Call the one to "
        "read 'video' with `rename_column`."
    )


def _holds_videos(column: str, feature) -> bool:
    # In a WebDataset columns are called after the files' suffixes; datasets 4 leaves those of videos without a type.
    return isinstance(feature, Video) or _suffix(column) in (*VIDEO_SUFFIXES, FRAME_ARCHIVE_SUFFIX)


def _suffix(column: str) -> str:
    return PurePosixPath(f"video.{column}").suffix.lower()


def _label_column(videos: IterableDataset) -> str | None:
    return next((name for name in LABEL_COLUMNS if name in videos.features), None)


def _name(row: dict, video: RowVideo) -> str:
    """What a video is called in lists, the same in every round."""
    if all(name in row for name in KEY_COLUMNS):
        return "/".join(row[name] for name in KEY_COLUMNS)
    return video_name(video)
