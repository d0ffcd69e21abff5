"""The clips of a corpus that is too large for memory: straight from its folders into a list to pre-train on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from ...data.annotation_files import is_path_only
from .clip_folders import clips_below, joined, what_is_wrong
from .descriptions import UnlabelledClips
from .readability import ReadabilityRecord, check_readability


@dataclass
class UnlabelledCount:
    """What was found of a corpus.

    Attributes:
        num_found: Clips that are listed.
        missing: Clips that are there but cannot be read, and why.
    """

    num_found: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def num_missing(self) -> int:
        """How many cannot be read."""
        return len(self.missing)

    @property
    def num_expected(self) -> int:
        """How many are there. Which ones the owners distribute nobody knows, and a part is good to pre-train on."""
        return self.num_found + self.num_missing


def read_all(clips: UnlabelledClips, folder: Path, record: ReadabilityRecord, num_workers: int):
    """Find out which videos cannot be read, but for those whose folders are in the record.

    Raises:
        ValueError: If a process dies of a video.
        OSError: If a folder cannot be read.
    """
    counted = tqdm(clips_below(folder, clips.depth), "Counting", unit=" folders")
    num_videos = sum(len(found.clips) for found in counted)
    check_readability(clips_below(folder, clips.depth), record, num_workers, num_videos)


def list_clips(
    clips: UnlabelledClips, root: Path, folder: str, record: ReadabilityRecord, file: TextIO
) -> UnlabelledCount:
    """Write the path of each clip that is not known to be unreadable, relative to the corpus, as a line of its own.

    Args:
        clips: How they are found.
        root: Folder of the corpus.
        folder: Folder of the clips, relative to that.
        record: Which of them cannot be read.
        file: Where to.

    Raises:
        ValueError: If a path cannot be written as a line from which the same path is read.
        OSError: If a folder cannot be read.
    """
    count = UnlabelledCount()
    with tqdm(desc="Listing", unit="clip") as progress:
        for found in clips_below(root / folder, clips.depth):
            unreadable = record.unreadable(found)
            for clip in found.clips:
                path = joined(folder, joined(found.path, clip.name))
                if not (path.isprintable() and is_path_only(path)):
                    raise ValueError(
                        f"{str(root / path)!r} cannot be a line of a list; rename it, without spaces or special "
                        "characters."
                    )
                problem = what_is_wrong(clip) or unreadable.get(clip.name)
                if problem is None:
                    file.write(f"{path}\n")
                    count.num_found += 1
                else:
                    count.missing[path] = problem
            progress.update(len(found.clips))
    return count
