"""Atomic and durable writes, journals, folder locks, permissions, cells of CSV files, and paths with variables.

Imports no other room.
"""

from .atomic_write import STAGING_FOLDER, put_in_place, unfinished, whole_file, whole_files
from .durable import sync_file, sync_folder, sync_tree
from .expand_path import PATHS, UnsetVariableError, expand_path, expand_paths_of
from .folder_lock import LOCK_FILE, only_writer, only_writer_of
from .journal import Journal, check_settings
from .permissions import follow_umask
from .spreadsheet_cells import as_text_cell, from_text_cell
from .stopping import exit_at_sigterm
from .write_errors import NotWrittenError, explained_write_errors


__all__ = [
    "LOCK_FILE",
    "PATHS",
    "STAGING_FOLDER",
    "Journal",
    "NotWrittenError",
    "UnsetVariableError",
    "as_text_cell",
    "check_settings",
    "exit_at_sigterm",
    "expand_path",
    "expand_paths_of",
    "explained_write_errors",
    "follow_umask",
    "from_text_cell",
    "only_writer",
    "only_writer_of",
    "put_in_place",
    "sync_file",
    "sync_folder",
    "sync_tree",
    "unfinished",
    "whole_file",
    "whole_files",
]
