"""Files that `lgi-former predict --output` writes: names, checks, tables."""

import csv
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..files import as_text_cell, whole_file
from ..image_processing.decoding.video_decoding import VIDEO_SUFFIXES
from ..messages import escaped, printable
from .find_videos import FoundVideo


TABLE_FILE = "predictions.csv"
LONGEST_NAME = 150  # bytes; file systems allow 255, and suffixes are added
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\s]+')  # on Windows, on other systems, or in shells
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@dataclass
class VideoFiles:
    """Files of one video. None if a file is not wanted.

    Attributes:
        windows (`Path`, *optional*): CSV file with a row for each window.
        timeline (`Path`, *optional*): Picture of the scores over time.
        annotated (`Path`, *optional*): Video with faces and scores in it.
    """

    windows: Path | None = None
    timeline: Path | None = None
    annotated: Path | None = None

    def paths(self) -> list[Path]:
        """The wanted files."""
        return [path for path in (self.windows, self.timeline, self.annotated) if path is not None]


def plan_files(videos: list[FoundVideo], folder: Path, annotate: bool) -> list[VideoFiles]:
    """Choose the files of each video in a folder. No two videos get the same file on any file system."""
    files, taken = [], {TABLE_FILE.removesuffix(".csv"), *RESERVED}
    for video in videos:
        name = _free_name(_file_name(video), taken)
        files.append(
            VideoFiles(
                windows=folder / f"{name}.csv",
                timeline=folder / f"{name}_timeline.png",
                annotated=folder / f"{name}_annotated.mp4" if annotate else None,
            )
        )
    return files


def check_folder(folder: Path, files: list[VideoFiles], videos: list[FoundVideo], overwrite: bool):
    """Check the files of a folder, before anything is computed. Nothing is written.

    Raises:
        ValueError: If a file exists and may not be replaced, is one of the videos, or could not be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output {folder} is a file. Name a folder.")
    inputs = {os.path.realpath(video.video) for video in videos}
    for path in (folder / TABLE_FILE, *(path for each in files for path in each.paths())):
        if os.path.realpath(path) in inputs:
            raise ValueError(f"'{path}' is one of the videos and would be replaced. Choose another --output.")
        if path.is_dir() or (path.exists() and not overwrite):
            raise ValueError(f"'{path}' is there already. Choose another --output, or pass --overwrite.")


def report_cell(cell):
    """A cell of a table for people. It has no control characters, and spreadsheets do not run it as a formula."""
    return printable(as_text_cell(cell)) if isinstance(cell, str) else cell


def write_table(path: Path, columns: list[str], rows: list[dict]):
    """Write a CSV file atomically. Its cells are `report_cell`.

    Raises:
        OSError: If the file cannot be written.
    """
    with (
        whole_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(report_cell, columns))
        writer.writerows([report_cell(row.get(column)) for column in columns] for row in rows)


def _file_name(video: FoundVideo) -> str:
    """A file name for all systems, without a suffix, from the path of a video below its folder."""
    name = video.name
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in VIDEO_SUFFIXES or (suffix and not os.path.isdir(video.video)):
        name = stem
    name = unicodedata.normalize("NFC", escaped(unquote(name) if "://" in video.video else name))
    name = FORBIDDEN.sub("_", name).encode()[:LONGEST_NAME].decode(errors="ignore")
    return name.strip("._ ") or "video"


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or `name` with a number if it is taken. Case makes no difference, as on Windows and macOS."""
    free, number = name, 1
    while (key := unicodedata.normalize("NFC", free.casefold())) in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(key)
    return free
