"""What `save_pretrained` writes: base classes of configuration, models and processor, and the code beside weights.

Importing this room is cheap. May import `files` and `version`.
"""

from .flat_code import HEADER, PACKAGE, all_flat_code, flat_code, relative_imports
from .save_pretrained import (
    CONFIG_AUTO_MAP,
    PROCESSOR_AUTO_MAP,
    ConfigSavedWithCode,
    ModelSavedWithCode,
    ProcessorSavedWithCode,
    is_code_or_part_of_it,
    write_code,
)


__all__ = [
    "CONFIG_AUTO_MAP",
    "HEADER",
    "PACKAGE",
    "PROCESSOR_AUTO_MAP",
    "ConfigSavedWithCode",
    "ModelSavedWithCode",
    "ProcessorSavedWithCode",
    "all_flat_code",
    "flat_code",
    "is_code_or_part_of_it",
    "relative_imports",
    "write_code",
]
