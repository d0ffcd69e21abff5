"""A file of finished items. A killed run continues with it. Imports only the standard library."""

import json
import os
import time
import zlib
from pathlib import Path
from typing import Any

from .atomic_write import whole_file
from .write_errors import explained_write_errors


SECONDS_TO_SYNC = 1.0  # to sync each item would take milliseconds on a fast disk, and more on others


class Journal:
    """The finished items of a run. An item that `append` returned from survives the death of the process.

    A power cut loses at most the items of the last `SECONDS_TO_SYNC` seconds.

    The file has a line of JSON for each item, after a checksum. The first line has the settings of the run. Lines that
    are incomplete or damaged count as missing.

    Args:
        path: The file. It is created if it does not exist.
        settings: What the items depend on, a dictionary that JSON can store.

    Attributes:
        num_damaged (`int`): Number of lines that are damaged. An incomplete last line, which a killed process leaves,
            does not count.

    Raises:
        ValueError: If the file has other settings, or is no journal.
        OSError: If the file cannot be read or written.
    """

    def __init__(self, path: Path, settings: dict):
        self.path, self.num_damaged = path, 0
        self._offsets: dict[str, int] = {}
        if not path.exists():
            with whole_file(path) as new:
                new.write_bytes(_line(["settings", settings]))
        self._file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._synced = time.monotonic()
        try:
            self._end = self._scan(settings)
            os.ftruncate(self._file, self._end)
        except BaseException:
            self.close()
            raise

    def __contains__(self, key: str) -> bool:
        return key in self._offsets

    def append(self, key: str, item: Any):
        """Add an item that JSON can store. It replaces an earlier item with this key.

        Raises:
            NotWrittenError: If it cannot be written. The items before it are not affected. It is an `OSError`.
        """
        line = _line([key, item])
        with explained_write_errors(self.path):
            os.lseek(self._file, self._end, os.SEEK_SET)
            written = 0
            while written < len(line):  # a full disk may take a part of it
                written += os.write(self._file, line[written:])
            if time.monotonic() - self._synced >= SECONDS_TO_SYNC:
                os.fsync(self._file)
                self._synced = time.monotonic()
        self._offsets[key] = self._end
        self._end += len(line)

    def read(self, key: str) -> Any:
        """The item of a key."""
        with self.path.open("rb") as file:
            file.seek(self._offsets[key])
            content = _content(file.readline())
        if content is None:
            raise ValueError(f"'{self.path}' was changed while it was in use. Run the command again.")
        return content[1]

    def close(self):
        """Close the file."""
        os.close(self._file)

    def _scan(self, settings: dict) -> int:
        """Find the items. Returns the end of the last complete line."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                content = _content(line)
                if end == 0:
                    self._check(content, settings)
                elif content is not None:
                    self._offsets[content[0]] = end
                elif line.endswith(b"\n"):
                    self.num_damaged += 1
                if line.endswith(b"\n"):
                    end += len(line)
        if end == 0:
            self._check(None, settings)
        return end

    def _check(self, content: list | None, settings: dict):
        if content is None or content[0] != "settings":
            raise ValueError(f"'{self.path}' is damaged. Delete it to begin again.")
        check_settings(self.path, content[1], settings)


def check_settings(path: Path, earlier: dict, settings: dict):
    """
    Raises:
        ValueError: If the settings of an earlier run, which wrote to `path`, are others than `settings`.
    """
    settings = json.loads(json.dumps(settings))
    names = [name for name in {**earlier, **settings} if earlier.get(name) != settings.get(name)]
    if names:
        differences = ", ".join(f"{name} was {earlier.get(name)!r} and is {settings.get(name)!r}" for name in names)
        raise ValueError(
            f"'{path}' is from a run with other settings: {differences}. Use the same settings, choose another "
            "output, or begin again with --overwrite."
        )


def _line(content: list) -> bytes:
    text = json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _content(line: bytes) -> list | None:
    """The content of a line; None if it is damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    return json.loads(text) if checksum == b"%08x" % zlib.crc32(text) and line.endswith(b"\n") else None
