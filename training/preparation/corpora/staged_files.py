"""Writes several files together or not at all."""

import contextlib
import filecmp
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ....files import put_in_place, unfinished


class StagedFiles:
    """Text files with temporary names. The end of the `with` block moves them to their final names.

    If the block raises an exception, or `check_places` does at its end, no file changes.

    Args:
        overwrite: Whether to replace existing files with other content.
    """

    def __init__(self, overwrite: bool):
        self.overwrite = overwrite
        self._places = {}

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[TextIO]:
        """Open a new UTF-8 file for `path`. Missing folders are created."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = unfinished(path)
        self._places[staged] = path
        with staged.open("w", encoding="utf-8", newline="\n") as file:
            yield file

    def discard(self):
        """Delete all files that were written so far."""
        for staged in self._places:
            staged.unlink(missing_ok=True)
        self._places.clear()

    def __enter__(self) -> "StagedFiles":
        return self

    def __exit__(self, error_type, error, traceback):
        try:
            if error is None:
                self.check_places()
                for staged, path in self._places.items():
                    put_in_place(staged, path)
        finally:
            self.discard()

    def check_places(self):
        """Check that the files written so far can get their final names.

        Raises:
            ValueError: If a folder has such a name, or if a file with other content has it without `overwrite`.
        """
        if folder := next((path for path in self._places.values() if path.is_dir()), None):
            raise ValueError(f"'{folder}' is a folder. Move it, or choose another --output. No list was written.")
        differing = [
            path
            for staged, path in self._places.items()
            if path.exists() and not filecmp.cmp(staged, path, shallow=False)
        ]
        if differing and not self.overwrite:
            files = f"'{differing[0]}' exists"
            if len(differing) > 1:
                files = f"'{differing[0]}' and {len(differing) - 1} more files exist"
            raise ValueError(
                f"{files} already with other content. Replace them with --overwrite, or choose another "
                "--output. No list was written."
            )
