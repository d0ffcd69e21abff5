"""Atomic writes, journals, folder locks, permissions, cells of CSV files, and paths with `~` and variables.

Imports no other room.
"""

from .atomic_write import unfinished, whole_file
from .expand_path import PATHS, UnsetVariableError, expand_path, expand_paths_of
from .folder_lock import only_writer
from .journal import Journal, check_settings
from .permissions import follow_umask
from .spreadsheet_cells import as_text_cell, from_text_cell


__all__ = [
    "PATHS",
    "Journal",
    "UnsetVariableError",
    "as_text_cell",
    "check_settings",
    "expand_path",
    "expand_paths_of",
    "follow_umask",
    "from_text_cell",
    "only_writer",
    "unfinished",
    "whole_file",
]
