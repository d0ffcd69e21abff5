"""Atomic writes, folder locks and permissions.

Imports no other room.
"""

from .atomic_write import unfinished, whole_file
from .folder_lock import only_writer
from .permissions import follow_umask


__all__ = ["follow_umask", "only_writer", "unfinished", "whole_file"]
