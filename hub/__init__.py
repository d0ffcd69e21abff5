"""Files of model repositories, loading, uploading, and model cards.

Importing this room is cheap. Import `hub.loading`, `hub.upload` and `hub.model_card` by their own names, because they
need torch or the network. May import `configuration`, `messages`, `image_processing`, `modeling_lgi_former` and
`saving`.
"""

from ..saving import CONFIG_AUTO_MAP, PACKAGE, PROCESSOR_AUTO_MAP, all_flat_code, write_code
from .repository_files import check_uploadable, model_file_patterns, model_files, names_missing_code


__all__ = [
    "CONFIG_AUTO_MAP",
    "PACKAGE",
    "PROCESSOR_AUTO_MAP",
    "all_flat_code",
    "check_uploadable",
    "model_file_patterns",
    "model_files",
    "names_missing_code",
    "write_code",
]
