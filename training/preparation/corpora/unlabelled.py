"""Lists the clips of a corpus that is too large for memory, directly from its folders to a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from ....messages import shows_progress
from ...data.annotation_files import is_path_only
from .clip_folders import clips_below, joined, problem_of_clip
from .descriptions import UnlabelledClips
from .readability import ReadabilityRecord


@dataclass
class UnlabelledCount:
    """The number of listed clips of a corpus, and the problems of unreadable clips by path."""

    num_found: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def num_missing(self) -> int:
        """Number of unreadable clips."""
        return len(self.missing)

    @property
    def num_expected(self) -> int:
        """Number of clips in the folders. There is no list of all clips, and pre-training can use a part of them."""
        return self.num_found + self.num_missing


def list_clips(
    clips: UnlabelledClips, root: Path, folder: str, record: ReadabilityRecord, file: TextIO
) -> UnlabelledCount:
    """Write a line for each clip in `root / folder`, except for clips that the record knows as unreadable.

    Raises:
        ValueError: If a reader of the line would get another path.
    """
    count = UnlabelledCount()
    with tqdm(desc="Listing", unit="clip", disable=not shows_progress()) as progress:
        for found in clips_below(root / folder, clips.depth):
            unreadable = record.unreadable(found)
            for clip in found.clips:
                path = joined(folder, joined(found.path, clip.name))
                if not (path.isprintable() and is_path_only(path)):
                    raise ValueError(
                        f"{str(root / path)!r} cannot be a line of a list. Rename it without spaces and special "
                        "characters."
                    )
                problem = problem_of_clip(clip) or unreadable.get(clip.name)
                if problem is None:
                    file.write(f"{path}\n")
                    count.num_found += 1
                else:
                    count.missing[path] = problem
            progress.update(len(found.clips))
    return count
