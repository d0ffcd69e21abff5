"""Files that are written all together or not at all, and replace nothing that differs unless asked to."""

import contextlib
import filecmp
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ....files import unfinished


class StagedFiles:
    """Text files beside their places, until they are moved there at the end of the `with` block.

    If the block is left by an exception, no file has changed.

    Args:
        overwrite: Whether files that are there with other content may be replaced.

    Raises:
        ValueError: At the end, as `check_places` does. Then none of the files is written.
    """

    def __init__(self, overwrite: bool):
        self.overwrite = overwrite
        self._places = {}

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[TextIO]:
        """Open a new file for `path`, in UTF-8; folders are made as needed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = unfinished(path)
        self._places[staged] = path
        with staged.open("w", encoding="utf-8", newline="\n") as file:
            yield file

    def discard(self):
        """Write none of the files after all."""
        for staged in self._places:
            staged.unlink(missing_ok=True)
        self._places.clear()

    def __enter__(self) -> "StagedFiles":
        return self

    def __exit__(self, error_type, error, traceback):
        try:
            if error is None:
                self._move()
        finally:
            self.discard()

    def check_places(self):
        """See whether the files written so far may go to their places.

        Raises:
            ValueError: If there are files with other content, which may not be replaced, or folders.
        """
        if folder := next((path for path in self._places.values() if path.is_dir()), None):
            raise ValueError(f"'{folder}' is a folder: move it, or choose another --output. No list was written.")
        kept = [
            path
            for staged, path in self._places.items()
            if path.exists() and not filecmp.cmp(staged, path, shallow=False)
        ]
        if kept and not self.overwrite:
            raise ValueError(
                f"{_some_are(kept)} there already with other content: pass --overwrite to replace what is there, or "
                "choose another --output. No list was written."
            )

    def _move(self):
        self.check_places()
        for staged, path in self._places.items():
            staged.replace(path)


def _some_are(paths: list[Path]) -> str:
    return f"'{paths[0]}' is" if len(paths) == 1 else f"'{paths[0]}' and {len(paths) - 1} more files are"
