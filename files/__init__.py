"""Atomic writes, folder locks, and paths with `~` and environment variables.

Imports no other room.
"""

from .atomic_write import unfinished, whole_file
from .expand_path import PATHS, UnsetVariableError, expand_path, expand_paths_of
from .folder_lock import only_writer


__all__ = ["PATHS", "UnsetVariableError", "expand_path", "expand_paths_of", "only_writer", "unfinished", "whole_file"]
