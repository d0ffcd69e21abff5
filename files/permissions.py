"""Permissions of files that a library wrote for their owner alone. Imports only the standard library."""

import os
import shutil
from pathlib import Path


def follow_umask(folder: Path, pattern: str):
    """Give the files of a folder that match a pattern the permissions of a new file.

    safetensors (0.8) writes files that only their owner can read, so colleagues could not load a model from a shared
    disk. A new file shows the permissions that umask and folder ask for.
    """
    private = [path for path in folder.glob(pattern) if not path.stat().st_mode & 0o077]
    if not private:
        return
    new = folder / f".permissions.{os.getpid()}"
    new.touch()
    try:
        for path in private:
            shutil.copymode(new, path)
    finally:
        new.unlink()
