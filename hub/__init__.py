"""Saving, loading and uploading of models, with the code that loads them and their card.

Importing this room is cheap. Import `hub.loading`, `hub.upload` and `hub.model_card` by their own names: they
need torch or the network. May import `configuration`, `files`, `messages`, `image_processing` and
`modeling_lgi_former`.
"""

from .flat_code import PACKAGE, all_flat_code
from .repository_files import check_uploadable, model_file_patterns, model_files, names_missing_code
from .saving import CONFIG_AUTO_MAP, PROCESSOR_AUTO_MAP, save_with_code, write_code


__all__ = [
    "CONFIG_AUTO_MAP",
    "PACKAGE",
    "PROCESSOR_AUTO_MAP",
    "all_flat_code",
    "check_uploadable",
    "model_file_patterns",
    "model_files",
    "names_missing_code",
    "save_with_code",
    "write_code",
]
