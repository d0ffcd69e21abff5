"""Crops the faces of a corpus once, so that training reads small frames that a face fills."""

import csv
import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from PIL import Image
from tqdm import tqdm
from transformers.utils import logging

from ...files import (
    NotWrittenError,
    as_text_cell,
    explained_write_errors,
    from_text_cell,
    only_writer,
    sync_folder,
    sync_tree,
    whole_file,
)
from ...image_processing import FaceCropper, open_frames
from ...image_processing.decoding.animated_images import is_animation
from ...image_processing.decoding.frame_folders import IMAGE_SUFFIXES, check_frame_order, holds_frames
from ...image_processing.decoding.section import Section
from ...image_processing.decoding.shots import find_cuts
from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ...image_processing.decoding.video_sources import check_file
from ...messages import escaped, shows_progress
from .parallel import map_unordered


logger = logging.get_logger(__name__)

LIST_FILE = "faces.csv"
SETTINGS_FILE = "faces.json"
SECONDS_FOR_SETTINGS = 60.0
LIST_ENCODING = {"encoding": "utf-8", "errors": "backslashreplace"}  # names of files need not be UTF-8
JPEG_QUALITY = 95
VIDEOS_AHEAD = 4  # for each thread, so that no thread waits for work

CROPPED, NO_FACE, FAILED = "cropped", "no face", "failed"


@dataclass
class Outcome:
    """The result for a video. The crops show the person whose face has the largest total area."""

    video: str  # path relative to the corpus, and of the folder with the crops relative to the output
    status: str  # CROPPED, NO_FACE or FAILED; only cropped videos have a folder
    people: int = 0
    frames: int = 0  # number of crops
    reason: str = ""  # the error of a failed video


def crop_corpus(
    source: str | os.PathLike,
    output_dir: str | os.PathLike,
    cropper: FaceCropper,
    size: int = 224,
    num_workers: int = 1,
    frame_order: str = "natural",
    *,
    cuts: bool = True,
    start: float | str | None = None,
    end: float | str | None = None,
    stream: int | None = None,
    frame_rate: float | None = None,
    videos: Sequence[str | os.PathLike] | None = None,
    num_shards: int = 1,
    shard: int = 0,
) -> list[Outcome]:
    """Write each video's main face as a folder of JPEG frames, under the video's own relative path.

    Annotation files of the corpus also fit the crops, with `data_root=output_dir`. `output_dir/faces.csv` gets a row
    with the fields of `Outcome` as soon as a video is finished. Folders of crops are written atomically. A second call
    resumes: it skips videos that were cropped or have no face, and tries failed videos again. A warning counts the
    skipped files and folders that are not videos.

    Args:
        source: A video, or a folder with videos (files, animated images, folders of frames) at any depth.
        output_dir: Folder to write to. It is created if needed.
        cropper: Tracks, aligns and crops faces.
        size: Height and width of the crops in pixels. Owners of corpora distribute 224 or 256.
        num_workers: Number of threads. Each works on one video.
        frame_order: Order of the frames of a folder, as for `read_video`.
        cuts: Find the hard cuts of a video, and follow nobody over a cut. The crops of a video are of one shot then.
        start, end, stream, frame_rate: As for `open_frames`. They apply to every video. A crop is named after the
            number of its frame in the whole video.
        videos: Paths of videos in `source`. The default is all videos in it.
        num_shards, shard: Crop only the videos `shard`, `shard + num_shards`, ... Several calls may crop the shards of
            a corpus at the same time. Each has its own list of outcomes, `list_file_of(num_shards, shard)`.

    Returns:
        The outcomes of all videos of the shard, including those of earlier calls, sorted by path.

    Raises:
        ValueError: If there is no video, a folder has both frames and videos, one of `videos` is not in `source`, or
            `start` and `end` are impossible.
        ValueError: If `output_dir` contains the source, another process is writing to it, or it was made from another
            corpus, with other settings (such as with or without alignment) or by another program.
    """
    check_frame_order(frame_order)
    Section.of(start, end)
    # Absolute, because "." has no name, and ".." has a name that leads out of `output_dir`.
    source, output_dir = Path(os.path.abspath(source)), Path(os.path.abspath(output_dir))
    if source.resolve().is_relative_to(output_dir.resolve()):
        raise ValueError(f"'{source}' is in '{output_dir}', so crops would replace it. Choose another folder.")
    root, found = _find_videos(source, output_dir) if videos is None else (source, _below(source, videos))
    list_file = list_file_of(num_shards, shard)
    output_dir.mkdir(parents=True, exist_ok=True)
    visible = [entry for entry in output_dir.iterdir() if not entry.name.startswith(".")]
    if visible and not (output_dir / SETTINGS_FILE).exists():
        raise ValueError(f"'{output_dir}' is not empty, and this command did not write it. Choose another folder.")
    with only_writer(output_dir, f".{list_file}.lock"):
        settings = {"source": str(root.resolve()), "size": size, "margin": cropper.margin, "frame_order": frame_order}
        reading = {"start": start, "end": end, "stream": stream, "frame_rate": frame_rate}
        reading = {name: value for name, value in reading.items() if value is not None}
        settings |= {"align": cropper.align, "cuts": cuts} | reading
        with only_writer(output_dir, f".{SETTINGS_FILE}.lock", SECONDS_FOR_SETTINGS):  # shards may begin together
            _check_settings(output_dir, settings)
        reading |= {"frame_order": frame_order}
        cropping = Cropping(root, output_dir, cropper, size, reading, cuts, list_file)
        return _crop_all(cropping, found[shard::num_shards], num_workers)


