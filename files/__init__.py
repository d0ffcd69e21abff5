"""Atomic writes, journals, folder locks, permissions, and paths with `~` and environment variables.

Imports no other room.
"""

from .atomic_write import unfinished, whole_file
from .expand_path import PATHS, UnsetVariableError, expand_path, expand_paths_of
from .folder_lock import only_writer
from .journal import Journal, check_settings
from .permissions import follow_umask


__all__ = [
    "PATHS",
    "Journal",
    "UnsetVariableError",
    "check_settings",
    "expand_path",
    "expand_paths_of",
    "follow_umask",
    "only_writer",
    "unfinished",
    "whole_file",
]
