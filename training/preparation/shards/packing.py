"""Packs a corpus into tar shards, for storage that is remote or slow with many small files."""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from tqdm import tqdm

from ....files import only_writer
from ....image_processing import VideoReadError
from ....image_processing.decoding.frame_folders import check_frame_order
from ....image_processing.decoding.local_videos import video_name
from ....messages import shows_progress
from ...data.annotations import check_that_videos_are_there
from ...data.classes import names_of_classes, warn_of_empty_classes
from ...data.label_values import is_frame_level
from ...data.read_labels import task_of_videos
from ...data.shard_index import INDEX_FILE, MEMBERS_SUFFIX, ShardError, ShardIndex, open_index, read_index, sha256_of
from ...data.skipped_videos import SKIPPED_VIDEOS_FILE, replace_list
from ..parallel import WorkerDiedError, map_unordered, worker_processes
from .encoding import encode_video
from .writing import Sample, ShardFiles, WrittenShard


LOCK_FILE = ".shards.lock"
ENCODING_VERSION = 3  # raise it when the same videos give other bytes
SHARDS_AHEAD = 2  # for each process, so that no process waits for work


@dataclass
class PackedShards:
    """All shards of a folder, and what `pack_shards` did."""

    index: ShardIndex
    skipped: dict[str, str]  # the errors of unreadable videos, by name
    num_found: int  # shards that existed already
    mended: list[str]  # tar files of damaged shards that were written again


def pack_shards(
    videos: Dataset,
    output_dir: str | os.PathLike,
    *,
    root: str | os.PathLike = "",
    clips_per_shard: int = 1000,
    size: int | None = None,
    seed: int = 0,
    num_workers: int = 0,
    frame_order: str = "natural",
) -> PackedShards:
    """Pack videos into tar shards in the format of WebDataset, with an index for random access.

    The videos are shuffled first, so that each shard has videos of many classes. The same videos and settings give the
    same bytes. Shards are written atomically. A second call resumes: shards with the right checksum are not written
    again, and damaged shards are replaced.

    The folder gets `shard-NUMBER.tar`, a table `shard-NUMBER.parquet` for each shard, and `index.json`. In a shard, a
    video is `KEY.SUFFIX`, its class index `KEY.cls` and its name `KEY.json`. `skipped_videos.csv` lists unreadable
    videos.

    Args:
        videos: As from `load_annotations`.
        output_dir: Folder to write to. It is created if needed.
        root: Names of videos are relative to this folder, so that a moved corpus gives the same shards.
        clips_per_shard: Number of videos of a shard, including unreadable ones.
        size, frame_order: As for `encode_video`. By default, files are copied.
        seed: Decides the order.
        num_workers: Number of worker processes. Each packs one shard at a time. With 0, this process packs.

    Raises:
        ShardError: If no video can be read, labels are not one class for each video, or `output_dir` has shards of
            other videos or settings.
        ValueError: If no video exists, labels without names do not count from 0, or another process is writing to
            `output_dir`.
    """
    output_dir, classes = Path(output_dir), None
    if "label" in videos.column_names:
        _refuse_other_labels(videos)
        classes = names_of_classes("The list", videos)
        warn_of_empty_classes("The list", videos, classes)
    check_frame_order(frame_order)
    order = np.random.default_rng(seed).permutation(len(videos))
    shards = np.split(order, range(clips_per_shard, len(order), clips_per_shard))
    if not (output_dir / INDEX_FILE).exists():
        check_that_videos_are_there(videos)
    with only_writer(output_dir, LOCK_FILE):
        _refuse_other_shards(output_dir, len(shards))
        pack = functools.partial(pack_shard, output_dir, size, frame_order)
        with worker_processes(min(num_workers, len(shards)), preload=__name__) as pool:
            results = map_unordered(pool, pack, _tasks(videos, shards, root), SHARDS_AHEAD * num_workers)
            written = _collect(results, len(videos))
        skipped = {name: reason for shard in written for name, reason in shard.skipped.items()}
        index = ShardIndex([shard.shard for shard in written], classes)
        replace_list(output_dir / SKIPPED_VIDEOS_FILE, skipped)
        if sum(shard.nsamples for shard in index.shards) == 0:
            raise ShardError(
                f"None of the videos can be read. See '{output_dir / SKIPPED_VIDEOS_FILE}' for the reasons."
            )
        index.write(output_dir)
    mended = [shard.shard.url for shard in written if shard.was_damaged]
    return PackedShards(index, skipped, sum(not shard.is_new for shard in written), mended)