def list_file_of(num_shards: int, shard: int) -> str:
    """The name of the list of outcomes: `faces.csv`, or `faces-2-of-8.csv` for shard 2 of 8 (they count from 0)."""
    return LIST_FILE if num_shards == 1 else f"faces-{shard}-of-{num_shards}.csv"


def _below(source: Path, videos: Iterable[str | os.PathLike]) -> list[str]:
    """The paths of videos, relative to `source`, sorted and without repetitions."""
    found = {Path(os.path.abspath(video)) for video in videos}
    for video in sorted(found):
        if source not in video.parents:
            raise ValueError(f"'{video}' is not in '{source}', so its crops have no place. Leave it out.")
    return sorted(video.relative_to(source).as_posix() for video in found)


def _find_videos(source: Path, output_dir: Path) -> tuple[Path, list[str]]:
    """Find the videos. Returns the folder that paths are relative to, and the paths. Warns of other files."""
    if not source.exists():
        raise ValueError(f"There is no file or folder '{source}'. Check the path.")
    if not source.is_dir():
        check_file(source)
        return source.parent, [source.name]
    if holds_frames(source):
        _refuse_mixture(source)
        return source.parent, [source.name]
    skipped = []
    videos = sorted(path.relative_to(source).as_posix() for path in _videos_in(source, output_dir.resolve(), skipped))
    if not videos:
        raise ValueError(
            f"'{source}' holds no videos: neither files ({', '.join(VIDEO_SUFFIXES)}) nor folders of frames "
            f"({', '.join(IMAGE_SUFFIXES)}), at any depth."
        )
    if skipped:
        logger.warning(
            f"{len(skipped)} files and folders in '{source}' are skipped, such as "
            f"'{min(skipped).relative_to(source)}': they are neither videos ({', '.join(VIDEO_SUFFIXES)}, animated "
            "images) nor folders of frames."
        )
    return source, videos


def _videos_in(folder: Path, output_dir: Path, skipped: list[Path]) -> Iterator[Path]:
    """Yield the videos at any depth. Other files are added to `skipped`, except for hidden files."""
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.resolve() == output_dir:
            continue
        if entry.is_dir() and not holds_frames(entry):
            yield from _videos_in(entry, output_dir, skipped)
        elif entry.is_dir():
            _refuse_mixture(entry)
            yield entry
        elif _is_video(entry):
            yield entry
        else:
            skipped.append(entry)


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES or is_animation(file)


def _refuse_mixture(folder: Path):
    """Raise ValueError if a folder of frames also has a video, which would be skipped."""
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith(".") and (holds_frames(entry) if entry.is_dir() else _is_video(entry)):
            raise ValueError(
                f"'{folder}' holds both frames and a video ('{entry.name}'). Move the images or the video to "
                "another folder."
            )


def _check_settings(output_dir: Path, settings: dict):
    file = output_dir / SETTINGS_FILE
    if not file.exists():
        with whole_file(file) as new:
            new.write_text(json.dumps(settings), encoding="utf-8")
        return
    written = file.read_text(encoding="utf-8")
    # Earlier versions sorted by name, did not align and did not look for cuts. Their settings lack these entries.
    before = {"frame_order": "name", "align": False, "cuts": False} | json.loads(written)
    switches = [name for name in ("align", "cuts") if before[name] != settings[name]]
    if switches and before == settings | {name: not settings[name] for name in switches}:
        options = " and ".join(f"{'leave out' if before[name] else 'add'} --no_{name}" for name in switches)
        values = ", ".join(f"{name}={before[name]}" for name in switches)
        raise ValueError(
            f"'{output_dir}' has crops that were made otherwise. To continue it, {options} ({values} in Python). Or "
            "choose another folder."
        )
    if before != settings:
        raise ValueError(
            f"'{output_dir}' has crops with the settings {written}, not {json.dumps(settings)}. Use the same settings "
            "or another folder."
        )


