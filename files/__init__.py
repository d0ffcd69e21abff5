"""Atomic writes and folder locks.

Imports no other room.
"""

from .atomic_write import unfinished, whole_file
from .folder_lock import only_writer


__all__ = ["only_writer", "unfinished", "whole_file"]