def _refuse_other_labels(videos: Dataset):
    task = task_of_videos(videos)
    if task != "single_label" or is_frame_level(videos.features["label"], task):
        raise ShardError(
            f"Shards hold one class for each video, but the list has other labels (task {task}). Train on the list "
            "itself, or remove the labels from it."
        )


def verify_shards(source: str) -> list[str]:
    """Compare all shards with their checksums. Returns a sentence for each damaged or missing file.

    Args:
        source: The `index.json`, or a folder or URL that has one.

    Raises:
        ShardError: If there is no index, or it cannot be read.
    """
    problems = []
    for shard in tqdm(open_index(source).shards, "Verifying shards", unit="shard", disable=not shows_progress()):
        for file, expected in ((shard.url, shard.sha256), (shard.members_url, shard.members_sha256)):
            try:
                if sha256_of(file) != expected:
                    problems.append(f"'{file}' does not have the checksum of the index.")
            except FileNotFoundError:
                problems.append(f"'{file}' is missing.")
            except Exception as error:  # each file system raises its own errors
                problems.append(f"'{file}' cannot be read: {error}.")
    return problems


def _tasks(
    videos: Dataset, shards: list[np.ndarray], root: str | os.PathLike
) -> Iterator[tuple[tuple[int, int], tuple[int, list[Sample]]]]:
    """Yield the number and size of each shard, and its argument for `pack_shard`. `shards` are rows of `videos`."""
    root = os.path.join(os.fspath(root), "")  # with a slash at the end, unless it is empty
    for number, rows in enumerate(shards):
        items = [(row, videos[row]) for row in rows.tolist()]
        samples = [
            Sample(f"{row:09d}", video_name(item["video"]).removeprefix(root), item["video"], item.get("label"))
            for row, item in items
        ]
        yield (number, len(samples)), (number, samples)


def pack_shard(output_dir: Path, size: int | None, frame_order: str, task: tuple[int, list[Sample]]) -> WrittenShard:
    """Write a shard, unless it exists with the right checksum. `task` is its number, and its videos in order.

    Raises:
        ShardError: If the shard exists with other videos or settings.
    """
    number, samples = task
    files = ShardFiles(output_dir, number, _digest_of_task(samples, size, frame_order))
    was_there = files.tar.exists()
    found = files.found()
    if found is not None and not _any_can_be_read_now(samples, found.skipped, size, frame_order):
        return found
    written = files.write(samples, size, frame_order)
    return replace(written, was_damaged=was_there and found is None)


def _digest_of_task(samples: list[Sample], size: int | None, frame_order: str) -> str:
    videos = [(sample.key, sample.name, sample.label) for sample in samples]
    content = [ENCODING_VERSION, size, None if size is None else frame_order, videos]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _any_can_be_read_now(samples: list[Sample], skipped: dict[str, str], size: int | None, frame_order: str) -> bool:
    """Whether skipped videos have been repaired, or exist under another root."""
    for sample in samples:
        if sample.name in skipped:
            with contextlib.suppress(VideoReadError):
                encode_video(sample.video, size, frame_order)
                return True
    return False


def _collect(results: Iterator[tuple[tuple[int, int], WrittenShard]], num_videos: int) -> list[WrittenShard]:
    """Wait for all shards with a progress bar. Returns them in the order of their numbers."""
    written, num_skipped = {}, 0
    with tqdm(desc="Packing shards", total=num_videos, unit="video", disable=not shows_progress()) as progress:
        try:
            for (number, num_samples), shard in results:
                written[number] = shard
                num_skipped += len(shard.skipped)
                progress.set_postfix(skipped=num_skipped, refresh=False)
                progress.update(num_samples)
        except WorkerDiedError as error:
            raise ShardError(
                "A process died while it packed a shard. Check the memory of the machine, or use fewer --num_workers. "
                "Run the same command again to resume."
            ) from error
    return [written[number] for number in sorted(written)]


def _refuse_other_shards(output_dir: Path, num_shards: int):
    index = output_dir / INDEX_FILE
    if index.exists() and any(Path(shard.url).parent != output_dir for shard in read_index(str(index)).shards):
        raise ShardError(f"'{index}' lists shards in other folders. Choose another folder, or delete it.")
    more = [file for file in output_dir.glob(f"shard-*{MEMBERS_SUFFIX}") if _number(file) >= num_shards]
    if more:
        raise ShardError(
            f"'{min(more)}' belongs to a corpus of more shards than the {num_shards} of this one. Choose another "
            "folder, or delete its shards to write them again."
        )


def _number(file: Path) -> int:
    digits = file.stem.removeprefix("shard-")
    return int(digits) if digits.isdecimal() else 0