@dataclass
class Cropping:
    """Crops the faces of single videos in `root`. The arguments are those of `crop_corpus` and of `open_frames`."""

    root: Path
    output_dir: Path
    cropper: FaceCropper
    size: int
    reading: dict
    cuts: bool = True
    list_file: str = LIST_FILE
    stop: threading.Event = field(default_factory=threading.Event)

    def crop(self, video: str) -> Outcome:
        """Crop a video. Its errors become the outcome, because they must not stop other videos.

        Raises:
            NotWrittenError: If the disk is full or read-only. No other video could be written either.
        """
        target = self.output_dir / video
        folder = unfinished_folder(target)
        try:
            shutil.rmtree(folder, ignore_errors=True)  # left by a killed call
            with explained_write_errors(self.output_dir):
                folder.mkdir(parents=True)
                try:
                    return self._crop_into(folder, video, target)
                finally:
                    shutil.rmtree(folder)
        except (_StoppedError, NotWrittenError):
            raise
        except Exception as error:
            return Outcome(video, FAILED, reason=" ".join(str(error).split()))

    def _crop_into(self, folder: Path, video: str, target: Path) -> Outcome:
        """Write the crops of all people to `folder`, then move those of the main person to `target`."""
        areas = self._write_crops(video, folder)
        if not areas:
            return Outcome(video, NO_FACE)
        main = folder / str(areas.most_common(1)[0][0])
        frames = len(list(main.iterdir()))
        sync_tree(main)
        if target.exists():  # complete but not listed, if a call was stopped in between
            shutil.rmtree(target)
        main.rename(target)
        sync_folder(target.parent)
        return Outcome(video, CROPPED, people=len(areas), frames=frames)

    def _write_crops(self, video: str, folder: Path) -> Counter:
        """Write the crops of each person to a folder in `folder` that has the number of the person.

        Returns:
            The total area of each person's face over all frames, in pixels.
        """
        areas = Counter()
        with open_frames(self.root / video, **self.reading) as stream:
            if self.cuts:
                find_cuts(stream)
            for frame, faces in self.cropper.follow(stream):
                if self.stop.is_set():
                    raise _StoppedError
                for face in faces:
                    person = folder / str(face.person)
                    person.mkdir(exist_ok=True)
                    crop = Image.fromarray(face.crop(frame.image, self.size))
                    crop.save(person / f"{frame.index:06d}.jpg", quality=JPEG_QUALITY)
                    areas[face.person] += (face.box[2] - face.box[0]) ** 2
        return areas


class _StoppedError(Exception):
    """The call was stopped while a video was in progress."""


def _crop_all(cropping: Cropping, videos: list[str], num_workers: int) -> list[Outcome]:
    output_dir, list_path = cropping.output_dir, cropping.output_dir / cropping.list_file
    listed = {outcome.video: outcome for outcome in _listed(list_path, videos) if _is_done(outcome, output_dir)}
    _write_list(list_path, listed.values())
    done = {video: listed[video] for video in videos if video in listed}
    tasks = [(video, video) for video in videos if video not in done]
    numbers = Counter(outcome.status for outcome in done.values())
    with (
        ThreadPoolExecutor(num_workers) as pool,
        tqdm(
            desc="Cropping faces",
            total=len(videos),
            initial=len(done),
            unit="video",
            disable=not shows_progress(),
        ) as progress,
    ):
        try:
            for video, outcome in map_unordered(pool, cropping.crop, tasks, VIDEOS_AHEAD * num_workers):
                done[video] = outcome
                _append(list_path, outcome)
                numbers[outcome.status] += 1
                progress.set_postfix({name: numbers[name] for name in (NO_FACE, FAILED)}, refresh=False)
                progress.update()
        except BaseException:
            cropping.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [done[video] for video in videos]


def _is_done(outcome: Outcome, output_dir: Path) -> bool:
    return outcome.status == NO_FACE or (outcome.status == CROPPED and (output_dir / outcome.video).exists())


def unfinished_folder(target: Path) -> Path:
    """The temporary folder of a video. A later call finds it there after a killed call."""
    # A longer name than that of the target could be too long for the file system.
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=8).hexdigest()
    return target.with_name(f".{digest}.unfinished")


def _listed(list_path: Path, videos: Iterable[str]) -> list[Outcome]:
    """Read the outcomes in the list. It has escapes for names that are not UTF-8; `videos` has the real names."""
    if not list_path.exists():
        return []
    with list_path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]  # the last row may be incomplete
    names = {escaped(video): video for video in videos}
    for row in rows:
        row |= {name: from_text_cell(cell) for name, cell in row.items()}
        row |= {"video": names.get(row["video"], row["video"])}
        row |= {name: int(row[name]) for name in ("people", "frames")}
    return [Outcome(**row) for row in rows]


def _write_list(list_path: Path, outcomes: Iterable[Outcome]):
    with whole_file(list_path) as path, path.open("w", newline="", **LIST_ENCODING) as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in fields(Outcome)])
        writer.writerows(map(_cells, outcomes))


def _append(list_path: Path, outcome: Outcome):
    with list_path.open("a", newline="", **LIST_ENCODING) as file:
        csv.writer(file).writerow(_cells(outcome))
        file.flush()
        os.fsync(file.fileno())


def _cells(outcome: Outcome) -> Iterator[str | int]:
    return map(as_text_cell, asdict(outcome).values())
